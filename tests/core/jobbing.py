"""Jobs for tests: a worker beside the test, and what the queue looks like to its owner."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from core.clock import Clock
from core.db import Database, NodeDatabase, connect
from core.jobs import Deferral, Handler, Job, defer_many
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


async def is_empty(url: str) -> bool:
    return await rows(url) == []


async def counts(url: str, number: int) -> bool:
    return len(await rows(url)) == number


async def is_in(url: str, status: str) -> bool:
    """There is one job, and this is pgqueuer's word for its state."""
    return [job["status"] for job in await rows(url)] == [status]


async def has_failed(url: str) -> bool:
    """A job waits for another attempt."""
    return any("error" in job["headers"] and job["status"] == "queued" for job in await rows(url))


async def until(claim: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Wait until `claim()`, awaited if it can be, is true."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = claim()
            if await found if inspect.isawaitable(found) else found:
                return
            await asyncio.sleep(0.02)


def soon(delay: timedelta) -> datetime:
    return datetime.now(UTC) + delay


async def leave(app: Database, *payloads: Mapping[str, object], kind: str = "note") -> None:
    async with app.transaction(1) as tx:
        await defer_many(tx, [Deferral(1, kind, payload) for payload in payloads])


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
