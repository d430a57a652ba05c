"""Carries a node's spools to PostgreSQL, for as long as the node lives.

Takes the next batch from the disk (`spools`) in a thread while the database works on the
last.  A database that is away is tried again; meanwhile the segments wait on the disk, which
is what they are for.  A segment is removed when it is finished and the database has all of it.

A record that makes the rules fail (a bug) must not stop those behind it: the batch is
halved until the culprit is alone, which becomes a dead letter.  Nothing is guessed about
a commit whose outcome is unknown: the position in the database says.  It is asked once more
before a segment is removed, for a database may have gone back in time meanwhile.
"""

import asyncio
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
from accounting.spool_reader import segments
from accounting.spools import Spools
from accounting.trouble import in_a_line, is_the_worlds
from core.clock import Clock
from core.db import NodeDatabase
from core.deadlines import within

log = structlog.get_logger()

RECORDS_MAX: Final = 10_000  # about 50 MB, and as much again of the next batch
PAUSE_S: Final = 0.2  # when there was little: a transaction costs more than a record
LITTLE: Final = 500
RETRY_S_MIN: Final = 0.2
RETRY_S_MAX: Final = 5.0  # of a database that answers, and does not take what we have
ASK_EVERY_S: Final = 0.3
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
        self._spools = Spools(root, clock)
        self._positions: dict[UUID, int] = {}  # committed, as far as we know
        self._ahead: asyncio.Task[Reading] | None = None

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
                    was_away = await self._outlast()
                    wait_s = RETRY_S_MIN if was_away else min(wait_s * 2, RETRY_S_MAX)
                    continue
                self.progress.is_connected = True
                wait_s = RETRY_S_MIN
                if taken < LITTLE:
                    await asyncio.sleep(PAUSE_S)
        finally:
            await self._forget_ahead()
            self._spools.close()

    async def _outlast(self) -> bool:
        """Wait until the database answers; whether it was away.

        To ask costs nothing, so it is asked often: a batch that is read each time for a
        database that is not there would cost logins the processor.
        """
        was_away = False
        while True:
            try:
                async with (
                    within(ANSWER_TIMEOUT_S, "asking whether it is there"),
                    self._database.transaction(),
                ):
                    return was_away
            except Exception as error:
                if not is_the_worlds(error):
                    raise  # a bug; what the world does is waited out, and counted
            was_away = True
            self.progress.failures += 1
            await self.look()
            await asyncio.sleep(ASK_EVERY_S)

    async def step(self) -> int:
        """One batch; returns how many records it had.

        Raises what the database, when it is away, makes of it; the next step tries again.
        """
        reading = await self._next()
        self.progress.oldest_at = self._spools.oldest_at(reading.portions)
        if self._spools.finished and not await self._remove():
            await self._forget_ahead()
            return LITTLE  # not drained: come again at once
        await self._finish_restarts()
        if not reading.raw:
            if self._spools.is_whole:
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
        portions = await asyncio.to_thread(self._spools.read, self._positions, self._positions, 1)
        self.progress.waiting = self._spools.waiting
        self.progress.oldest_at = self._spools.oldest_at(portions)

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
        finished, self._spools.finished = self._spools.finished, {}
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
            if await asyncio.to_thread(self._spools.remove, segment):
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
        """What follows `positions`, understood."""
        portions = self._spools.read(positions, self._positions, self._limit)
        self.progress.waiting = self._spools.waiting
        return self._understand(portions)

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


def _rows_only(portions: Sequence[Portion]) -> list[list[object]]:
    return [[record] for portion in portions for record in portion.records]
