"""Where an observer of ingest fails, what it adds up is worked out with the next record."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from aaa import live_feed, quota_rows
from aaa.owners import owners
from aaa.quota_catching_up import CatchingUp
from aaa.quota_counting import leave_uncounted
from aaa.quota_rows import StoredSum
from accounting.batch import Batch, Observer
from accounting.drain import Drain
from accounting.identity import SessionKey
from accounting.ingest import Ingest
from accounting.points import BY_REAPER, Mark
from accounting.reading import digest
from core.clock import Clock
from core.db import NodeDatabase, Tx, raw
from tests.aaa.counting import (
    MB,
    CountingNode,
    NoonClock,
    crossings,
    day,
    has_plan,
    jobs,
    states,
    sums,
)
from tests.accounting.ingesting import (
    INTERIM,
    NOON_S,
    START,
    STOP,
    packet,
    rows,
    segment_of,
    spooled,
)

JANUARY, FEBRUARY = day(2026, 1, 1), day(2026, 2, 1)


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[CountingNode]:
    one = CountingNode(fresh_database_url, NoonClock())
    yield one
    await one.database.dispose()


def besides(node: CountingNode, observer: Observer) -> Ingest:
    """The node's, with one more observer and with who stands in where that fails."""
    return Ingest(
        "test",
        owners=owners,
        observers=(node.counting.observe, observer),
        stand_ins=(leave_uncounted, live_feed.tell_all),
    )


async def takes(database: NodeDatabase, ingest: Ingest, spool: Path, *packets: bytes) -> None:
    """As a node's drain does."""
    segment_of(spool, [spooled(octets, 600) for octets in packets])
    drain = Drain(spool, database, ingest, Clock())
    while await drain.step():
        pass


def started() -> tuple[tuple[float, bytes], ...]:
    """A session that has used 100 MB."""
    return (0, packet(START, 0, 0)), (300, packet(INTERIM, 300, 300, (0, 100 * MB)))


async def has_a_bug(tx: Tx, batch: Batch) -> None:
    raise ZeroDivisionError


async def is_refused_by_the_database(tx: Tx, batch: Batch) -> None:
    await tx.execute(text("SELECT 1 / (count(*) - count(*)) FROM session"))


@pytest.mark.parametrize("fails", [has_a_bug, is_refused_by_the_database])
async def test_what_an_observer_that_failed_did_not_count_is_counted_with_the_next_record(
    fresh_database_url: str, node: CountingNode, tmp_path: Path, fails: Observer
) -> None:
    await has_plan(fresh_database_url)
    await node.tell(tmp_path, *started())
    assert await sums(fresh_database_url) == {JANUARY: (100 * 100 * MB, 100 * 300)}
    told = packet(INTERIM, 600, 600, (0, 300 * MB))
    await takes(node.database, besides(node, fails), tmp_path / "failing", told)
    assert await rows(fresh_database_url, "SELECT reason FROM dead_letter") == []
    await node.tell(tmp_path, (900, packet(INTERIM, 900, 900, (0, 350 * MB))))
    assert await sums(fresh_database_url) == {JANUARY: (100 * 350 * MB, 100 * 900)}
    assert [row["octets"] for row in await states(fresh_database_url)] == [350 * MB]


async def test_logins_hear_of_it_without_another_record(
    fresh_database_url: str, node: CountingNode, tmp_path: Path
) -> None:
    """A subscriber who used all he may have with his last report must not be let in again."""
    url = fresh_database_url
    others = [await has_plan(url, name) for name in ("bob", "carol")]
    subscriber = await has_plan(url)
    await node.tell(tmp_path, *started())
    told = packet(INTERIM, 600, 600, (0, 1200 * MB))
    await takes(node.database, besides(node, has_a_bug), tmp_path / "failing", told)
    assert [row["octets"] for row in await states(url)] == [100 * MB]
    async with node.database.transaction() as tx:
        await quota_rows.void(await raw(tx), others)

    catching_up = CatchingUp(node.database, node.counting)
    assert await catching_up.step() == 3
    assert [row["octets"] for row in await states(url) if row["octets"]] == [1200 * MB]
    assert await crossings(url) == [80, 100, 120]
    assert (await jobs(url))[0][0]["subscriber"] == subscriber
    assert await catching_up.step() == 0
    await node.tell(tmp_path, (900, packet(INTERIM, 900, 900, (0, 1250 * MB))))
    [used] = await rows(url, "SELECT octets FROM quota_usage WHERE octets > 0")
    assert used["octets"] == 100 * 1250 * MB


async def test_one_whose_quota_fails_keeps_nobody_else_waiting(
    fresh_database_url: str, node: CountingNode, tmp_path: Path
) -> None:
    url = fresh_database_url
    await has_plan(url)
    await node.tell(tmp_path, *started())
    # Before him in the queue, and beyond the rules: no calendar has that day.
    broken = await has_plan(url, "broken", quota_window="none")
    far = "UPDATE entitlement SET made_at = '200000-01-01Z' WHERE subscriber_id = $1"
    await rows(url, far, broken)
    async with node.database.transaction() as tx:
        await quota_rows.void(await raw(tx), [broken])
    await takes(
        node.database, besides(node, has_a_bug), tmp_path / "f", packet(INTERIM, 600, 600, (0, MB))
    )
    catching_up = CatchingUp(node.database, node.counting)
    with pytest.raises(ValueError, match="year"):
        await catching_up.step()
    assert await rows(url, "SELECT subscriber_id FROM quota_uncounted") == [
        {"subscriber_id": broken}
    ]


async def test_sums_are_voided_after_whoever_counts_for_the_same_subscriber_just_now(
    fresh_database_url: str, node: CountingNode, tmp_path: Path
) -> None:
    """What that one stores lacks what nobody counted."""
    subscriber = await has_plan(fresh_database_url)
    await node.tell(tmp_path, *started())
    locker = "SELECT FROM quota_state WHERE subscriber_id = :id FOR UPDATE"

    async def voids() -> None:
        async with node.database.transaction() as tx:
            await quota_rows.void(await raw(tx), [subscriber])

    async with node.database.transaction() as tx:
        await tx.execute(text(locker), {"id": subscriber})
        voiding = asyncio.create_task(voids())
        await asyncio.sleep(0.3)
        connection = await raw(tx)
        february = StoredSum(subscriber, int(FEBRUARY.timestamp()), None, 1, "good", 7, 7, None)
        await quota_rows.store(connection, [february])
    await voiding
    found = await rows(fresh_database_url, "SELECT rule FROM quota_usage")
    assert [row["rule"] for row in found] == ["", ""]


async def test_a_session_is_reaped_also_where_an_observer_fails(
    fresh_database_url: str, node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(fresh_database_url)
    await node.tell(tmp_path, *started())
    [row] = await rows(fresh_database_url, "SELECT * FROM session")
    key = SessionKey(1, row["nas_id"], row["nas_reported"], row["acct_session_id"], "")
    async with node.database.transaction() as tx:
        mark = Mark(NOON_S + 9000, BY_REAPER, NOON_S + 300)
        await besides(node, is_refused_by_the_database).sweep(tx, {digest(key): (key, mark)})
    [row] = await rows(fresh_database_url, "SELECT closed_by FROM session")
    assert row["closed_by"] == "reaper"
    assert await rows(fresh_database_url, "SELECT rule FROM quota_usage") == [{"rule": ""}]


async def test_directories_hear_of_a_session_that_ended_where_an_observer_fails(
    fresh_database_url: str, node: CountingNode, tmp_path: Path
) -> None:
    subscriber = await has_plan(fresh_database_url, session_limit=1)
    await node.tell(tmp_path, *started())
    await rows(fresh_database_url, "DELETE FROM change")
    told = packet(STOP, 600, 600, (0, 300 * MB))
    await takes(node.database, besides(node, has_a_bug), tmp_path / "failing", told)
    assert await rows(fresh_database_url, "SELECT DISTINCT kind, entity_id FROM change") == [
        {"kind": "subscriber", "entity_id": subscriber}
    ]


async def test_a_record_counts_also_where_whoever_stands_in_fails(
    fresh_database_url: str, node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(fresh_database_url)
    failing = Ingest("test", observers=(has_a_bug,), stand_ins=(is_refused_by_the_database,))
    await takes(node.database, failing, tmp_path / "failing", packet(START, 0, 0))
    assert len(await rows(fresh_database_url, "SELECT FROM session")) == 1
