"""A worker runs what it knows, when it is due, and once if nothing dies."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from core.db import Database
from core.jobs import Job, defer
from core.jobs_worker import RUNNING_MAX
from tests.core.jobbing import Noted, is_empty, leave, rows, until, working


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
        await until(lambda: is_empty(fresh_database_url))
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
        await until(lambda: is_empty(fresh_database_url))
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
        await until(lambda: is_empty(fresh_database_url))
    assert seen[0] == 1
    assert seen[-1] == 3


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
        await until(lambda: is_empty(fresh_database_url))
    assert most == RUNNING_MAX
