"""The sweeper: closes sessions of which nothing is heard any more, where they were last heard of.

Every few seconds it says up to when this node has counted what it heard (`hearing`); every
minute one of all nodes looks at the open sessions and judges by the rules of `closing`.
What is over is closed with marks, like everything else that ends a session; what nobody
can tell of stays open and is marked, until it is heard of again.  So is what would be over
if the node to which its NAS speaks were not deaf, and had nothing to say of it.

"Now" is the moment up to which everything is counted, and while there is a backlog there
is no judgement at all.  Nothing is deleted, and no session ends later than its last update.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import asyncpg
import structlog

from accounting import closing, hearers, hearing, pruning, silence, staging
from accounting.again import again
from accounting.batch import Published
from accounting.drain import Progress
from accounting.event_time import MAX_SKEW_BACK_S
from accounting.hearing import Deaf, Deafness, Hearing
from accounting.ingest import Ingest
from accounting.marks import Box
from accounting.points import BY_REAPER, Mark
from accounting.reading import digest
from accounting.silence import Open, Silent
from core.clock import Clock
from core.db import NodeDatabase, Tx
from core.deadlines import within

log = structlog.get_logger()

LOCK: Final = 0x74757273  # "turs", of pg_advisory_lock
TELL_EVERY_S: Final = 20.0
SWEEP_EVERY_S: Final = 60.0
PRUNE_EVERY_S: Final = 3600.0
BACKLOG_MAX_S: Final = 60.0
TIMEOUT_S: Final = 60.0
PASS_TIMEOUT_S: Final = 1800.0
# To look at the sessions of a NAS takes the database about a microsecond for each.
SESSIONS_PER_SECOND_OF_REST: Final = 1_000
DAY_S: Final = 86_400

Doubted = Callable[[Tx, Collection[int]], Awaitable[None]]
"""Told in the transaction that marks them: sessions of which nobody can tell from now on."""


async def nobody(tx: Tx, sessions: Collection[int]) -> None:
    """There is nobody to whom it matters."""
    del tx, sessions


@dataclass(slots=True)
class Swept:
    """What one pass did, for the log and for tests."""

    looked: int = 0  # NASes
    closed: int = 0  # sessions
    doubted: int = 0  # sessions that were marked anew


@dataclass(slots=True)
class _Pass:
    connection: asyncpg.Connection
    now_s: int
    deafness: Deafness
    hearers: dict[hearers.Nas, list[hearers.Hearer]]
    swept: Swept = field(default_factory=Swept)


class Sweeper:
    """Of one node; of several on one database, one looks at a time."""

    def __init__(
        self,
        node: str,
        database: NodeDatabase,
        ingest: Ingest,
        clock: Clock,
        progress: Progress,
        *,
        published: Sequence[Published] = (),
        doubted: Doubted = nobody,
        is_refusing: Callable[[], bool] = lambda: False,
    ) -> None:
        """`progress` is the drain's; `published` are called after each commit that closed.

        `is_refusing`: whether this node's spools send records away.
        """
        self._database = database
        self._ingest = ingest
        self._clock = clock
        self._progress = progress
        self._published = published
        self._doubted = doubted
        self._is_refusing = is_refusing
        self._hearing = Hearing(node)
        self._is_told = False
        self._prune_at = 0.0
        self._due: dict[tuple[int, int], int] = {}  # when a NAS can next have a stale session
        self._silent: dict[Box, int] = {}  # since when the sweeper knows

    async def run(self) -> None:
        """Tell and sweep until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(again("hearing", self.tell, TELL_EVERY_S))
            tasks.create_task(again("sweep", self.step, SWEEP_EVERY_S))

    async def tell(self) -> bool:
        """Say up to when everything is counted; False: not even since this process began."""
        self._hearing.tick(self._clock.unix_s(), hears=not self._is_refusing())
        counted_s = self._counted_s()
        if counted_s is None:
            return False
        async with within(TIMEOUT_S, "telling what was heard"), self._database.transaction() as tx:
            self._is_told = await self._hearing.tell(await staging.begin(tx), counted_s)
        return self._is_told

    async def step(self) -> Swept | None:
        """Look at all NASes whose turn it is; None: not now, or another node does."""
        counted_s = self._counted_s()
        if counted_s is None or self._clock.unix_s() - counted_s > BACKLOG_MAX_S:
            return None
        # Before this process has said that it hears, nobody can tell since when it did not.
        if not self._is_told:
            return None
        async with self._connection() as connection, asyncio.timeout(PASS_TIMEOUT_S):
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", LOCK):
                return None
            swept = await self._sweep(connection, int(counted_s))
            if self._clock.monotonic() >= self._prune_at:
                await pruning.prune(connection, counted_s)
                self._prune_at = self._clock.monotonic() + PRUNE_EVERY_S
            return swept

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        """One of its own, not in a transaction; what it locks ends with it."""
        connection = await self._database.connect()
        try:
            yield connection
        finally:
            connection.terminate()

    def _counted_s(self) -> float | None:
        """The moment up to which everything that was heard is in the database."""
        progress = self._progress
        counted_s = progress.oldest_at or progress.drained_at
        if not progress.is_connected or not counted_s:
            return None
        return min(counted_s, self._clock.unix_s())

    async def _sweep(self, connection: asyncpg.Connection, now_s: int) -> Swept:
        await connection.execute(silence.SETTINGS)
        deafness = await hearing.deafness(connection, now_s)
        heard_by = await hearers.known(connection)
        skews = await silence.skews(connection, now_s - DAY_S)
        known = await silence.nases(connection)
        self._due = {nas: self._due.get(nas, 0) for nas in known}
        self._silent = {box: at_s for box, at_s in self._silent.items() if box[:2] in self._due}
        one = _Pass(connection, now_s, deafness, heard_by)
        for nas in known:
            if self._due[nas] > now_s:
                continue
            # A NAS whose clock is behind says that it was long ago.
            skew_s = skews.get(nas, 0)
            lag_s = -skew_s if -MAX_SKEW_BACK_S <= skew_s < 0 else 0
            self._due[nas] = lag_s + await self._nas(one, *nas, now_s - lag_s)
        return one.swept

    async def _nas(self, one: _Pass, tenant_id: int, nas_id: int, now_s: int) -> int:
        """Judge the boxes of a NAS; returns when there may be something to judge again."""
        one.swept.looked += 1
        by_box: dict[str, list[Open]] = {}
        total = 0
        for part in await silence.open_of(one.connection, tenant_id, nas_id):
            by_box.setdefault(part.reported, []).append(part)
            total += part.sessions
        deaf = one.deafness.of(one.hearers.get((tenant_id, nas_id), ()))
        # What begins from now on is not stale sooner than that.
        due_s = now_s + closing.STALE_MIN_S
        for reported, parts in by_box.items():
            usual_s = closing.usual_interval_s((p.interval_s, p.sessions) for p in parts)
            box = (tenant_id, nas_id, reported)
            stale_s = min(
                p.oldest_s + closing.stale_after_s(closing.expected_s(p.interval_s, usual_s))
                for p in parts
            )
            if stale_s < now_s:
                count = sum(part.sessions for part in parts)
                await self._box(one, box, deaf, now_s, count, usual_s)
            elif box in self._silent:
                self._heard_again(box)
            due_s = min(due_s, stale_s)
        rest_s = int(SWEEP_EVERY_S) + total // SESSIONS_PER_SECOND_OF_REST
        return max(due_s, now_s + rest_s)

    async def _box(
        self, one: _Pass, box: Box, deaf: Deaf, now_s: int, count: int, usual_s: int
    ) -> None:
        """Judge a box some of whose sessions may be stale."""
        lately_s = now_s - closing.INTERVAL_MIN_S
        parts = await silence.silent_of(one.connection, box, lately_s)
        silences = [part.silence for part in parts]
        verdict, surmised = (
            closing.sweep(silences, now_s, times, count=count, usual_s=usual_s) for times in deaf
        )
        over = set(verdict.closed)
        unknown = [each for each in (*surmised.closed, *surmised.unknown) if each not in over]
        await self._doubt(one, box, unknown, parts)
        await self._blackout(box, now_s, verdict, parts)
        if verdict.closed:
            closed = await self._close(one, box, verdict.closed, now_s)
            one.swept.closed += closed
            log.info("sessions_reaped", tenant=box[0], nas=box[1], reported=box[2], closed=closed)

    async def _doubt(
        self, one: _Pass, box: Box, unknown: Sequence[closing.Silence], parts: Sequence[Silent]
    ) -> None:
        known = {part.silence: part.known for part in parts}
        fresh = [each for each in unknown if known[each] < each.sessions]
        if not fresh:
            return
        async for page in silence.single(one.connection, box, fresh, unmarked=True):
            async with (
                within(TIMEOUT_S, "marking silent sessions"),
                self._database.transaction() as tx,
            ):
                marked = await silence.doubt(await staging.begin(tx), page)
                if marked:
                    await self._doubted(tx, marked)
            one.swept.doubted += len(marked)

    async def _blackout(
        self,
        box: Box,
        now_s: int,
        verdict: closing.Swept,
        parts: Sequence[Silent],
    ) -> None:
        if not verdict.is_blackout:
            if box in self._silent:
                self._heard_again(box)
            return
        unknown = sum(each.sessions for each in verdict.unknown)
        since_s = min(each.last_seen_s for each in verdict.unknown)
        told_s = self._silent.get(box)
        # After a restart, or on another node: what is marked already was told already.
        is_new = told_s is None and not any(part.known for part in parts)
        if is_new:
            log.warning("nas_silent", tenant=box[0], nas=box[1], reported=box[2], sessions=unknown)
        if told_s is None:
            told_s = since_s if is_new else now_s
        async with within(TIMEOUT_S, "noting a silent NAS"), self._database.transaction() as tx:
            connection = await staging.begin(tx)
            await silence.note_gap(connection, box, now_s, int(is_new), max(0, now_s - told_s))
        self._silent[box] = now_s

    def _heard_again(self, box: Box) -> None:
        del self._silent[box]
        log.info("nas_heard_again", tenant=box[0], nas=box[1], reported=box[2])

    async def _close(
        self, one: _Pass, box: Box, over: Sequence[closing.Silence], now_s: int
    ) -> int:
        closed = 0
        async for page in silence.single(one.connection, box, over):
            marks = {
                digest(each.key): (each.key, Mark(now_s, BY_REAPER, each.last_seen_s))
                for each in page
            }
            async with (
                within(TIMEOUT_S, "closing silent sessions"),
                self._database.transaction() as tx,
            ):
                batch = await self._ingest.sweep(tx, marks)
            closed += len(batch.groups)
            for publish in self._published:
                await publish(batch)
        return closed
