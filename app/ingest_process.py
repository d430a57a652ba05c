"""Ingest's process: the node's spools drained into PostgreSQL, and days made for raw packets."""

import asyncio
import gc
import os
import socket

import structlog

from aaa import live_feed
from aaa.owners import owners
from accounting import partitions
from accounting.drain import Drain, Progress
from accounting.ingest import Ingest
from accounting.nas_views import NasViews
from accounting.status import LATE_AFTER_S, IngestStatus
from accounting.trouble import in_a_line, is_the_worlds
from app.child import Ready, Stop
from app.paths import Paths
from core import status
from core.clock import Clock
from core.config import Settings
from core.db import NodeDatabase, connect

log = structlog.get_logger()

STATUS_EVERY_S = 1.0
# The collector looks at every list of a batch again and again and finds no garbage: half of
# the processor's time.  What little there is in cycles can wait for a minute.
COLLECT_EVERY_S = 60.0
UPKEEP_EVERY_S = 3600.0
UPKEEP_RETRY_S = 30.0


async def run(settings: Settings, ready: Ready, stop: Stop) -> None:
    """Drain until `stop`; ready at once, for the spool is there for when the database is not."""
    assert settings.database_url is not None, "the supervisor resolves it"
    clock = Clock()
    paths = Paths(settings.data_dir)
    database = NodeDatabase(settings.database_url)
    # The data directory is what the positions belong to, and no other instance has it.
    ingest = Ingest(
        f"{socket.gethostname()}:{settings.data_dir}",
        owners=owners,
        observers=(live_feed.observe,),
    )
    views = NasViews(database)
    drain = Drain(paths.spool, database, ingest, clock, views=views, published=(views.learn,))
    started_at = clock.unix_s()
    reporter = status.Reporter(paths.status, "ingest")
    alarm = _Alarm()
    gc.disable()
    collect_at = clock.monotonic() + COLLECT_EVERY_S
    viewing = asyncio.create_task(views.run())
    draining = asyncio.create_task(_drain(drain, views))
    keeping = asyncio.create_task(_upkeep(settings, drain, clock))
    tasks = (viewing, draining, keeping)
    ready()
    try:
        while not stop.is_set() and not any(task.done() for task in tasks):
            alarm.watch(drain.progress, clock.unix_s())
            reporter.tell(_status(drain.progress, started_at))
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
    """Count nothing before the settings of the NASes are there."""
    await views.known.wait()
    await drain.run()


def _status(progress: Progress, started_at: float) -> IngestStatus:
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


async def _upkeep(settings: Settings, drain: Drain, clock: Clock) -> None:
    """Partitions and old positions, every hour; sooner again if it could not be done."""
    while True:
        wait_s = UPKEEP_EVERY_S
        try:
            owner = await connect(str(settings.database_url), None)
            try:
                kept = await partitions.keep_up(
                    owner, clock.now(), settings.accounting.keep_raw_days
                )
            finally:
                owner.terminate()
            await drain.prune()
            if kept.late:
                wait_s = UPKEEP_RETRY_S
            if kept.made or kept.dropped or kept.late:
                log.info(
                    "partitions",
                    made=len(kept.made),
                    dropped=len(kept.dropped),
                    late=len(kept.late),
                )
        except Exception as error:
            if not is_the_worlds(error):
                raise
            log.warning("upkeep_failed", error=in_a_line(error))
            wait_s = UPKEEP_RETRY_S
        await asyncio.sleep(wait_s)
