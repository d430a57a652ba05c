"""Runs jobs and schedules for as long as its process lives, whether PostgreSQL does or not.

One loop owns the connection and does all that is done to the queue; what is run has tasks
of its own.  When the connection is lost those go on, and what became of them is stored over
the next one.  A worker that dies leaves jobs that nobody keeps alive: after a lease another
takes them.  So a job is run at least once, and never forgotten.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog

from core import jobs_schedules
from core.clock import Clock
from core.db import Database, NodeDatabase
from core.deadlines import within
from core.errors import Refused
from core.jobs import Handler, Job
from core.jobs_door import ANSWER_TIMEOUT_S, Door, opened
from core.jobs_outcome import Done, Held, Outcome, Released, judge
from core.jobs_queue import Counts, Queue
from core.jobs_schedules import Every
from core.trouble import in_a_line, is_the_worlds

log = structlog.get_logger()

RUNNING_MAX: Final = 20
POLL_S: Final = 1.0  # NOTIFY wakes us sooner; this is for what was deferred for later
COUNT_EVERY_S: Final = 5.0
RETRY_S_MIN: Final = 0.2
RETRY_S_MAX: Final = 5.0
LEASE: Final = timedelta(seconds=30)
RUN_WITHIN_S: Final = 600.0  # a handler that takes longer hangs
GRACE_S: Final = 7.0  # for what runs when we are told to stop


@dataclass(slots=True)
class Progress:
    """What health and metrics tell; counters since the start."""

    connected: bool = False
    running: int = 0
    done: int = 0
    failures: int = 0
    counts: Counts = Counts(0, 0, 0, 0.0)  # a moment ago


class Worker:
    """Of the kinds that have a handler; jobs of other kinds wait for a version that has one."""

    def __init__(
        self,
        node: NodeDatabase,
        database: Database,
        handlers: Mapping[str, Handler],
        clock: Clock,
        *,
        schedules: Sequence[Every] = (),
        lease: timedelta = LEASE,
    ) -> None:
        """`node` is for the queue, `database` for the handlers."""
        self.progress = Progress()
        self._node = node
        self._database = database
        self._handlers = handlers
        self._clock = clock
        self._schedules = schedules
        self._beat_every_s = min(lease.total_seconds() / 4, jobs_schedules.BEAT_S)
        self._queue = Queue(lease)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._outcomes: dict[int, Outcome] = {}  # not yet stored
        self._returning: dict[int, asyncio.Task[None]] = {}  # schedules
        self._returned: set[int] = set()  # not yet stored
        self._woken = asyncio.Event()
        self._beat_at = 0.0
        self._count_at = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then finish what can be finished soon and give back the rest."""
        stopping = asyncio.create_task(stop.wait())
        stopping.add_done_callback(lambda _: self._woken.set())
        wait_s = RETRY_S_MIN
        try:
            while not stop.is_set():
                try:
                    await self._serve(stop)
                except Exception as error:
                    # Whatever passes: what runs goes on, and the database is tried again.
                    if not is_the_worlds(error):
                        raise
                    if self.progress.connected or wait_s == RETRY_S_MIN:
                        log.warning("jobs_wait_for_database", error=in_a_line(error))
                    if self.progress.connected:
                        wait_s = RETRY_S_MIN
                    self.progress.connected = False
                    await asyncio.wait([stopping], timeout=wait_s)
                    wait_s = min(wait_s * 2, RETRY_S_MAX)
        finally:
            stopping.cancel()
            await _cancelled([*self._running.values(), *self._returning.values()])

    async def _serve(self, stop: asyncio.Event) -> None:
        """Until `stop`, or until the connection fails."""
        async with opened(self._node, self._woken.set) as door:
            async with within(ANSWER_TIMEOUT_S, "planning what returns"):
                await jobs_schedules.plan(door, self._schedules)
            while not stop.is_set():
                self._woken.clear()
                async with within(ANSWER_TIMEOUT_S, "taking jobs"):
                    await self._turn(door)
                self.progress.connected = True
                await _event(self._woken, min(POLL_S, self._beat_every_s))
            await self._leave()
            async with within(ANSWER_TIMEOUT_S, "storing what became of jobs"):
                await self._settle(door)

    async def _turn(self, door: Door) -> None:
        """Store what ended, keep alive what runs, and start what is due."""
        await self._settle(door)
        now = self._clock.monotonic()
        if now >= self._beat_at:
            await self._queue.beat(door, self._running)
            await jobs_schedules.beat(door, self._returning)
            self._beat_at = now + self._beat_every_s
        free = RUNNING_MAX - len(self._running)
        if free > 0:
            for job in await self._queue.claim(door, self._handlers, free):
                if job.id not in self._running:  # else the lease ran out, and it is ours again
                    self._running[job.id] = asyncio.create_task(self._run(job))
        for id_, every in await jobs_schedules.take_due(door, self._schedules):
            if id_ not in self._returning:
                self._returning[id_] = asyncio.create_task(self._return(id_, every))
        if now >= self._count_at:
            self.progress.counts = await self._queue.counts(door, self._handlers)
            self._count_at = now + COUNT_EVERY_S
        self.progress.running = len(self._running)

    async def _settle(self, door: Door) -> None:
        """What cannot be stored now is kept for the next connection."""
        outcomes, returned = dict(self._outcomes), set(self._returned)
        await self._queue.settle(door, outcomes)
        for id_ in outcomes:
            del self._outcomes[id_]
        await jobs_schedules.settle(door, returned)
        self._returned -= returned

    async def _leave(self) -> None:
        """Wait a while for what runs; give back the rest, for others to begin again."""
        tasks = [*self._running.values(), *self._returning.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S)
        await _cancelled(tasks)

    async def _run(self, job: Job) -> None:
        outcome: Outcome = Released()  # if we are cancelled
        try:
            async with within(RUN_WITHIN_S, f"a job of kind {job.kind}"):
                await self._handlers[job.kind](self._database, job)
        except Exception as error:
            # Whatever it is, it is about this job, which is tried again or held.
            outcome = judge(error, job_id=job.id, attempts=job.attempts)
            self.progress.failures += 1
            facts = {"job": job.id, "kind": job.kind, "tenant": job.tenant_id}
            if isinstance(outcome, Held):
                refused = isinstance(error, Refused)  # which says all there is to say
                log.error("job_held", error=outcome.error, **facts, exc_info=not refused)  # noqa: TRY400
            else:
                log.warning("job_failed", error=outcome.error, **facts)
        else:
            outcome = Done()
            self.progress.done += 1
        finally:
            del self._running[job.id]
            self._outcomes[job.id] = outcome
            self._woken.set()

    async def _return(self, id_: int, every: Every) -> None:
        try:
            async with within(RUN_WITHIN_S, f"schedule {every.name}"):
                await every.run()
        except Exception as error:
            # It returns anyway.
            self.progress.failures += 1
            facts = {"schedule": every.name, "error": in_a_line(error)}
            log.error("schedule_failed", **facts, exc_info=not is_the_worlds(error))  # noqa: TRY400
        finally:
            del self._returning[id_]
            self._returned.add(id_)
            self._woken.set()


async def _event(event: asyncio.Event, timeout_s: float) -> None:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return


async def _cancelled(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel them and wait for their end."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
