"""What fails is tried again or held for people, and keeps its error and its key."""

import asyncio
from datetime import timedelta

import pytest

from core import jobs_listing
from core.db import Database
from core.errors import Invalid, NotFound
from core.jobs import Job, defer
from core.jobs_outcome import ATTEMPTS_MAX
from tests.conftest import execute
from tests.core.jobbing import (
    Noted,
    counts,
    has_failed,
    is_empty,
    is_in,
    leave,
    rows,
    soon,
    until,
    working,
)


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
        await until(lambda: is_in(fresh_database_url, "failed"))
        async with app.transaction(1) as tx:
            [held] = await jobs_listing.newest(tx, 10, held=True)
        assert (held.state, held.error, held.attempts) == ("held", error, 1)
        assert worker.progress.failures == 1
        async with app.transaction(1) as tx:
            await jobs_listing.retry(tx, [held.id])
        await until(lambda: is_empty(fresh_database_url))
    assert [job.payload["n"] for job in handler.jobs] == [1, 1]


@pytest.mark.slow
async def test_what_the_world_did_is_tried_again_later(
    app: Database, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.jobs_outcome.FIRST_DELAY", timedelta(seconds=0.1))
    handler = Noted(OSError("the NAS is silent"), TimeoutError())
    await leave(app, {})
    async with working(fresh_database_url, {"note": handler}):
        await until(lambda: is_empty(fresh_database_url))
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
        await until(lambda: is_in(fresh_database_url, "failed"))
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
        await until(lambda: has_failed(fresh_database_url))
        async with app.transaction(1) as tx:
            await defer(tx, 1, "note", {"change": 2}, dedupe_key="7")
            assert len(await jobs_listing.newest(tx, 10)) == 1
        await until(lambda: is_empty(fresh_database_url))
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
                tx, 1, "note", {"change": 2}, dedupe_key="7", run_at=soon(timedelta(seconds=2))
            )
        go_on.set()
        await until(lambda: counts(fresh_database_url, 1))
        await until(lambda: is_empty(fresh_database_url))
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
        await until(lambda: has_failed(fresh_database_url))
        await leave(app, {}, kind="other")
        await until(lambda: len(handler.jobs) == 2, 5)


@pytest.mark.parametrize("payload", ["NULL", "'no json'::bytea", "'[1]'::bytea"])
async def test_a_job_that_cannot_be_read_is_held_and_seen(
    payload: str, app: Database, fresh_database_url: str
) -> None:
    await leave(app, {"n": 1})
    await execute(fresh_database_url, f"UPDATE turnpike_jobs.pgqueuer SET payload = {payload}")
    async with working(fresh_database_url, {"note": Noted()}):
        await until(lambda: is_in(fresh_database_url, "failed"))
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
