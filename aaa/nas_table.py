"""The NASes of the directory as clients of the protocol, and back.

Kept in memory, because every packet needs them; made anew when the directory says that
they changed, with the counters of those that stayed.
"""

from collections.abc import Callable, Iterable
from ipaddress import ip_network
from typing import NamedTuple

import structlog

from aaa.directory import Directory
from aaa.records import NasRecord
from core.errors import Refused
from core.octets import from_text
from core.radius.authenticity import SharedSecret
from core.radius.clients import Client, Clients
from core.radius.counters import Counters
from core.radius.packet import Packet
from core.secret import CannotOpen, Vault
from nas_adapters import generic, line_patterns, templates
from nas_adapters.base import Request
from nas_adapters.identity import NO_PATTERNS, Identity, Kind, Patterns
from nas_adapters.secrets import open_secret
from nas_adapters.templates import NO_TEMPLATES, Templates
from nas_adapters.vendors import vendor

log = structlog.get_logger()

_SILENT = Packet(bytes(20), {}, [], 0)  # a request without any attribute


class Known(NamedTuple):
    """A NAS, and what it is to each port: the same secret, and counters of its own there."""

    record: NasRecord
    auth: Client
    accounting: Client
    identify: Callable[[Request, Patterns], Identity]  # its dialect's
    patterns: Patterns
    templates: Templates
    # Whether a User-Name that no PPP session sends is of the box's own making.
    makes_names_up: bool


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

    def known(self, nas_id: int) -> Known | None:
        return self._by_id.get(nas_id)

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
            patterns, named = _patterns(record), templates_of(record)
            identify = _identify(record)
            fresh[record.id] = Known(
                record,
                _client(record, secret, known and known.auth),
                _client(record, secret, known and known.accounting),
                identify,
                patterns,
                named,
                patterns.user_name is not None or identify(_SILENT, NO_PATTERNS).kind is Kind.IPOE,
            )
        self._by_id = fresh
        self.clients = _clients((known.record, known.auth) for known in fresh.values())
        self.accounting_clients = _clients(
            (known.record, known.accounting) for known in fresh.values()
        )


def _identify(record: NasRecord) -> Callable[[Request, Patterns], Identity]:
    try:
        return vendor(record.vendor).identify
    except Refused as error:  # plain SQL may have named any
        log.warning("nas_vendor_unknown", nas=record.name, error=str(error))
        return generic.identify


def _patterns(record: NasRecord) -> Patterns:
    """What `apply` lets in can be read; plain SQL may put there what cannot."""
    if not record.line_patterns:
        return NO_PATTERNS
    try:
        return line_patterns.compiled(record.name, record.line_patterns)
    except Refused as error:
        log.warning("nas_patterns_unreadable", nas=record.name, error=str(error))
        return NO_PATTERNS


def templates_of(record: NasRecord) -> Templates:
    """What it was told of names, read once: what is rendered is kept for each reading."""
    if not record.name_templates:
        return NO_TEMPLATES
    try:
        return templates.parsed(record.name, record.name_templates)
    except Refused as error:
        log.warning("nas_templates_unreadable", nas=record.name, error=str(error))
        return NO_TEMPLATES


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
