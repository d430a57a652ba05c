"""What is written down when something that a node copies changes."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from core import changes
from core.db import NODE_ROLE, NodeDatabase, connect
from tests.core.rows import one_of_each


@pytest_asyncio.fixture
async def owner(fresh_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    await one_of_each(fresh_database_url, "demo-isp", 1)
    connection = await connect(fresh_database_url, None)
    await connection.execute("DELETE FROM change")
    yield connection
    await connection.close()


async def noted(owner: asyncpg.Connection) -> list[tuple[str, int]]:
    rows = await owner.fetch("SELECT kind, entity_id FROM change ORDER BY kind, entity_id")
    return [(row["kind"], row["entity_id"]) for row in rows]


async def the_id(owner: asyncpg.Connection, table: str) -> int:
    found: int = await owner.fetchval(f"SELECT id FROM {table}")
    return found


@pytest.mark.parametrize(
    ("statement", "kind", "table"),
    [
        pytest.param("UPDATE tenant SET name = 'New'", "tenant", "tenant", id="tenant"),
        pytest.param("UPDATE nas SET vendor = 'mikrotik'", "nas", "nas", id="nas"),
        pytest.param("UPDATE subscriber SET bind_mac = '{}'", "subscriber", "subscriber", id="sub"),
        pytest.param("UPDATE credential SET sealed = 'y'", "subscriber", "subscriber", id="proof"),
        pytest.param("DELETE FROM credential", "subscriber", "subscriber", id="no proof"),
        pytest.param("DELETE FROM entitlement", "subscriber", "subscriber", id="no entitlement"),
        pytest.param("DELETE FROM hold", "subscriber", "subscriber", id="resumed"),
        pytest.param("DELETE FROM subscriber_nas", "subscriber", "subscriber", id="unbound"),
        pytest.param(
            "INSERT INTO hold (tenant_id, subscriber_id, source)"
            " SELECT tenant_id, id, 'quota' FROM subscriber",
            "subscriber",
            "subscriber",
            id="suspended",
        ),
        pytest.param(
            "INSERT INTO credential (tenant_id, subscriber_id, sealed)"
            " SELECT tenant_id, id, 'z' FROM subscriber"
            " ON CONFLICT (subscriber_id) DO UPDATE SET sealed = 'z'",
            "subscriber",
            "subscriber",
            id="upsert",
        ),
        pytest.param("UPDATE profile SET interim_s = 60", "profile", "profile", id="profile"),
    ],
)
async def test_a_change_by_plain_sql_is_written_down_once(
    statement: str, kind: str, table: str, owner: asyncpg.Connection
) -> None:
    await owner.execute(statement)
    assert await noted(owner) == [(kind, await the_id(owner, table))]


async def test_a_statement_over_many_holds_names_each_subscriber_once(
    owner: asyncpg.Connection,
) -> None:
    await owner.execute(
        "INSERT INTO subscriber (tenant_id, username)"
        " SELECT id, 'user-' || n FROM tenant, generate_series(1, 50) n;"
        "INSERT INTO hold (tenant_id, subscriber_id, source)"
        " SELECT tenant_id, id, s FROM subscriber, unnest('{quota,dunning}'::text[]) s;"
        "DELETE FROM change"
    )
    await owner.execute("UPDATE hold SET reason = 'late'")
    subscribers = await owner.fetch("SELECT id FROM subscriber ORDER BY id")
    assert await noted(owner) == [("subscriber", row["id"]) for row in subscribers]


async def test_a_deleted_subscriber_leaves_a_change_for_itself(owner: asyncpg.Connection) -> None:
    gone = await the_id(owner, "subscriber")
    await owner.execute("DELETE FROM subscriber")
    assert set(await noted(owner)) == {("subscriber", gone)}


async def test_a_profile_change_is_one_row_however_many_have_it(owner: asyncpg.Connection) -> None:
    await owner.execute(
        "INSERT INTO subscriber (tenant_id, username)"
        " SELECT id, 'user-' || n FROM tenant, generate_series(1, 50) n;"
        "INSERT INTO entitlement (tenant_id, subscriber_id, profile_id)"
        " SELECT s.tenant_id, s.id, p.id FROM subscriber s JOIN profile p USING (tenant_id)"
        " ON CONFLICT DO NOTHING;"
        "DELETE FROM change"
    )
    await owner.execute("UPDATE profile SET download_bps = 1000000")
    assert await noted(owner) == [("profile", await the_id(owner, "profile"))]


async def test_a_statement_that_touches_nothing_says_nothing(
    owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    heard = await listen(fresh_database_url, owner, "UPDATE nas SET name = 'x' WHERE false")
    assert (heard, await noted(owner)) == (0, [])


async def test_a_transaction_of_many_changes_wakes_the_nodes_once(
    owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    many = "BEGIN; UPDATE nas SET name = 'x'; UPDATE profile SET code = 'y'; COMMIT"
    assert await listen(fresh_database_url, owner, many) == 1


async def test_the_change_carries_the_transaction_that_made_it(owner: asyncpg.Connection) -> None:
    async with owner.transaction():
        xid = await owner.fetchval("SELECT pg_current_xact_id()")
        await owner.execute("UPDATE nas SET vendor = 'cisco'")
    assert await owner.fetchval("SELECT xid FROM change") == xid


async def test_a_truncate_that_no_node_would_notice_is_refused(owner: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.RaiseError, match="use DELETE"):
        await owner.execute("TRUNCATE subscriber CASCADE")


async def test_pruned_changes_raise_the_floor(
    owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    await owner.execute("UPDATE nas SET vendor = 'cisco'")
    xid = await owner.fetchval("SELECT xid FROM change")
    node = NodeDatabase(fresh_database_url)
    async with node.transaction() as tx:
        assert await changes.prune(tx, datetime.now(UTC) - timedelta(hours=1)) == 0
        assert await changes.prune(tx, datetime.now(UTC) + timedelta(hours=1)) == 1
    await node.dispose()
    assert await owner.fetchval("SELECT pruned_below FROM change_floor") == xid + 1


async def test_a_change_that_a_running_transaction_may_overtake_is_not_pruned(
    owner: asyncpg.Connection, fresh_database_url: str
) -> None:
    slow = await connect(fresh_database_url, None)
    async with slow.transaction():
        await slow.execute("UPDATE profile SET interim_s = 60")  # has its number, and waits
        await owner.execute("UPDATE nas SET vendor = 'cisco'")
        node = NodeDatabase(fresh_database_url)
        async with node.transaction() as tx:
            assert await changes.prune(tx, datetime.now(UTC) + timedelta(hours=1)) == 0
        await node.dispose()
    await slow.close()
    assert await owner.fetchval("SELECT pruned_below FROM change_floor") == 0


async def test_another_database_is_another_identity(
    fresh_database_url: str, another_database_url: str
) -> None:
    seen = []
    for url in (fresh_database_url, fresh_database_url, another_database_url):
        node = NodeDatabase(url)
        async with node.transaction() as tx:
            seen.append(await changes.cluster_identity(tx))
        await node.dispose()
    assert seen[0] == seen[1] != seen[2]
    assert seen[0].system_identifier > 0
    assert seen[0].timeline == 1


async def listen(url: str, owner: asyncpg.Connection, statement: str) -> int:
    """How many notifications a node hears of `statement`."""
    heard: list[object] = []
    connection = await connect(url, NODE_ROLE)
    await connection.add_listener(changes.CHANNEL, lambda *event: heard.append(event))
    marker = asyncio.Event()
    await connection.add_listener("marker", lambda *_: marker.set())
    await owner.execute(statement)
    await owner.execute("NOTIFY marker")  # arrives after whatever the statement sent
    await asyncio.wait_for(marker.wait(), 5)
    await connection.close()
    return len(heard)
