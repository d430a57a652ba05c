"""Jobs for tests: a worker beside the test, and what the queue looks like to its owner."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from core.clock import Clock
from core.db import Database, NodeDatabase, connect
from core.jobs import Handler, Job
from core.jobs_schedules import Every
from core.jobs_worker import Worker

LEASE = timedelta(seconds=1)


async def rows(
    url: str, query: str = "SELECT * FROM turnpike_jobs.pgqueuer ORDER BY id"
) -> list[dict[str, Any]]:
    owner = await connect(url, None)
    try:
        return [dict(row) for row in await owner.fetch(query)]
    finally:
        await owner.close()


async def until(claim: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until `claim()`, awaited if it can be, is true."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = claim()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.02)


@asynccontextmanager
async def working(
    url: str,
    handlers: Mapping[str, Handler],
    schedules: Sequence[Every] = (),
    lease: timedelta = LEASE,
) -> AsyncIterator[Worker]:
    """A worker, told to stop when the block ends."""
    node, database = NodeDatabase(url), Database(url)
    worker = Worker(node, database, handlers, Clock(), schedules=schedules, lease=lease)
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await task
        await node.dispose()
        await database.dispose()


class Noted:
    """A handler that notes what it was given, and fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.jobs: list[Job] = []
        self._failures = list(failures)

    async def __call__(self, database: Database, job: Job) -> None:
        self.jobs.append(job)
        if self._failures:
            raise self._failures.pop(0)
