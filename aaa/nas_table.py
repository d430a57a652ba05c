"""The NASes of the directory as clients of the protocol, and back.

Kept in memory, because every packet needs them; made anew when the directory says that
they changed, with the counters of those that stayed.
"""

from collections.abc import Iterable
from ipaddress import ip_network
from typing import NamedTuple

import structlog

from aaa.directory import Directory
from aaa.records import NasRecord
from core.octets import from_text
from core.radius.authenticity import SharedSecret
from core.radius.clients import Client, Clients
from core.radius.counters import Counters
from core.secret import CannotOpen, Vault
from nas_adapters.secrets import open_secret

log = structlog.get_logger()


class Known(NamedTuple):
    """A NAS, and what it is to each port: the same secret, and counters of its own there."""

    record: NasRecord
    auth: Client
    accounting: Client


class NasTable:
    """All NASes of all tenants."""

    def __init__(self, vault: Vault) -> None:
        self.clients = Clients()
        self.accounting_clients = Clients()
        self._vault = vault
        self._by_id: dict[int, Known] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def record(self, nas_id: int) -> NasRecord | None:
        known = self._by_id.get(nas_id)
        return None if known is None else known.record

    def tenant_of(self, client: Client) -> int:
        """Whose NAS a client of this table is."""
        return self._by_id[client.id].record.tenant_id

    def entries(self) -> list[Known]:
        """Every NAS with its clients, and so its counters."""
        return list(self._by_id.values())

    def reload(self, directory: Directory) -> None:
        """Read them all from the snapshot that `directory` holds."""
        fresh: dict[int, Known] = {}
        for record in directory.nases():
            known = self._by_id.get(record.id)
            if known is not None and known.record == record:
                fresh[record.id] = known
                continue
            try:
                opened = open_secret(self._vault, record.tenant_id, record.id, record.secret_sealed)
            except CannotOpen as error:
                # The others go on; this one is unknown until its secret is set again.
                log.warning("nas_secret_unreadable", nas=record.name, error=str(error))
                continue
            secret = SharedSecret(opened.octets)
            fresh[record.id] = Known(
                record,
                _client(record, secret, known and known.auth),
                _client(record, secret, known and known.accounting),
            )
        self._by_id = fresh
        self.clients = _clients((known.record, known.auth) for known in fresh.values())
        self.accounting_clients = _clients(
            (known.record, known.accounting) for known in fresh.values()
        )


def _client(record: NasRecord, secret: SharedSecret, before: Client | None) -> Client:
    return Client(
        record.id,
        record.name,
        secret,
        record.require_message_authenticator,
        before.counters if before is not None else Counters(),
    )


def _clients(boxes: Iterable[tuple[NasRecord, Client]]) -> Clients:
    return Clients(
        (ip_network(record.network), from_text(record.identifier), client)
        for record, client in boxes
    )
