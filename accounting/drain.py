"""Carries a node's spools to PostgreSQL, for as long as the node lives.

Takes batches over all segments, the oldest records first, and reads the next one in a
thread while the database works on the last.  A database that is away is tried again;
meanwhile the segments wait on the disk, which is what they are for.  A segment is removed
when it is finished and the database has all of it.

A record that makes the rules fail (a bug) must not stop those behind it: the batch is
halved until the culprit is alone, which becomes a dead letter.  Nothing is guessed about
a commit whose outcome is unknown: the position in the database says.  It is asked once more
before a segment is removed, for a database may have gone back in time meanwhile.
"""

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from accounting.batch import Batch
from accounting.ingest import Ingest, Moved, ObserverFailed
from accounting.marks import Restart
from accounting.reading import Place, Portion, Reading, understand
from accounting.records import NasView
from accounting.rows import Contended
from accounting.spool_reader import Segment, segments
from accounting.trouble import in_a_line, is_the_worlds
from core.clock import Clock
from core.db import NodeDatabase
from core.deadlines import within

log = structlog.get_logger()

RECORDS_MAX: Final = 5_000
COUNT_EVERY_S: Final = 1.0
PAUSE_S: Final = 0.2  # when there was little: a transaction costs more than a record
LITTLE: Final = 500
RETRY_S_MIN: Final = 0.2
RETRY_S_MAX: Final = 5.0
# The longest honest batch has thousands of records that each close or divide a session.
TRANSACTION_TIMEOUT_S: Final = 60.0
ANSWER_TIMEOUT_S: Final = 30.0

Published = Callable[[Batch], Awaitable[None]]


@dataclass(slots=True)
class Progress:
    """What health and metrics tell about ingest; counters since the start."""

    records: int = 0
    batches: int = 0
    dead: int = 0
    failures: int = 0  # of the database
    is_connected: bool = False
    waiting: int = 0  # records on the disk that are not in the database, a moment ago
    oldest_at: float = 0.0  # when the oldest undrained record came, Unix seconds; 0: none waits
    drained_at: float = 0.0  # when nothing was left, last


class Drain:
    """Of all workers' spools under `root`.  `run` until cancelled, or `step` by step."""

    def __init__(
        self,
        root: Path,
        database: NodeDatabase,
        ingest: Ingest,
        clock: Clock,
        *,
        views: Callable[[], Mapping[int, NasView]] = dict,
        published: Sequence[Published] = (),
        records_max: int = RECORDS_MAX,
    ) -> None:
        """`views` tells what the rules need to know of each NAS; `published` are called
        after each commit, and not for what was committed before a crash."""
        self.progress = Progress()
        self._root = root
        self._database = database
        self._ingest = ingest
        self._clock = clock
        self._views = views
        self._published = published
        self._records_max = records_max
        self._limit = records_max  # of the next batch; less for a while after a timeout
        self._restarts: list[Restart] | None = None  # None: the database knows
        self._segments: dict[Path, Segment] = {}
        self._positions: dict[UUID, int] = {}  # committed, as far as we know
        self._troubled: dict[Path, float] = {}  # cannot be read; since when records may wait
        self._stuck: set[Path] = set()  # cannot be removed
        self._unopened: dict[Path, int] = {}  # how many records they have
        self._finished: dict[Path, tuple[Segment, int]] = {}  # and the last of its records
        self._ahead: asyncio.Task[Reading] | None = None
        self._count_at = 0.0
        self._oldest: Place | None = None
        self._oldest_since = 0.0  # monotonic: since when that is the oldest

    async def run(self) -> None:
        """Drain until cancelled."""
        wait_s = RETRY_S_MIN
        try:
            while True:
                try:
                    taken = await self.step()
                except Exception as error:
                    if not is_the_worlds(error):
                        raise
                    if self.progress.is_connected or wait_s == RETRY_S_MIN:
                        log.warning("ingest_waits_for_database", error=in_a_line(error))
                    self.progress.is_connected = False
                    self.progress.failures += 1
                    # It may be another database that comes back, or an older state of it.
                    self._positions.clear()
                    self._restarts = None
                    await asyncio.sleep(wait_s)
                    wait_s = min(wait_s * 2, RETRY_S_MAX)
                    continue
                self.progress.is_connected = True
                wait_s = RETRY_S_MIN
                if taken < LITTLE:
                    await asyncio.sleep(PAUSE_S)
        finally:
            await self._forget_ahead()
            for segment in self._segments.values():
                segment.close()

    async def step(self) -> int:
        """One batch; returns how many records it had.

        Raises what the database, when it is away, makes of it; the next step tries again.
        """
        reading = await self._next()
        self.progress.oldest_at = self._oldest_at(reading.portions)
        if self._finished and not await self._remove():
            await self._forget_ahead()
            return LITTLE  # not drained: come again at once
        await self._finish_restarts()
        if not reading.raw:
            if not self._troubled:
                self.progress.drained_at = self._clock.unix_s()
            return 0
        assumed = dict(self._positions)
        assumed.update((one.segment, one.last_seq) for one in reading.portions)
        if len(reading.raw) >= self._limit:  # there is more
            self._ahead = asyncio.create_task(asyncio.to_thread(self._read, assumed))
        try:
            await self._take(reading)
        except (Moved, Contended) as again:
            await self._forget_ahead()
            if isinstance(again, Moved):
                self._positions.update(again.positions)
            return LITTLE  # not drained yet: come again at once
        except BaseException as error:
            await self._forget_ahead()
            if isinstance(error, (TimeoutError, asyncpg.QueryCanceledError)):
                # As large as it is, it would take as long the next time.
                self._limit = max(1, len(reading.raw) // 2)
            raise
        self._limit = min(2 * self._limit, self._records_max)
        return len(reading.raw)

    async def _finish_restarts(self) -> None:
        """Close what the restarts of NASes have left open, also those of before our own."""
        if self._restarts is None:
            async with (
                within(ANSWER_TIMEOUT_S, "asking for restarts"),
                self._database.transaction() as tx,
            ):
                self._restarts = await self._ingest.restarts(tx)
        while self._restarts:
            try:
                async with (
                    within(TRANSACTION_TIMEOUT_S, "closing sessions after a restart"),
                    self._database.transaction() as tx,
                ):
                    batch, left = await self._ingest.restart(tx, self._restarts[0])
            except Exception as error:
                if is_the_worlds(error):
                    raise
                # A bug: the sweeper ends its sessions later, and nobody waits for that here.
                log.exception("restart_not_finished", box=self._restarts.pop(0).box)
                continue
            self._restarts[:1] = [] if left is None else [left]
            for publish in self._published:
                await publish(batch)

    async def look(self) -> None:
        """Say what waits on the disk and count nothing, for as long as nothing may be counted."""
        reading = await asyncio.to_thread(self._read, dict(self._positions))
        self.progress.oldest_at = self._oldest_at(reading.portions)

    def _oldest_at(self, portions: Sequence[Portion]) -> float:
        """When the oldest record came that waits, or may wait in what cannot be read; or 0."""
        waiting = list(self._troubled.values())
        if portions:
            waiting.append(self._oldest_of(portions))
        else:
            self._oldest = None
        return min(waiting, default=0.0)

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

    async def prune(self) -> None:
        """Forget the positions of segments that are long gone."""
        present = [UUID(segment.id) for segment in segments(self._root)]
        async with (
            within(ANSWER_TIMEOUT_S, "forgetting positions"),
            self._database.transaction() as tx,
        ):
            await self._ingest.prune(tx, present)

    async def _remove(self) -> bool:
        """Unlink what is finished, and read again (False) what the database has no longer."""
        finished = {UUID(one.id): (one, last_seq) for one, last_seq in self._finished.values()}
        self._finished = {}
        async with (
            within(ANSWER_TIMEOUT_S, "asking for positions"),
            self._database.transaction() as tx,
        ):
            positions = await self._ingest.positions(tx, finished)
        is_all = True
        for name, (segment, last_seq) in finished.items():
            if positions[name] < last_seq:
                log.warning("position_went_back", segment=str(name), seq=positions[name])
                self._positions[name] = positions[name]
                is_all = False
                continue
            try:
                await asyncio.to_thread(segment.remove)
            except OSError as error:
                if segment.path not in self._stuck:
                    self._stuck.add(segment.path)
                    log.error(  # noqa: TRY400 - where we noticed says nothing about the disk
                        "segment_not_removed", segment=str(segment.path), error=str(error)
                    )
                continue
            self._segments.pop(segment.path, None)
            self._positions.pop(name, None)
        return is_all

    async def _next(self) -> Reading:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            reading = await ahead
            if reading.raw:
                return reading
            # What is committed by now was not then, and its segment may go.
        return await asyncio.to_thread(self._read, dict(self._positions))

    async def _forget_ahead(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            await asyncio.wait([ahead])  # a thread can't be stopped, only waited for

    # --- in a thread

    def _read(self, positions: Mapping[UUID, int]) -> Reading:
        """What follows `positions`; segments of which nothing does may be removed."""
        found = segments(self._root)
        paths = {segment.path for segment in found}
        for path in self._segments.keys() - paths:
            self._segments.pop(path).close()
        for path in self._troubled.keys() - paths:
            del self._troubled[path]
        portions: list[Portion] = []
        left = self._limit
        for each in found:
            if left <= 0:
                break
            segment = self._segments.setdefault(each.path, each)
            try:
                portion = self._portion(segment, positions, left)
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
        self._count(found)
        return self._understand(portions)

    def _trouble(self, segment: Segment, error: Exception) -> None:
        if segment.path not in self._troubled:
            self._troubled[segment.path] = min(_made_s(segment), self._clock.unix_s())
            log.error("segment_unreadable", segment=str(segment.path), error=str(error))

    def _count(self, found: Sequence[Segment]) -> None:
        """How many records wait; those that are being taken still do."""
        if self._clock.monotonic() < self._count_at:
            return
        self._count_at = self._clock.monotonic() + COUNT_EVERY_S
        waiting = 0
        unopened: dict[Path, int] = {}
        for each in found:
            counted = self._positions.get(UUID(each.id), 0)
            segment = self._segments.get(each.path)
            if segment is None:
                # Its turn is far off: how long it was when first seen will do until then.
                known = self._unopened.get(each.path)
                unopened[each.path] = known if known is not None else each.estimate(counted + 1)
                waiting += unopened[each.path] - counted
                continue
            try:
                waiting += segment.last_seq - counted
            except FileNotFoundError:
                continue
            except (sqlite3.Error, OSError):  # reading it says what is wrong with it
                waiting += 1
        self._unopened = unopened
        self.progress.waiting = waiting

    def _portion(
        self, segment: Segment, positions: Mapping[UUID, int], limit: int
    ) -> Portion | None:
        name = UUID(segment.id)
        after = positions.get(name, 0)
        is_finished = segment.is_finished  # asked first: what was read before may not be all
        records = segment.batch(after, limit)
        if records:
            return Portion(name, segment.worker, after, records)
        if is_finished and self._positions.get(name, 0) == after:
            self._finished[segment.path] = segment, after
        return None

    def _understand(self, portions: Sequence[Portion]) -> Reading:
        try:
            return understand(portions, self._views())
        except Exception:  # noqa: BLE001 - a bug; `_take` finds the record that it is about
            return Reading(portions, _rows_only(portions), {}, [], [], is_whole=False)

    # --- one transaction, or several where something is wrong

    async def _take(self, reading: Reading) -> None:
        try:
            await self._commit(reading)
        except (Moved, Contended):
            raise
        except Exception as error:
            if is_the_worlds(error):
                raise
            await self._halve(reading.portions, error)

    async def _commit(self, reading: Reading, *, observed: bool = True) -> None:
        if not reading.is_whole:
            reading = await asyncio.to_thread(understand, reading.portions, self._views())
        async with (
            within(TRANSACTION_TIMEOUT_S, "counting a batch"),
            self._database.transaction() as tx,
        ):
            batch = await self._ingest.take(tx, reading, observed=observed)
        self._positions.update((one.segment, one.last_seq) for one in reading.portions)
        if self._restarts is not None:
            self._restarts += batch.restarts
        progress = self.progress
        progress.records += batch.records
        progress.batches += 1
        progress.dead += sum(batch.dead.values())
        for publish in self._published:
            await publish(batch)

    async def _halve(self, portions: Sequence[Portion], error: Exception) -> None:
        """Count all but the record that the rules fail at."""
        count = sum(len(portion.records) for portion in portions)
        if count > 1:
            for half in _halves(portions, count // 2):
                await self._take(await asyncio.to_thread(self._understand, half))
            return
        [portion] = portions
        place: Place = (portion.segment, portion.records[0].seq)
        reason = f"bug: {type(error).__name__}"
        log.error(
            "record_not_counted",
            segment=str(place[0]),
            seq=place[1],
            nas=portion.records[0].nas_id,
            error=in_a_line(error),
            exc_info=error,
        )
        if isinstance(error, ObserverFailed):
            # The record is sound; what was to be done about it is what failed.
            await self._commit(understand(portions, self._views()), observed=False)
        else:
            await self._commit(understand(portions, {}, {place: reason}))


def _halves(portions: Sequence[Portion], first: int) -> tuple[list[Portion], list[Portion]]:
    """The portions cut after `first` records."""
    before: list[Portion] = []
    after: list[Portion] = []
    for portion in portions:
        records = portion.records
        cut = min(first, len(records))
        first -= cut
        if cut:
            before.append(portion._replace(records=records[:cut]))
        if cut < len(records):
            reached = records[cut - 1].seq if cut else portion.after_seq
            after.append(portion._replace(after_seq=reached, records=records[cut:]))
    return before, after


def _made_s(segment: Segment) -> float:
    """When it was begun, in Unix seconds: its name is a UUID of version 7 (RFC 9562 §5.7)."""
    return int.from_bytes(UUID(segment.id).bytes[:6], "big") / 1000


def _rows_only(portions: Sequence[Portion]) -> list[list[object]]:
    return [[record] for portion in portions for record in portion.records]
