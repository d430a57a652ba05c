"""Workers die, hang, are told to stop and lose their database: no job vanishes with them."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import asyncpg
import pytest

from core import jobs_listing
from core.db import Database, NodeDatabase
from core.jobs import Job, defer
from core.jobs_door import Door, opened
from core.jobs_outcome import Again, Done, Held
from core.jobs_queue import CLAIMS_MAX, Queue
from core.migrations import runner
from tests.conftest import execute
from tests.core.jobbing import LEASE, Noted, is_empty, is_in, leave, rows, until, working
from tests.scenarios.outside import Outside, outside_database

ROOT = Path(__file__).parents[2]

# Takes a job and hangs in it; says so on standard output.
HANGING = """
import asyncio, sys
from core.clock import Clock
from core.db import Database, NodeDatabase
from core.jobs_worker import Worker
from tests.core.jobbing import LEASE

async def hang(database, job):
    print("running", flush=True)
    await asyncio.sleep(3600)

async def main(url):
    worker = Worker(NodeDatabase(url), Database(url), {"hold": hang}, Clock(), lease=LEASE)
    await worker.run(asyncio.Event())

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with outside_database() as one:
        asyncio.run(_migrated(one.url))
        yield one


@pytest.mark.slow
async def test_a_killed_workers_job_is_taken_up_again(
    app: Database, fresh_database_url: str
) -> None:
    """Fault D1, of jobs."""
    await leave(app, {"n": 1}, kind="hold")
    await _killed_while_running(fresh_database_url)
    handler = Noted()
    async with working(fresh_database_url, {"hold": handler}):
        await until(lambda: handler.jobs)
        await until(lambda: is_empty(fresh_database_url))
    assert len(handler.jobs) == 1


@pytest.mark.slow
async def test_a_job_that_kills_its_workers_is_held_after_the_third(
    app: Database, fresh_database_url: str
) -> None:
    await leave(app, {}, kind="hold")
    for _ in range(CLAIMS_MAX):
        await _killed_while_running(fresh_database_url)
    handler = Noted()
    async with working(fresh_database_url, {"hold": handler}):
        await until(lambda: is_in(fresh_database_url, "failed"))
    assert handler.jobs == []
    async with app.transaction(1) as tx:
        [held] = await jobs_listing.newest(tx, 10, held=True)
    assert held.error == "3 times the worker ended while it ran this"


@pytest.mark.slow
async def test_a_job_that_takes_longer_than_the_lease_is_not_taken_from_who_lives(
    app: Database, fresh_database_url: str
) -> None:
    go_on, seen = asyncio.Event(), []

    async def long(database: Database, job: Job) -> None:
        seen.append(job.id)
        await go_on.wait()

    await leave(app, {}, kind="long")
    async with (
        working(fresh_database_url, {"long": long}),
        working(fresh_database_url, {"long": long}),
    ):
        await until(lambda: seen)
        await asyncio.sleep(2 * LEASE.total_seconds())
        [job] = await rows(fresh_database_url)
        assert json.loads(job["headers"])["claims"] == 1
        go_on.set()
        await until(lambda: is_empty(fresh_database_url))
    assert len(seen) == 1


@pytest.mark.slow
async def test_who_lost_a_job_does_not_end_it_for_who_has_it(
    app: Database, fresh_database_url: str
) -> None:
    await leave(app, {}, {}, {})
    node = NodeDatabase(fresh_database_url)
    slow, other, late = (Queue(timedelta(seconds=lease)) for lease in (30, 1, 30))
    async with opened(node, lambda: None) as door:
        lost = [job.id for job in await slow.claim(door, ["note"], 10)]
        await asyncio.sleep(1.1)
        assert len(await other.claim(door, ["note"], 10)) == 3
        before = await rows(fresh_database_url)
        outcomes = (Done(), Held("x"), Again(timedelta(0), "x"))
        await slow.settle(door, dict(zip(lost, outcomes, strict=True)))
        assert await rows(fresh_database_url) == before
        assert await late.claim(door, ["note"], 10) == []
    await node.dispose()


async def test_a_claim_whose_answer_is_lost_is_no_worker_that_died(
    app: Database, fresh_database_url: str
) -> None:
    """Fault D3, of jobs: the database took its time to commit, and nothing was ever run."""
    await leave(app, {})
    node = NodeDatabase(fresh_database_url)
    queue = Queue(timedelta(seconds=30))
    async with opened(node, lambda: None) as door:
        deaf = Door(cast(asyncpg.Connection, _Deaf(door.connection)), door.queries)
        for _ in range(CLAIMS_MAX + 1):
            with pytest.raises(TimeoutError):
                await queue.claim(deaf, ["note"], 10)
            [job] = await rows(fresh_database_url)
            assert (job["status"], json.loads(job["headers"])["claims"]) == ("picked", 1)
        [taken] = await queue.claim(door, ["note"], 10)
        await queue.settle(door, {taken.id: Done()})
    assert await is_empty(fresh_database_url)
    await node.dispose()


class _Deaf:
    """A connection that does not hear how its commits end."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        async with self._connection.transaction():
            yield
        raise TimeoutError


async def test_a_worker_that_is_told_to_stop_gives_back_what_it_runs(
    app: Database, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs_worker.GRACE_S", 0.1)
    started = asyncio.Event()

    async def hang(database: Database, job: Job) -> None:
        started.set()
        await asyncio.sleep(3600)

    async with app.transaction(1) as tx:
        await defer(tx, 1, "hold", {}, dedupe_key="7")
    async with working(fresh_database_url, {"hold": hang}):
        await started.wait()
    [job] = await rows(fresh_database_url)
    assert (job["status"], job["attempts"], job["dedupe_key"]) == ("queued", 0, "1/hold/7")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["refuse", "crash", "hang"])
async def test_it_goes_on_when_postgresql_comes_back(
    how: str, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Faults D2 and D3, of jobs: what ends meanwhile is stored once there is a place for it."""
    monkeypatch.setattr("core.jobs_worker.ANSWER_TIMEOUT_S", 1.0)
    await execute(outside.url, "TRUNCATE turnpike_jobs.pgqueuer")
    app = Database(outside.url)
    started, go_on, seen = asyncio.Event(), asyncio.Event(), []

    async def handler(database: Database, job: Job) -> None:
        seen.append(job.payload["n"])
        started.set()
        await go_on.wait()

    await leave(app, {"n": "before"})
    async with working(outside.url, {"note": handler}, lease=timedelta(seconds=30)) as worker:
        await started.wait()
        await execute(outside.url, "CHECKPOINT")  # this one is not durable by itself
        await asyncio.to_thread(getattr(outside, how))
        try:
            await until(lambda: not worker.progress.connected)
            go_on.set()
            await asyncio.sleep(0.2)
        finally:
            await asyncio.to_thread(outside.back)
        await until(lambda: worker.progress.connected)
        await app.dispose()
        await leave(app, {"n": "after"})
        await until(lambda: is_empty(outside.url))
    await app.dispose()
    assert seen == ["before", "after"]


async def _migrated(url: str) -> None:
    await runner.upgrade(url)
    await execute(url, "INSERT INTO tenant (code, name) VALUES ('demo-isp', 'Demo ISP')")


async def _killed_while_running(url: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", HANGING, url),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        assert await process.stdout.readline() == b"running\n"
    process.send_signal(signal.SIGKILL)
    await process.wait()
