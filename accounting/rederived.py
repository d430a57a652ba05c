"""A group of sessions worked out anew from its raw packets: what a rebuild compares with.

Pure.  Takes the packets as they were counted (`accounting.counted_as`), in any order, and
the marks; knows nothing of what the tables hold.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from accounting.about import About
from accounting.counted_as import view_of
from accounting.generations import Generation
from accounting.groups import Group
from accounting.hot import NEW, Chunk, Hot
from accounting.identity import SessionKey, session_key
from accounting.memory import encoded_abouts, rebuilt, sealed
from accounting.points import Mark, Point, point
from accounting.records import NAS_STATUSES, Record
from accounting.request import read
from accounting.sessions import derive, described
from accounting.state import Derived
from accounting.usage import Amounts, Bucket, by_quarter
from core.radius.packet import Malformed, parse


class RawRecord(NamedTuple):
    """A row of accounting_record."""

    tenant_id: int
    received_at_s: float
    nas_id: int
    session_id: int | None
    segment: UUID
    seq: int
    packet: bytes
    counted_as: int | None


def understood(raw: RawRecord) -> Record | None:
    """The record that ingest made of the packet; None if it made none."""
    try:
        packet = parse(raw.packet)
    except Malformed:
        return None
    view = view_of(raw.nas_id, raw.tenant_id, raw.counted_as)
    found = read(packet, raw.received_at_s, view)
    return found if isinstance(found, Record) else None


@dataclass(slots=True)
class Told:
    """What the raw packets of one group say."""

    points: set[Point] = field(default_factory=set)
    abouts: dict[int, About] = field(default_factory=dict)
    records: int = 0
    late_s: float = 0.0  # how long after its event the latest of them came
    lineage: dict[int, int] = field(default_factory=dict)  # session -> its earliest second
    unclaimed: list[tuple[RawRecord, int]] = field(default_factory=list)  # of no session yet

    def add(self, raw: RawRecord, record: Record) -> None:
        """Take one of them."""
        self.records += 1
        key = record.about_key
        if key not in self.abouts:
            self.abouts[key] = record.about
        self.points.add(point(record, key))
        self.late_s = max(self.late_s, raw.received_at_s - record.at_s)
        if raw.session_id is None:
            self.unclaimed.append((raw, record.at_s))
        else:
            at_s = self.lineage.get(raw.session_id, record.at_s)
            self.lineage[raw.session_id] = min(at_s, record.at_s)


def told(keys: Collection[SessionKey], raws: Iterable[RawRecord]) -> dict[SessionKey, Told]:
    """The packets by group, without those of others, of a NAS itself, and unreadable ones."""
    found = {key: Told() for key in keys}
    for raw in raws:
        record = understood(raw)
        if record is None or record.status in NAS_STATUSES:
            continue
        group = found.get(session_key(record))
        if group is not None:
            group.add(raw, record)
    return found


class WholeGroup(Group):
    """One that knows all descriptions, also those that a group does not carry on."""

    __slots__ = ("_known",)

    def __init__(self, hot: Hot, abouts: bytes, known: Mapping[int, About]) -> None:
        super().__init__(hot, abouts)
        self._known = known

    def knows(self, g: Generation) -> bool:
        return not set(g.abouts) - self._known.keys()

    def about(self, g: Generation) -> About:
        return described(g, self._known)


@dataclass(frozen=True, slots=True)
class Rederived:
    """Sessions and usage, and the group that ingest goes on with."""

    derived: Derived
    usage: dict[Bucket, Amounts]
    group: WholeGroup
    chunks: tuple[Chunk, ...]


def rederived(told: Told, marks: Collection[Mark], interval_s: int) -> Rederived:
    """The function of the set.  `interval_s` is what was observed between reports, if known."""
    points = sorted(told.points)
    ordered = tuple(sorted(set(marks)))
    derived = derive(points, ordered)
    if not interval_s and len(points) > 1 and derived.plain[-1]:
        interval_s = points[-1].at_s - points[-2].at_s
    whole = replace(rebuilt(NEW, ordered, derived), interval_s=interval_s)
    hot, chunks = sealed(whole)
    abouts = encoded_abouts(told.abouts, derived.generations)
    group = WholeGroup(hot, abouts, told.abouts)
    return Rederived(derived, by_quarter(derived.intervals), group, chunks)
