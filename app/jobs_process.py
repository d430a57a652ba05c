"""The jobs process: work that was left behind, and work that returns."""

import asyncio
import os

from app import job_handlers
from app.child import Ready, Stop
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
    worker = Worker(
        node,
        database,
        job_handlers.HANDLERS,
        clock,
        schedules=job_handlers.schedules(node, clock),
    )
    reporter = status.Reporter(Paths(settings.data_dir).status, "jobs")
    started_at = clock.unix_s()
    working = asyncio.create_task(worker.run(stop))
    ready()
    try:
        while not working.done():
            reporter.tell(_status(worker, started_at))
            await asyncio.wait([working], timeout=STATUS_EVERY_S)
    finally:
        working.cancel()
        await asyncio.wait([working])
        await node.dispose()
        await database.dispose()
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
