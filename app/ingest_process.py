"""Ingest's process: the node's spools drained into PostgreSQL, and what looks after the result.

The one place that knows who watches a batch: quotas inside its transaction, directories
that must hear of sessions, the sweeper for those of which nothing is heard.
"""

import asyncio
import gc
import os

import structlog

from aaa import live_feed
from aaa.quota_catching_up import CatchingUp
from aaa.quota_counting import QuotaCounting
from accounting.again import again
from accounting.dead_letter_alarm import DeadLetterAlarm
from accounting.drain import Drain, Progress
from accounting.nas_views import NasViews
from accounting.quality_report import QualityReport
from accounting.reading import KEY_OCTETS
from accounting.status import LATE_AFTER_S, IngestStatus
from accounting.sweep import Sweeper
from accounting.tombstones import Tombstones
from app import counting, ingest_upkeep
from app.child import Ready, Stop
from app.node_name import node_name
from app.paths import Paths
from app.spool_watch import SpoolWatch
from core import status
from core.clock import Clock
from core.config import Settings
from core.db import NodeDatabase

log = structlog.get_logger()

STATUS_EVERY_S = 1.0
# The collector looks at every list of a batch again and again and finds no garbage: half of
# the processor's time.  What little there is in cycles can wait for a minute.
COLLECT_EVERY_S = 60.0
LETTERS_EVERY_S = 60.0
CATCH_UP_EVERY_S = 60.0
GROUPS_EVERY_S = 60.0
CONNECTIONS = 4


async def run(settings: Settings, ready: Ready, stop: Stop) -> None:
    """Drain until `stop`; ready at once, for the spool is there for when the database is not."""
    assert settings.database_url is not None, "the supervisor resolves it"
    clock = Clock()
    paths = Paths(settings.data_dir)
    # One for the drain, the others for what goes on beside it.
    database = NodeDatabase(settings.database_url, connections_max=CONNECTIONS)
    node = node_name(paths.node_name)
    ingest = counting.ingest(node, clock)
    views = NasViews(database)
    drain = Drain(paths.spool, database, ingest, clock, views=views, published=(views.learn,))
    sweeper = Sweeper(
        node,
        database,
        ingest,
        clock,
        drain.progress,
        doubted=live_feed.sessions_changed,
        is_refusing=SpoolWatch(paths.status, clock).is_refusing,
    )
    quality = QualityReport(database, clock, status.Reporter(paths.status, "quality").tell)
    letters = DeadLetterAlarm(database, settings.accounting.dead_letters_alarm_at)
    # From anywhere: a process that is often started anew goes round them all, too.
    begins = os.urandom(KEY_OCTETS)
    groups = Tombstones(database, clock, settings.accounting.keep_raw_days, after=begins)
    started_at = clock.unix_s()
    reporter = status.Reporter(paths.status, "ingest")
    alarm = _Alarm()
    gc.disable()
    collect_at = clock.monotonic() + COLLECT_EVERY_S
    tasks = [
        asyncio.create_task(work)
        for work in (
            views.run(),
            _drain(drain, views),
            sweeper.run(),
            quality.run(),
            ingest_upkeep.keep_up(settings, drain, clock),
            ingest_upkeep.sum_days(database),
            again("dead_letters", letters.look, LETTERS_EVERY_S),
            again("groups", groups.step, GROUPS_EVERY_S),
            again("quotas", CatchingUp(database, QuotaCounting(clock)).step, CATCH_UP_EVERY_S),
        )
    ]
    ready()
    try:
        while not stop.is_set() and not any(task.done() for task in tasks):
            alarm.watch(drain.progress, clock.unix_s())
            reporter.tell(_status(drain.progress, letters, started_at))
            if clock.monotonic() >= collect_at:
                gc.collect()
                collect_at = clock.monotonic() + COLLECT_EVERY_S
            try:
                async with asyncio.timeout(STATUS_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await database.dispose()
    for task in tasks:
        if not task.cancelled():
            task.result()  # it ends by itself only with a bug; the supervisor starts us again


async def _drain(drain: Drain, views: NasViews) -> None:
    """Count nothing before the settings of the NASes are there, but say what waits."""
    while not views.known.is_set():
        try:
            async with asyncio.timeout(STATUS_EVERY_S):
                await views.known.wait()
        except TimeoutError:
            await drain.look()
    await drain.run()


def _status(progress: Progress, letters: DeadLetterAlarm, started_at: float) -> IngestStatus:
    return IngestStatus(
        pid=os.getpid(),
        started_at=started_at,
        connected=progress.is_connected,
        records=progress.records,
        batches=progress.batches,
        dead_letters=progress.dead,
        failures=progress.failures,
        waiting=progress.waiting,
        oldest_undrained_at=progress.oldest_at,
        drained_at=progress.drained_at,
        dead_letters_kept=letters.kept,
        dead_letters_alarm=letters.is_on,
    )


class _Alarm:
    """Says when records wait for too long, and when they no longer do (fault O4)."""

    def __init__(self) -> None:
        self._is_on = False

    def watch(self, progress: Progress, now_s: float) -> None:
        oldest_at = progress.oldest_at
        is_late = bool(oldest_at) and now_s - oldest_at > LATE_AFTER_S
        if is_late and not self._is_on:
            log.error(
                "accounting_not_drained",
                waiting=progress.waiting,
                oldest_s=round(now_s - oldest_at),
                connected=progress.is_connected,
            )
        elif self._is_on and not is_late:
            log.info("accounting_drained_again", waiting=progress.waiting)
        self._is_on = is_late
