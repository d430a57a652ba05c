"""Every change leaves a job for those it concerns who are online, in its own transaction."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aaa import enforcement_jobs, holds, profiles, subscribers
from aaa.profiles import ProfileSpec
from aaa.subscribers import SubscriberSpec
from core.db import Database
from tests.aaa.replica import Isp, isp
from tests.core.jobbing import rows

NOW = datetime(2026, 11, 21, tzinfo=UTC)


@asynccontextmanager
async def online(url: str) -> AsyncIterator[tuple[Isp, Database, int, int]]:
    """alice, who is online, and bob, who is not."""
    app = Database(url)
    async with isp(url) as owner:
        alice, bob = await owner.subscribers(await owner.profile("home"), "alice", "bob")
        await owner.session(alice)
        yield owner, app, alice, bob
    await app.dispose()


async def left(url: str) -> list[dict[str, Any]]:
    found = await rows(url)
    assert {row["entrypoint"] for row in found} <= {enforcement_jobs.KIND}
    return [json.loads(row["payload"]) for row in found]


async def test_a_hold_that_is_placed_and_lifted_is_one_job_for_who_is_online(
    fresh_database_url: str,
) -> None:
    async with online(fresh_database_url) as (owner, app, alice, bob):
        async with app.transaction(owner.tenant_id) as tx:
            effects = {alice: "reject", bob: "reject"}
            await holds.place(tx, owner.tenant_id, effects, "staff", now=NOW)
        async with app.transaction(owner.tenant_id) as tx:
            assert await holds.lift(tx, [alice, bob], "staff") == 2
        [job] = await left(fresh_database_url)
        assert (job["subscriber"], job["reason"]) == (alice, "hold")


async def test_another_plan_and_a_removal_are_jobs(fresh_database_url: str) -> None:
    async with online(fresh_database_url) as (owner, app, alice, _):
        async with app.transaction(owner.tenant_id) as tx:
            specs = [SubscriberSpec("alice", None), SubscriberSpec("bob", None)]
            await subscribers.put(tx, owner.tenant_id, specs, now=NOW)
        assert [job["subscriber"] for job in await left(fresh_database_url)] == [alice]
        async with app.transaction(owner.tenant_id) as tx:
            await subscribers.remove(tx, "alice")
        [job] = await left(fresh_database_url)
        assert (job["subscriber"], job["reason"]) == (alice, "removed")


async def test_a_plan_that_changes_is_one_job_and_a_new_one_none(fresh_database_url: str) -> None:
    async with online(fresh_database_url) as (owner, app, _, _):
        async with app.transaction(owner.tenant_id) as tx:
            specs = [ProfileSpec("home", download_bps=1), ProfileSpec("new")]
            await profiles.put(tx, owner.tenant_id, specs)
        [job] = await left(fresh_database_url)
        assert job["profile"] == await owner.sql.fetchval(
            "SELECT id FROM profile WHERE code = 'home'"
        )


async def test_what_is_rolled_back_leaves_nothing(fresh_database_url: str) -> None:
    async with online(fresh_database_url) as (owner, app, alice, _):
        try:
            async with app.transaction(owner.tenant_id) as tx:
                await holds.place(tx, owner.tenant_id, {alice: "reject"}, "staff", now=NOW)
                raise KeyError
        except KeyError:
            pass
        assert await left(fresh_database_url) == []
