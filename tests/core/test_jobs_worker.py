"""Jobs run once if nothing dies, again if something does, and never vanish."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from core import jobs_listing, jobs_log
from core.db import Database, NodeDatabase
from core.errors import Invalid, NotFound
from core.jobs import Deferral, Job, defer, defer_many
from core.jobs_outcome import ATTEMPTS_MAX
from core.jobs_queue import CLAIMS_MAX
from core.jobs_schedules import Every
from core.jobs_worker import RUNNING_MAX
from core.migrations import runner
from tests.conftest import execute
from tests.core.jobbing import LEASE, Noted, rows, until, working
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


@pytest_asyncio.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url)
    yield database
    await database.dispose()


async def leave(app: Database, *payloads: Mapping[str, object], kind: str = "note") -> None:
    async with app.transaction(1) as tx:
        await defer_many(tx, [Deferral(1, kind, payload) for payload in payloads])


async def test_a_job_is_run_with_what_was_left_and_is_gone(
    app: Database, fresh_database_url: str
) -> None:
    seen: list[tuple[Job, str]] = []

    async def handler(database: Database, job: Job) -> None:
        async with database.transaction(job.tenant_id) as tx:
            seen.append((job, str(await tx.scalar(text("SELECT code FROM tenant")))))

    async with working(fresh_database_url, {"note": handler}) as worker:
        await until(lambda: worker.progress.connected)
        await leave(app, {"n": 1})
        await until(lambda: seen)
        await until(lambda: _none(fresh_database_url))
        assert worker.progress.done == 1
    [(job, code)] = seen
    assert (job.tenant_id, job.kind, job.payload["n"], job.attempts, code) == (
        *(1, "note", 1, 0),
        "demo-isp",
    )


async def test_a_kind_that_nobody_knows_waits_untouched_and_holds_up_no_other(
    app: Database, fresh_database_url: str
) -> None:
    await leave(app, *[{"n": n} for n in range(100)], kind="enforce")
    [before, *_] = await rows(fresh_database_url)
    handler = Noted()
    async with working(fresh_database_url, {"note": handler}) as worker:
        await leave(app, {})
        await until(lambda: handler.jobs)
        await until(lambda: worker.progress.counts.unhandled == 100)
        assert worker.progress.counts.oldest_waiting_s == 0.0, "nobody is late with those"
    found = await rows(fresh_database_url)
    assert len(found) == 100
    assert found[0] == before


@pytest.mark.slow
async def test_a_job_for_later_waits_for_its_time(app: Database, fresh_database_url: str) -> None:
    handler = Noted()
    at = datetime.now(UTC) + timedelta(seconds=1.5)
    async with app.transaction(1) as tx:
        await defer(tx, 1, "note", {"n": "later"}, run_at=at)
        await defer(tx, 1, "note", {"n": "now"})
    async with working(fresh_database_url, {"note": handler}):
        await until(lambda: handler.jobs)
        assert [job.payload["n"] for job in handler.jobs] == ["now"]
        await until(lambda: len(handler.jobs) == 2)
    assert datetime.now(UTC) >= at


@pytest.mark.slow
async def test_two_workers_run_each_job_once(app: Database, fresh_database_url: str) -> None:
    handler = Noted()
    async with (
        working(fresh_database_url, {"note": handler}) as one,
        working(fresh_database_url, {"note": handler}) as other,
    ):
        for part in range(10):
            await leave(app, *[{"n": part * 100 + n} for n in range(100)])
        await until(lambda: _none(fresh_database_url))
        assert one.progress.done > 0
        assert other.progress.done > 0
    assert sorted(job.payload["n"] for job in handler.jobs) == list(range(1000))  # type: ignore[type-var]


async def test_what_is_deferred_again_while_it_runs_is_run_again(
    app: Database, fresh_database_url: str
) -> None:
    """The first may have looked before the change that the second is about."""
    started, go_on, seen = asyncio.Event(), asyncio.Event(), []

    async def handler(database: Database, job: Job) -> None:
        seen.append(job.payload["change"])
        started.set()
        await go_on.wait()

    async with working(fresh_database_url, {"note": handler}):
        async with app.transaction(1) as tx:
            await defer(tx, 1, "note", {"change": 1}, dedupe_key="7")
        await started.wait()
        for change in (2, 3):
            async with app.transaction(1) as tx:
                await defer(tx, 1, "note", {"change": change}, dedupe_key="7")
        go_on.set()
        await until(lambda: _none(fresh_database_url))
    assert seen[0] == 1
    assert seen[-1] == 3


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
        await until(lambda: _none(fresh_database_url))
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
        await until(lambda: _state(fresh_database_url, "failed"))
    assert handler.jobs == []
    async with app.transaction(1) as tx:
        [held] = await jobs_listing.newest(tx, 10, held=True)
    assert held.error == "3 times the worker ended while it ran this"


@pytest.mark.slow
async def test_a_job_that_takes_longer_than_the_lease_is_not_taken_from_who_lives(
    app: Database, fresh_database_url: str
) -> None:
    seen = []

    async def long(database: Database, job: Job) -> None:
        seen.append(job.id)
        await asyncio.sleep(2.5 * LEASE.total_seconds())

    await leave(app, {}, kind="long")
    async with (
        working(fresh_database_url, {"long": long}),
        working(fresh_database_url, {"long": long}),
    ):
        await until(lambda: seen)
        await until(lambda: _none(fresh_database_url))
    assert len(seen) == 1


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


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        pytest.param(ValueError("no such\0 NAS"), "ValueError: no such\\x00 NAS", id="a bug"),
        pytest.param(Invalid("speed is 0"), "Invalid: speed is 0", id="a refusal"),
    ],
)
async def test_what_would_fail_again_is_held_with_its_error_until_people_retry_it(
    failure: Exception, error: str, app: Database, fresh_database_url: str
) -> None:
    handler = Noted(failure)
    await leave(app, {"n": 1})
    async with working(fresh_database_url, {"note": handler}) as worker:
        await until(lambda: _state(fresh_database_url, "failed"))
        async with app.transaction(1) as tx:
            [held] = await jobs_listing.newest(tx, 10, held=True)
        assert (held.state, held.error, held.attempts) == ("held", error, 1)
        assert worker.progress.failures == 1
        async with app.transaction(1) as tx:
            await jobs_listing.retry(tx, [held.id])
        await until(lambda: _none(fresh_database_url))
    assert [job.payload["n"] for job in handler.jobs] == [1, 1]


@pytest.mark.slow
async def test_what_the_world_did_is_tried_again_later(
    app: Database, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs_outcome.FIRST_DELAY", timedelta(seconds=0.1))
    handler = Noted(OSError("the NAS is silent"), TimeoutError())
    await leave(app, {})
    async with working(fresh_database_url, {"note": handler}):
        await until(lambda: _none(fresh_database_url))
    assert [job.attempts for job in handler.jobs] == [0, 1, 2]


async def test_what_the_world_fails_too_often_is_held(
    app: Database, fresh_database_url: str
) -> None:
    await leave(app, {})
    await execute(
        fresh_database_url, f"UPDATE turnpike_jobs.pgqueuer SET attempts = {ATTEMPTS_MAX - 1}"
    )
    handler = Noted(OSError("the NAS is silent"))
    async with working(fresh_database_url, {"note": handler}):
        await until(lambda: _state(fresh_database_url, "failed"))
    async with app.transaction(1) as tx:
        [held] = await jobs_listing.newest(tx, 10)
    assert (held.error, held.attempts) == ("OSError: the NAS is silent", ATTEMPTS_MAX)


async def test_a_job_that_waits_for_another_attempt_is_still_the_one_of_its_key(
    app: Database, fresh_database_url: str
) -> None:
    handler = Noted(OSError("the NAS is silent"))
    async with working(fresh_database_url, {"note": handler}):
        async with app.transaction(1) as tx:
            await defer(tx, 1, "note", {"change": 1}, dedupe_key="7")
        await until(lambda: _error(fresh_database_url))
        async with app.transaction(1) as tx:
            await defer(tx, 1, "note", {"change": 2}, dedupe_key="7")
        assert len(await rows(fresh_database_url)) == 1
        await until(lambda: _none(fresh_database_url))
    assert [job.payload["change"] for job in handler.jobs] == [1, 2]


@pytest.mark.slow
async def test_a_job_that_fails_gives_way_to_one_of_its_key_that_came_meanwhile(
    app: Database, fresh_database_url: str
) -> None:
    started, go_on, seen = asyncio.Event(), asyncio.Event(), []

    async def handler(database: Database, job: Job) -> None:
        seen.append(job.payload["change"])
        started.set()
        await go_on.wait()
        if len(seen) == 1:
            raise OSError("the NAS is silent")

    async with working(fresh_database_url, {"note": handler}):
        async with app.transaction(1) as tx:
            await defer(tx, 1, "note", {"change": 1}, dedupe_key="7")
        await started.wait()
        async with app.transaction(1) as tx:
            await defer(
                tx, 1, "note", {"change": 2}, dedupe_key="7", run_at=_soon(timedelta(seconds=2))
            )
        go_on.set()
        await until(lambda: _count(fresh_database_url, 1))
        await until(lambda: _none(fresh_database_url))
    assert seen == [1, 2]


async def test_a_long_transaction_with_the_key_does_not_stop_the_worker(
    app: Database, fresh_database_url: str
) -> None:
    handler = Noted(OSError("the NAS is silent"))
    async with app.transaction(1) as tx:
        await defer(tx, 1, "note", {}, dedupe_key="7")
    async with (
        working(fresh_database_url, {"note": handler, "other": handler}),
        app.transaction(1) as long,
    ):
        await until(lambda: handler.jobs)
        await defer(long, 1, "note", {}, dedupe_key="7")
        await until(lambda: _error(fresh_database_url))
        await leave(app, {}, kind="other")
        await until(lambda: len(handler.jobs) == 2, 5)


@pytest.mark.parametrize("payload", ["NULL", "'no json'::bytea", "'[1]'::bytea"])
async def test_a_job_that_cannot_be_read_is_held_and_seen(
    payload: str, app: Database, fresh_database_url: str
) -> None:
    await leave(app, {"n": 1})
    await execute(fresh_database_url, f"UPDATE turnpike_jobs.pgqueuer SET payload = {payload}")
    async with working(fresh_database_url, {"note": Noted()}):
        await until(lambda: _state(fresh_database_url, "failed"))
    async with app.transaction(1) as tx:
        [held] = await jobs_listing.newest(tx, 10)
    assert held.error == "the payload is no JSON object"


async def test_only_what_is_held_can_be_retried_and_by_its_tenant(
    app: Database, fresh_database_url: str
) -> None:
    await leave(app, {})
    [job] = await rows(fresh_database_url)
    async with app.transaction(1) as tx:
        with pytest.raises(NotFound, match=str(job["id"])):
            await jobs_listing.retry(tx, [job["id"]])
    await execute(fresh_database_url, "UPDATE turnpike_jobs.pgqueuer SET status = 'failed'")
    async with app.lobby() as tx:
        with pytest.raises(NotFound):
            await jobs_listing.retry(tx, [job["id"]])
    async with app.transaction(1) as tx:
        await jobs_listing.retry(tx, [job["id"]])


async def test_more_jobs_than_may_run_at_once_wait_their_turn(
    app: Database, fresh_database_url: str
) -> None:
    running = most = 0

    async def handler(database: Database, job: Job) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    await leave(app, *[{} for _ in range(RUNNING_MAX * 3)])
    async with working(fresh_database_url, {"note": handler}):
        await until(lambda: _none(fresh_database_url))
    assert most == RUNNING_MAX


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
        await until(lambda: _none(outside.url))
    await app.dispose()
    assert seen == ["before", "after"]


@pytest.mark.slow
async def test_a_schedule_returns_and_one_worker_at_a_time_runs_it(
    app: Database, fresh_database_url: str
) -> None:
    running = times = 0
    overlapped = False

    async def tick() -> None:
        nonlocal running, times, overlapped
        running += 1
        overlapped = overlapped or running > 1
        await asyncio.sleep(0.05)
        running -= 1
        times += 1
        if times == 1:
            raise OSError("and nothing ends")

    schedules = [Every("tick", timedelta(seconds=1), tick)]
    async with (
        working(fresh_database_url, {}, schedules) as one,
        working(fresh_database_url, {}, schedules) as other,
    ):
        await until(lambda: times >= 3)
        assert one.progress.failures + other.progress.failures == 1
    assert not overlapped
    [row] = await rows(fresh_database_url, "SELECT * FROM turnpike_jobs.pgqueuer_schedules")
    assert (row["entrypoint"], row["status"]) == ("tick", "queued")


async def test_another_interval_takes_the_place_of_the_old_one(fresh_database_url: str) -> None:
    async def tick() -> None:
        pass

    for hours in (1, 2):
        schedules = [Every("tick", timedelta(hours=hours), tick)]
        async with working(fresh_database_url, {}, schedules) as worker:
            await until(lambda: worker.progress.connected)
    [row] = await rows(fresh_database_url, "SELECT * FROM turnpike_jobs.pgqueuer_schedules")
    assert row["expression"] == "every 7200 s"


async def test_the_log_of_jobs_is_forgotten_after_a_while(
    app: Database, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs_log.ROWS_PER_TRANSACTION_MAX", 4)
    await leave(app, *[{} for _ in range(5)])
    async with working(fresh_database_url, {"note": Noted()}):
        await until(lambda: _none(fresh_database_url))
    node = NodeDatabase(fresh_database_url)
    assert await jobs_log.prune(node, _soon(-timedelta(hours=1))) == 0
    assert await jobs_log.prune(node, _soon(timedelta(hours=1))) == 10, "picked, successful"
    await node.dispose()


async def _migrated(url: str) -> None:
    await runner.upgrade(url)
    await execute(url, "INSERT INTO tenant (code, name) VALUES ('demo-isp', 'Demo ISP')")


def _soon(delay: timedelta) -> datetime:
    return datetime.now(UTC) + delay


async def _none(url: str) -> bool:
    return await rows(url) == []


async def _count(url: str, number: int) -> bool:
    return len(await rows(url)) == number


async def _state(url: str, status: str) -> bool:
    return [job["status"] for job in await rows(url)] == [status]


async def _error(url: str) -> bool:
    return any(
        "error" in (job["headers"] or "") and job["status"] == "queued" for job in await rows(url)
    )


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
