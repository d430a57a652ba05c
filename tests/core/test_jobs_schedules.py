"""What returns by itself, one worker at a time, and what it keeps small."""

import asyncio
from datetime import timedelta

import pytest

from core import jobs_log
from core.db import Database, NodeDatabase
from core.jobs_schedules import Every
from tests.core.jobbing import Noted, is_empty, leave, rows, soon, until, working


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
        await until(lambda: is_empty(fresh_database_url))
    node = NodeDatabase(fresh_database_url)
    assert await jobs_log.prune(node, soon(-timedelta(hours=1))) == 0
    assert await jobs_log.prune(node, soon(timedelta(hours=1))) == 10, "picked, successful"
    await node.dispose()
