"""Leaving work behind: with the transaction or not at all, once for each key, by tenant."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import jobs_listing, tenancy
from core.db import APP_ROLE, Database, NodeDatabase, connect
from core.jobs import Deferral, defer, defer_many
from tests.core.jobbing import rows

LATER = datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_job_is_there_with_its_transaction_and_names_its_tenant(
    app: Database, fresh_database_url: str
) -> None:
    async with app.transaction(1) as tx:
        await defer(tx, 1, "enforce", {"subscriber_id": 7})
    [job] = await rows(fresh_database_url)
    assert (job["tenant_id"], job["entrypoint"], job["status"]) == (1, "enforce", "queued")
    assert job["payload"] == b'{"tenant_id":1,"subscriber_id":7}'


@pytest.mark.parametrize("role", ["app", "node"])
async def test_what_is_rolled_back_leaves_no_job(
    role: str, app: Database, node: NodeDatabase, fresh_database_url: str
) -> None:
    async def fail() -> None:
        async with app.transaction(1) if role == "app" else node.transaction() as tx:
            await defer(tx, 1, "enforce", {})
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    assert await rows(fresh_database_url) == []


async def test_a_key_makes_one_job_with_the_newest_payload_and_the_earliest_time(
    app: Database, fresh_database_url: str
) -> None:
    for change, run_at in ((1, LATER), (2, LATER - timedelta(days=1)), (3, LATER)):
        async with app.transaction(1) as tx:
            await defer(tx, 1, "enforce", {"change": change}, dedupe_key="7", run_at=run_at)
    [job] = await rows(fresh_database_url)
    assert b'"change":3' in job["payload"]
    assert job["execute_after"] == LATER - timedelta(days=1)


async def test_a_key_is_of_one_tenant_and_kind(
    app: Database, node: NodeDatabase, fresh_database_url: str
) -> None:
    async with app.lobby() as tx:
        other = await tenancy.found(tx, "other", "Other")
    async with node.transaction() as tx:
        await defer_many(
            tx,
            [
                Deferral(1, "enforce", {"n": 1}, dedupe_key="7", run_at=LATER),
                Deferral(other, "enforce", {"n": 2}, dedupe_key="7"),
                Deferral(1, "notify", {"n": 3}, dedupe_key="7"),
                Deferral(1, "enforce", {"n": 4}, dedupe_key="7"),
                Deferral(1, "enforce", {"n": 5}),
                Deferral(1, "enforce", {"n": 6}),
            ],
        )
    found = await rows(fresh_database_url)
    assert sorted(int(job["payload"][-2:-1]) for job in found) == [2, 3, 4, 5, 6]
    assert all(job["execute_after"] < LATER for job in found), "4 came for at once, and 1 is it"


async def test_no_worker_sees_a_repeated_job_before_the_transaction_that_repeats_it_ends(
    app: Database, node: NodeDatabase, fresh_database_url: str
) -> None:
    """Else it would run, see nothing new, and be done: and the change would have no job."""
    async with app.transaction(1) as tx:
        await defer(tx, 1, "enforce", {"change": 1}, dedupe_key="7")
    takes = text("SELECT id FROM turnpike_jobs.pgqueuer FOR UPDATE SKIP LOCKED")
    async with app.transaction(1) as tx:
        await defer(tx, 1, "enforce", {"change": 1}, dedupe_key="7")
        async with node.transaction() as other:
            assert (await other.scalars(takes)).all() == []
    async with node.transaction() as other:
        assert len((await other.scalars(takes)).all()) == 1


async def test_who_repeats_the_same_keys_in_another_order_waits_and_does_not_deadlock(
    node: NodeDatabase, fresh_database_url: str
) -> None:
    forth = [Deferral(1, "enforce", {}, dedupe_key=str(key)) for key in range(500)]

    async def repeat(deferrals: list[Deferral]) -> None:
        for _ in range(5):
            async with node.transaction() as tx:
                await defer_many(tx, deferrals)

    await asyncio.gather(repeat(forth), repeat(forth[::-1]))
    assert len(await rows(fresh_database_url)) == 500


async def test_hostile_text_in_a_payload_is_carried(app: Database, fresh_database_url: str) -> None:
    async with app.transaction(1) as tx:
        await defer(tx, 1, "enforce", {"username": "alice\0'; DROP TABLE tenant; --"})
        [job] = await jobs_listing.newest(tx, 10)
    assert job.payload == {"tenant_id": 1, "username": "alice\0'; DROP TABLE tenant; --"}


async def test_a_payload_names_no_other_tenant(app: Database) -> None:
    async with app.transaction(1) as tx:
        with pytest.raises(ValueError, match="tenant 1 names tenant 2"):
            await defer(tx, 1, "enforce", {"tenant_id": 2})


@pytest.mark.parametrize("headers", [None, "{}", '{"tenant_id": null}', '{"tenant_id": 999}'])
async def test_the_database_refuses_a_job_without_a_tenant(
    headers: str | None, fresh_database_url: str
) -> None:
    owner = await connect(fresh_database_url, None)
    try:
        with pytest.raises(asyncpg.IntegrityConstraintViolationError):
            await owner.execute(
                "INSERT INTO turnpike_jobs.pgqueuer (priority, status, entrypoint, headers)"
                " VALUES (0, 'queued', 'enforce', $1)",
                headers,
            )
    finally:
        await owner.close()


async def test_a_tenant_neither_sees_nor_leaves_nor_moves_jobs_of_another(
    app: Database, fresh_database_url: str
) -> None:
    async with app.lobby() as tx:
        other = await tenancy.found(tx, "other", "Other")
    async with app.transaction(1) as tx:
        await defer(tx, 1, "enforce", {})
    async with app.transaction(other) as tx:
        assert await jobs_listing.newest(tx, 10) == []
        changed = await tx.execute(text("UPDATE turnpike_jobs.pgqueuer SET attempts = 9"))
        assert changed.rowcount == 0  # type: ignore[attr-defined]  # a CursorResult

    async def intrude(statement: str) -> None:
        async with app.transaction(other) as tx:
            await defer(tx, other, "enforce", {})
            await tx.execute(text(statement))

    for statement in (
        "INSERT INTO turnpike_jobs.pgqueuer (priority, status, entrypoint, headers)"
        " VALUES (0, 'queued', 'x', '{\"tenant_id\": 1}')",
        "UPDATE turnpike_jobs.pgqueuer SET headers = '{\"tenant_id\": 1}'",
    ):
        with pytest.raises(DBAPIError, match="row-level security"):
            await intrude(statement)
    async with app.lobby() as tx:
        assert await jobs_listing.newest(tx, 10) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM turnpike_jobs.pgqueuer",
        "TRUNCATE turnpike_jobs.pgqueuer",
        "SELECT * FROM turnpike_jobs.pgqueuer_log",
        "SELECT * FROM turnpike_jobs.pgqueuer_schedules",
    ],
)
async def test_the_application_leaves_and_lists_jobs_and_has_no_other_right(
    statement: str, fresh_database_url: str
) -> None:
    app = await connect(fresh_database_url, APP_ROLE)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(statement)
    finally:
        await app.close()
