"""The NASes of the directory as clients of the protocol, and back.

Kept in memory, because every packet needs them; made anew when the directory says that
they changed, with the counters of those that stayed.
"""

from ipaddress import ip_network

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


class NasTable:
    """All NASes of all tenants."""

    def __init__(self, vault: Vault) -> None:
        self.clients = Clients()
        self._vault = vault
        self._by_id: dict[int, tuple[NasRecord, Client]] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def record(self, nas_id: int) -> NasRecord | None:
        entry = self._by_id.get(nas_id)
        return None if entry is None else entry[0]

    def entries(self) -> list[tuple[NasRecord, Client]]:
        """Every NAS with its client, and so its counters."""
        return list(self._by_id.values())

    def reload(self, directory: Directory) -> None:
        """Read them all from the snapshot that `directory` holds."""
        fresh: dict[int, tuple[NasRecord, Client]] = {}
        for record in directory.nases():
            known = self._by_id.get(record.id)
            if known is not None and known[0] == record:
                fresh[record.id] = known
                continue
            try:
                secret = open_secret(self._vault, record.tenant_id, record.id, record.secret_sealed)
            except CannotOpen as error:
                # The others go on; this one is unknown until its secret is set again.
                log.warning("nas_secret_unreadable", nas=record.name, error=str(error))
                continue
            client = Client(
                record.id,
                record.name,
                SharedSecret(secret.octets),
                record.require_message_authenticator,
                known[1].counters if known is not None else Counters(),
            )
            fresh[record.id] = (record, client)
        self._by_id = fresh
        self.clients = Clients(
            (ip_network(record.network), from_text(record.identifier), client)
            for record, client in fresh.values()
        )
