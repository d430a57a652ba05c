"""What accounting asks of the place where a record is safe: take it, and say when it is.

An Accounting-Response is a receipt (RFC 2866 §4.1), so it may leave when the record is
durable and not before.  `accounting.spool_writer` fulfils this on the node's own disk; a
replicated stream could as well, so nothing here knows of files.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol, TypeVar

import msgspec

Ticket = TypeVar("Ticket")
Settled = Callable[[Sequence[Ticket], bool], None]
"""Told on the event loop, in order: these are durable, or (False) will never be."""


class Record(NamedTuple):
    """One verified accounting packet as it came."""

    received_at: float  # Unix seconds
    tenant_id: int
    nas_id: int
    host: str  # whence it came; not always the NAS's own address
    port: int
    packet: bytes


class SpoolStatus(msgspec.Struct, frozen=True):
    """How full a spool is and whether it takes records."""

    records: int  # kept, and not yet committed elsewhere
    octets: int
    used: float  # the fuller of the two limits, 1.0 = full
    is_alarming: bool  # nearly full, or refusing
    refusing: str  # why records are refused at the moment: spool-full, spool-failing, or empty
    appended: int  # made durable since the process started
    refused: int
    failures: int  # of the disk, since the process started


class Spool(Protocol[Ticket]):
    """Belongs to one event loop and is called on it."""

    def start(self, settled: Settled[Ticket]) -> None:
        """Begin; `settled` gets each ticket of an accepted record once."""
        ...

    def append(self, record: Record, ticket: Ticket) -> str:
        """Take a record, or say why not: empty when taken, else the reason, for a counter."""
        ...

    async def stop(self) -> None:
        """Make durable what was taken, settle it, and let go."""
        ...

    @property
    def status(self) -> SpoolStatus: ...
