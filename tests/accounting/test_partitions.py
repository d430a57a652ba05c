"""A table a day for raw packets, made ahead and dropped in time."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from accounting import partitions
from core.db import APP_ROLE, NODE_ROLE, connect
from tests.accounting.ingesting import NOON_S, START, Node, packet, rows

NOON = datetime.fromtimestamp(NOON_S, UTC)
TODAY = NOON.date()


async def test_days_are_made_ahead_once_and_dropped_when_they_are_over(
    fresh_database_url: str,
) -> None:
    owner = await connect(fresh_database_url, None)
    now = datetime.now(UTC)
    then = now - timedelta(days=32)
    made = (await partitions.keep_up(owner, then, keep_days=30)).made
    assert made == [then.date() + timedelta(days=n) for n in range(-3, 8)]
    again = await partitions.keep_up(owner, then, keep_days=30)
    assert (again.made, again.dropped, again.late) == ([], [], [])
    # One a run, the oldest first: clocks that err for an hour cost no more than that.
    for before in (3, 2, 1, 0, -1):
        later = await partitions.keep_up(owner, now, keep_days=30)
        assert later.dropped == [then.date() - timedelta(days=before)]
    later = await partitions.keep_up(owner, now, keep_days=30)
    assert later.dropped == []
    assert min(await partitions.days(owner)) == then.date() + timedelta(days=2)
    await owner.close()


@pytest.mark.parametrize("ahead", [timedelta(days=60), timedelta(hours=2), timedelta(hours=-2)])
async def test_no_day_is_dropped_by_one_clock_alone(
    ahead: timedelta, fresh_database_url: str
) -> None:
    owner = await connect(fresh_database_url, None)
    now = datetime.now(UTC)
    before = (await partitions.keep_up(owner, now - timedelta(days=60), keep_days=30)).made
    for _ in range(3):
        assert (await partitions.keep_up(owner, now + ahead, keep_days=30)).dropped == []
    assert set(before) <= set(await partitions.days(owner))
    assert (await partitions.keep_up(owner, now, keep_days=30)).dropped == [min(before)]
    await owner.close()


async def test_a_packet_lies_in_its_day_and_one_without_a_day_moves_there_later(
    fresh_database_url: str, tmp_path: Path
) -> None:
    owner = await connect(fresh_database_url, None)
    node = Node(fresh_database_url)
    await node.tell(tmp_path, (0.0, packet(START)))
    where = "SELECT tableoid::regclass::text AS name FROM accounting_record"
    default = [{"name": "turnpike_partition.accounting_record_default"}]
    assert await rows(fresh_database_url, where) == default
    await partitions.keep_up(owner, NOON, keep_days=30)
    assert await rows(fresh_database_url, where) == [
        {"name": f"turnpike_partition.accounting_record_{TODAY:%Y%m%d}"}
    ]
    assert len(await rows(fresh_database_url, "SELECT 1 FROM accounting_record")) == 1
    await node.database.dispose()
    await owner.close()


async def test_whoever_holds_the_table_is_not_waited_for(fresh_database_url: str) -> None:
    owner = await connect(fresh_database_url, None)
    reader = await connect(fresh_database_url, None)
    async with reader.transaction():
        await reader.execute("LOCK TABLE turnpike_partition.accounting_record_default")
        kept = await partitions.keep_up(owner, NOON, keep_days=0)
    assert kept.made == []
    assert TODAY in kept.late
    await reader.close()
    assert TODAY in (await partitions.keep_up(owner, NOON, keep_days=0)).made
    await owner.close()


@pytest.mark.slow
async def test_ingest_hardly_waits_for_a_day_that_is_dropped_behind_a_long_reader(
    fresh_database_url: str,
) -> None:
    owner = await connect(fresh_database_url, None)
    now = datetime.now(UTC)
    await partitions.keep_up(owner, now - timedelta(days=32), keep_days=30)
    await partitions.keep_up(owner, now, keep_days=60)
    reader, writer = [await connect(fresh_database_url, None) for _ in range(2)]
    await writer.execute("SET lock_timeout = '1s'")  # ten times what a try may take
    async with reader.transaction():
        await reader.execute("SELECT count(*) FROM accounting_record")
        dropping = asyncio.create_task(partitions.keep_up(owner, now, keep_days=30))
        written = 0
        while not dropping.done():
            await writer.execute(
                "INSERT INTO accounting_record"
                " (tenant_id, received_at, nas_id, source, segment, seq, packet)"
                f" VALUES (1, now(), 1, 'x', gen_random_uuid(), {written}, 'x')"
            )
            written += 1
            await asyncio.sleep(0.01)
        kept = await dropping
    assert kept.dropped == []
    assert len(kept.late) == 1
    assert written > partitions.DROP_TRIES
    assert (await partitions.keep_up(owner, now, keep_days=30)).dropped == kept.late
    for connection in (owner, reader, writer):
        await connection.close()


@pytest.mark.parametrize("role", [APP_ROLE, NODE_ROLE])
async def test_nobody_but_the_owner_reaches_a_partition(role: str, fresh_database_url: str) -> None:
    owner = await connect(fresh_database_url, None)
    await partitions.keep_up(owner, NOON, keep_days=30)
    await owner.close()
    connection = await connect(fresh_database_url, role)
    name = f"turnpike_partition.accounting_record_{TODAY:%Y%m%d}"
    with pytest.raises(Exception, match="permission denied"):
        await connection.fetch(f"SELECT 1 FROM {name}")
    await connection.close()


async def test_what_lies_in_no_day_is_forgotten_as_days_are(fresh_database_url: str) -> None:
    """Packets of a node with an absurd clock, or of a backlog; and dead letters after them."""
    owner = await connect(fresh_database_url, None)
    now = datetime.now(UTC)
    await partitions.keep_up(owner, now, keep_days=30)
    columns = "tenant_id, received_at, nas_id, source, segment, seq, packet"
    for days in (400, 399, 29):
        for table in ("accounting_record", "dead_letter"):
            reason = (", reason", ", 'bug'") if table == "dead_letter" else ("", "")
            await owner.execute(
                f"INSERT INTO {table} ({columns}{reason[0]}) SELECT 1, $1, 1, 'x',"
                f" lpad($2::text, 32, '0')::uuid, n, 'x'{reason[1]} FROM generate_series(1, 3) n",
                now - timedelta(days=days),
                str(days),
            )

    async def left(table: str) -> list[int]:
        found = await owner.fetch(f"SELECT DISTINCT received_at FROM {table} ORDER BY 1")
        return [(now - row["received_at"]).days for row in found]

    async def run(now: datetime) -> tuple[int, list[int], list[int]]:
        kept = await partitions.keep_up(owner, now, keep_days=30)
        return kept.forgotten, await left("accounting_record"), await left("dead_letter")

    # Not by one clock alone, and one day at a time.
    assert await run(now + timedelta(days=60)) == (0, [400, 399, 29], [400, 399, 29])
    assert await run(now) == (6, [399, 29], [399, 29])
    assert await run(now) == (6, [29], [29])
    assert await run(now) == (0, [29], [29])
    await owner.close()
