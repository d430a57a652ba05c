"""Spooled records, read and sorted by whose session they belong to: the part of ingest that
needs no database, so it runs in a thread while the database works on the batch before.

One packet that nobody understands is a dead letter with a reason, and no more than that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, NamedTuple
from uuid import UUID

from accounting.counted_as import counted_as
from accounting.counters import WRAP
from accounting.identity import SessionKey, session_key
from accounting.records import NAS_STATUSES, NasView, Record, Unreadable
from accounting.request import read
from accounting.spool_reader import SpooledRecord
from core.radius.packet import Malformed, parse

KEY_OCTETS: Final = 16

Place = tuple[UUID, int]
RawRow = list[object]
"""A row of accounting_record; its session is filled in when it is known."""

SESSION_AT: Final = 4  # of a RawRow
COUNTED_AS_AT: Final = 8


class Portion(NamedTuple):
    """Consecutive records of one segment, those that follow `after_seq`."""

    segment: UUID
    worker: str
    after_seq: int
    records: Sequence[SpooledRecord]

    @property
    def last_seq(self) -> int:
        return self.records[-1].seq


class DeadRow(NamedTuple):
    tenant_id: int
    received_at_s: float
    nas_id: int
    source: str
    packet: bytes
    reason: str
    segment: UUID
    seq: int


@dataclass(slots=True)
class Arrivals:
    """What came for one group of sessions, in the order of the spool."""

    key: SessionKey
    records: list[Record] = field(default_factory=list)
    raw: list[RawRow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Reading:
    """A batch as the rules need it."""

    portions: Sequence[Portion]
    raw: list[RawRow]
    groups: dict[bytes, Arrivals]
    nas_records: list[Record]  # Accounting-On and -Off
    dead: list[DeadRow]
    # NASes that were not known to send gigawords, and sent some.
    gigawords: set[int] = field(default_factory=set)
    is_whole: bool = True  # else the rules failed at some record, and none is understood


def digest(key: SessionKey) -> bytes:
    """What finds a group in the database.  No part of a key holds a NUL: they are escaped."""
    tenant_id, nas_id, reported, acct_session_id, nonce = key
    return blake2b(
        f"{tenant_id}\0{nas_id}\0{reported}\0{acct_session_id}\0{nonce}".encode(),
        digest_size=KEY_OCTETS,
    ).digest()


def source_of(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def understand(
    portions: Sequence[Portion],
    nases: Mapping[int, NasView],
    refused: Mapping[Place, str] | None = None,
) -> Reading:
    """Read all records.  `refused` names those that must not be tried, and why.

    A NAS that is no longer known is still the one that sent its records.
    """
    raw: list[RawRow] = []
    groups: dict[bytes, Arrivals] = {}
    nas_records: list[Record] = []
    dead: list[DeadRow] = []
    gigawords: set[int] = set()
    sources: dict[tuple[str, int], str] = {}
    for portion in portions:
        segment = portion.segment
        for seq, received_at, tenant_id, nas_id, host, port, packet in portion.records:
            # The database keeps microseconds, and a rebuild must read what we read now.
            received_at_s = int(received_at * 1e6) / 1e6
            source = sources.get((host, port))
            if source is None:
                source = sources[host, port] = source_of(host, port)
            row: RawRow = [
                tenant_id,
                received_at_s,
                nas_id,
                source,
                None,
                segment,
                seq,
                packet,
                None,
            ]
            raw.append(row)
            reason = refused.get((segment, seq), "") if refused else ""
            if not reason:
                nas = nases.get(nas_id)
                if nas is None or nas.tenant_id != tenant_id:
                    nas = NasView(nas_id, tenant_id)
                found = _read(packet, received_at_s, nas)
                if isinstance(found, Record):
                    row[COUNTED_AS_AT] = counted_as(found, nas)
                    if (
                        found.sent_gigawords
                        and not nas.sends_gigawords
                        and (found.input_octets >= WRAP or found.output_octets >= WRAP)
                    ):
                        gigawords.add(nas_id)
                    if found.status in NAS_STATUSES:
                        nas_records.append(found)
                        continue
                    key = session_key(found)
                    name = digest(key)
                    arrivals = groups.get(name)
                    if arrivals is None:
                        arrivals = groups[name] = Arrivals(key)
                    arrivals.records.append(found)
                    arrivals.raw.append(row)
                    continue
                reason = found.reason
            dead.append(
                DeadRow(tenant_id, received_at_s, nas_id, source, packet, reason, segment, seq)
            )
    return Reading(portions, raw, groups, nas_records, dead, gigawords)


def _read(packet: bytes, received_at_s: float, nas: NasView) -> Record | Unreadable:
    try:
        parsed = parse(packet)
    except Malformed as malformed:
        return Unreadable(f"malformed: {malformed}")
    return read(parsed, received_at_s, nas)
