"""A node's spools as they lie on the disk: which records come next, and what waits.

Takes batches over all segments of all workers, the oldest records first.  A segment that
cannot be read counts as undrained for as long as it is there, since nobody can tell.

Knows no database: how far that is, it is told.  Everything but what the clock says happens
on the disk, so it is for a thread; one at a time.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

import structlog

from accounting.reading import Place, Portion
from accounting.spool_reader import Segment, segments
from core.clock import Clock

log = structlog.get_logger()

COUNT_EVERY_S: Final = 1.0

Positions = Mapping[UUID, int]


class Spools:
    """Below `root`."""

    def __init__(self, root: Path, clock: Clock) -> None:
        self.waiting = 0  # records that are not in the database, a moment ago
        # All of these was read before and is in the database; with the last of their records.
        self.finished: dict[UUID, tuple[Segment, int]] = {}
        self._root = root
        self._clock = clock
        self._segments: dict[Path, Segment] = {}
        self._troubled: dict[Path, float] = {}  # cannot be read; since when records may wait
        self._stuck: set[Path] = set()  # cannot be removed
        self._unopened: dict[Path, int] = {}  # how many records they have
        self._count_at = 0.0
        self._oldest: Place | None = None
        self._oldest_since = 0.0  # monotonic: since when that is the oldest

    @property
    def is_whole(self) -> bool:
        """Whether everything that is there can be read."""
        return not self._troubled

    def read(self, after: Positions, counted: Positions, limit: int) -> list[Portion]:
        """At most `limit` records behind `after`; `counted` is what the database has."""
        found = segments(self._root)
        paths = {segment.path for segment in found}
        for path in self._segments.keys() - paths:
            self._segments.pop(path).close()
        for path in self._troubled.keys() - paths:
            del self._troubled[path]
        portions: list[Portion] = []
        left = limit
        for each in found:
            if left <= 0:
                break
            segment = self._segments.setdefault(each.path, each)
            try:
                portion = self._portion(segment, after, counted, left)
            except FileNotFoundError:
                self._segments.pop(segment.path, None)
                continue
            except (sqlite3.Error, OSError) as error:
                segment.close()
                self._trouble(segment, error)
                continue
            self._troubled.pop(segment.path, None)
            if portion is not None:
                portions.append(portion)
                left -= len(portion.records)
        self._count(found, counted)
        return portions

    def oldest_at(self, portions: Sequence[Portion]) -> float:
        """When the oldest record came that waits, or may wait in what cannot be read; or 0."""
        waiting = list(self._troubled.values())
        if portions:
            waiting.append(self._oldest_of(portions))
        else:
            self._oldest = None
        return min(waiting, default=0.0)

    def remove(self, segment: Segment) -> bool:
        """Unlink a finished one; False: it is still there."""
        try:
            segment.remove()
        except OSError as error:
            if segment.path not in self._stuck:
                self._stuck.add(segment.path)
                log.error(  # noqa: TRY400 - where we noticed says nothing about the disk
                    "segment_not_removed", segment=str(segment.path), error=str(error)
                )
            return False
        self._segments.pop(segment.path, None)
        return True

    def close(self) -> None:
        """Let go of all files."""
        for segment in self._segments.values():
            segment.close()

    def _portion(
        self, segment: Segment, after: Positions, counted: Positions, limit: int
    ) -> Portion | None:
        name = UUID(segment.id)
        after_seq = after.get(name, 0)
        is_finished = segment.is_finished  # asked first: what was read before may not be all
        records = segment.batch(after_seq, limit)
        if records:
            return Portion(name, segment.worker, after_seq, records)
        if is_finished and counted.get(name, 0) == after_seq:
            self.finished[name] = segment, after_seq
        return None

    def _trouble(self, segment: Segment, error: Exception) -> None:
        if segment.path not in self._troubled:
            self._troubled[segment.path] = min(_made_s(segment), self._clock.unix_s())
            log.error("segment_unreadable", segment=str(segment.path), error=str(error))

    def _count(self, found: Sequence[Segment], counted: Positions) -> None:
        """How many records wait; those that are being taken still do."""
        if self._clock.monotonic() < self._count_at:
            return
        self._count_at = self._clock.monotonic() + COUNT_EVERY_S
        waiting = 0
        unopened: dict[Path, int] = {}
        for each in found:
            position = counted.get(UUID(each.id), 0)
            segment = self._segments.get(each.path)
            if segment is None:
                # Its turn is far off: how long it was when first seen will do until then.
                known = self._unopened.get(each.path)
                unopened[each.path] = known if known is not None else each.estimate(position + 1)
                waiting += unopened[each.path] - position
                continue
            try:
                waiting += segment.last_seq - position
            except FileNotFoundError:
                continue
            except (sqlite3.Error, OSError):  # reading it says what is wrong with it
                waiting += 1
        self._unopened = unopened
        self.waiting = waiting

    def _oldest_of(self, portions: Sequence[Portion]) -> float:
        """When the oldest record came.  Where the clock was set back since then, the time for
        which it has been seen to wait says it: else nobody would hear of it for long."""
        received_at, segment, seq = min(
            (portion.records[0].received_at, portion.segment, portion.records[0].seq)
            for portion in portions
        )
        place: Place = (segment, seq)
        if place != self._oldest:
            self._oldest, self._oldest_since = place, self._clock.monotonic()
        waited_s = self._clock.monotonic() - self._oldest_since
        return min(received_at, self._clock.unix_s() - waited_s)


def _made_s(segment: Segment) -> float:
    """When it was begun, in Unix seconds: its name is a UUID of version 7 (RFC 9562 §5.7)."""
    return int.from_bytes(UUID(segment.id).bytes[:6], "big") / 1000
