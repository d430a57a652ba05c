"""What a batch says of each NAS, added up by day: how much came, and how much of it was odd.

Counted is what no later question could find out, and nothing that the rules have not seen
anyway: an ordinary Interim is one more of a group's records.  `accounting.quality` makes
sense of the sums.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from itertools import islice
from operator import itemgetter
from statistics import median_low
from typing import Final

import asyncpg

from accounting.counters import LOW, QUARANTINE
from accounting.folded import Folded
from accounting.generations import BY_NEXT, BY_STOP, Generation
from accounting.points import (
    BY_ACCOUNTING_OFF,
    BY_ACCOUNTING_ON,
    BY_REAPER,
    BY_REDIAL,
    OCTETS_MAX,
)
from accounting.reading import RawRow, Reading

Nas = tuple[int, int]
"""Tenant and NAS."""


SKEWS_PER_BATCH: Final = 500
# A batch with fewer stamps moves what is known of a clock by so much less: one report is no
# verdict, and many small batches are.
SKEWS_SURE: Final = 5
_NAS_OF: Final[Callable[[RawRow], Nas]] = itemgetter(0, 2)


@dataclass(slots=True)
class Counts:
    """Columns of nas_day, to be added; a session that was re-opened is taken back."""

    records: int = 0
    repeated: int = 0
    unreadable: int = 0
    odd_stamps: int = 0
    ambiguous: int = 0
    implausible: int = 0
    stops: int = 0
    reaped: int = 0
    redialled: int = 0
    restarted: int = 0
    reused: int = 0


@dataclass(slots=True)
class Tally:
    counts: Counts
    skew_s: int | None = None  # the median of some of the batch
    skews: int = 0  # of how many


_CLOSED: Final = {
    BY_STOP: "stops",
    BY_NEXT: "reused",
    BY_REAPER: "reaped",
    BY_REDIAL: "redialled",
    BY_ACCOUNTING_ON: "restarted",
    BY_ACCOUNTING_OFF: "restarted",
}
_COUNTS: Final = tuple(field.name for field in fields(Counts))
_ADD: Final = f"""
INSERT INTO nas_day AS d (tenant_id, nas_id, day, skew_s, {", ".join(_COUNTS)})
SELECT s.tenant_id, s.nas_id, $4,
       coalesce(today.skew_s + (s.skew_s - today.skew_s) * s.weight / {SKEWS_SURE}, s.skew_s),
       {", ".join(f"s.{name}" for name in _COUNTS)}
  FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $5::bigint[],
              {", ".join(f"${at}::bigint[]" for at in range(6, 6 + len(_COUNTS)))})
    AS s (tenant_id, nas_id, skew_s, weight, {", ".join(_COUNTS)})
  LEFT JOIN nas_day AS today
    ON today.tenant_id = s.tenant_id AND today.nas_id = s.nas_id AND today.day = $4
 ORDER BY s.tenant_id, s.nas_id
    ON CONFLICT (tenant_id, nas_id, day) DO UPDATE
   SET skew_s = coalesce(excluded.skew_s, d.skew_s),
       {", ".join(f"{name} = d.{name} + excluded.{name}" for name in _COUNTS)}
"""  # noqa: S608 - the names are those above


def tallied(groups: Iterable[Folded], reading: Reading | None = None) -> dict[Nas, Tally]:
    """The sums of a batch by NAS; a sweep has read nothing."""
    found: dict[Nas, Tally] = {}
    if reading is not None:
        _arrived(found, reading)
    for one in groups:
        if not one.is_odd and not one.repeated:
            continue
        counts = _of(found, one.key[:2]).counts
        counts.repeated += one.repeated
        doubts = {(number, confidence) for number, _, confidence in one.usage if confidence}
        for _, confidence in doubts:
            counts.ambiguous += confidence == LOW
            counts.implausible += confidence == QUARANTINE
        for number, generation in one.changed.items():
            if generation.closed_by or generation.reopened:
                _closed(counts, _before(one, number), generation)
        for number in one.gone:
            _closed(counts, _before(one, number), None)
    return found


async def add(connection: asyncpg.Connection, found: dict[Nas, Tally], at_s: float) -> None:
    """Add them to the day of `at_s`, the last thing of a transaction: who adds to the same
    NAS waits for its end."""
    if not found:
        return
    counts = [tally.counts for tally in found.values()]
    await connection.execute(
        _ADD,
        [tenant_id for tenant_id, _ in found],
        [nas_id for _, nas_id in found],
        [tally.skew_s for tally in found.values()],
        day_of(at_s),
        [min(tally.skews, SKEWS_SURE) for tally in found.values()],
        *([getattr(one, name) for one in counts] for name in _COUNTS),
    )


def day_of(at_s: float) -> date:
    return datetime.fromtimestamp(at_s, UTC).date()


def _of(found: dict[Nas, Tally], nas: Nas) -> Tally:
    tally = found.get(nas)
    if tally is None:
        tally = found[nas] = Tally(Counts())
    return tally


def _arrived(found: dict[Nas, Tally], reading: Reading) -> None:
    for nas, count in Counter(map(_NAS_OF, reading.raw)).items():
        _of(found, nas).counts.records += count
    skews: dict[Nas, list[int]] = {}
    step = len(reading.groups) // SKEWS_PER_BATCH + 1
    for arrivals in islice(reading.groups.values(), 0, None, step):
        first = arrivals.records[0]
        if first.stamped and first.skew_s is not None:
            skews.setdefault(arrivals.key[:2], []).append(first.skew_s)
    for nas, measured in skews.items():
        tally = _of(found, nas)
        tally.skew_s, tally.skews = median_low(measured), len(measured)
    for arrivals in reading.groups.values():
        for record in arrivals.records:
            if not record.stamped and record.event_timestamp_s is not None:
                _of(found, arrivals.key[:2]).counts.odd_stamps += 1
            # Without gigawords no counter is that large.  Told each time: only the first of them
            # makes an interval that somebody could judge.
            if record.sent_gigawords and (
                record.input_octets > OCTETS_MAX or record.output_octets > OCTETS_MAX
            ):
                _of(found, arrivals.key[:2]).counts.implausible += 1
    for dead in reading.dead:
        _of(found, (dead.tenant_id, dead.nas_id)).counts.unreadable += 1


def _before(one: Folded, number: int) -> Generation | None:
    """The session as it was before the batch; of one that is long past, as it is now."""
    for known in (one.before.current, one.before.previous):
        if known is not None and known.number == number:
            return known
    return one.changed.get(number) if number < one.known else None


def _closed(counts: Counts, before: Generation | None, after: Generation | None) -> None:
    was = before.closed_by if before is not None else 0
    now = after.closed_by if after is not None else 0
    if was != now:
        for kind, sign in ((was, -1), (now, 1)):
            if kind:
                name = _CLOSED[kind]
                setattr(counts, name, getattr(counts, name) + sign)
