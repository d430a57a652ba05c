"""The jobs process: work that was left behind, and work that returns."""

import asyncio
import os

from app import enforcement, job_handlers
from app.child import Ready, Stop
from app.enforcement import Enforcement
from app.paths import Paths
from core import status
from core.clock import Clock
from core.config import Settings
from core.db import Database, NodeDatabase
from core.jobs_status import JobsStatus
from core.jobs_worker import Worker

STATUS_EVERY_S = 1.0


async def run(settings: Settings, ready: Ready, stop: Stop) -> None:
    """Work until `stop`; ready at once, for a queue may wait."""
    assert settings.database_url is not None, "the supervisor resolves it"
    clock = Clock()
    node = NodeDatabase(settings.database_url)
    database = Database(settings.database_url, connections_max=settings.database.pool_size)
    try:
        async with enforcement.opened(settings, node, database, clock, stop) as enforcing:
            worker = Worker(
                node,
                database,
                job_handlers.handlers(enforcing),
                clock,
                schedules=job_handlers.schedules(settings, node, clock, enforcing),
            )
            await _work(settings, worker, enforcing, clock, ready, stop)
    finally:
        await node.dispose()
        await database.dispose()


async def _work(
    settings: Settings,
    worker: Worker,
    enforcing: Enforcement,
    clock: Clock,
    ready: Ready,
    stop: Stop,
) -> None:
    directory = Paths(settings.data_dir).status
    jobs, enforced = (status.Reporter(directory, name) for name in ("jobs", "enforcement"))
    started_at = clock.unix_s()
    working = asyncio.create_task(worker.run(stop))
    ready()
    try:
        while not working.done():
            jobs.tell(_status(worker, started_at))
            enforced.tell(enforcing.status())
            await asyncio.wait([working], timeout=STATUS_EVERY_S)
    finally:
        working.cancel()
        await asyncio.wait([working])
    working.result()  # a bug, if it did not end because it was told to; we are started again


def _status(worker: Worker, started_at: float) -> JobsStatus:
    progress, counts = worker.progress, worker.progress.counts
    return JobsStatus(
        pid=os.getpid(),
        started_at=started_at,
        connected=progress.connected,
        running=progress.running,
        done=progress.done,
        failures=progress.failures,
        waiting=counts.waiting,
        unhandled=counts.unhandled,
        held=counts.held,
        oldest_waiting_s=counts.oldest_waiting_s,
    )
