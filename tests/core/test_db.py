"""The doors into the database, and what cannot be seen through them."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from aaa.models import Entitlement, Profile, Subscriber
from app.metadata import metadata
from core import tenancy
from core.db import (
    APP_ROLE,
    NODE_ROLE,
    SETTINGS,
    CannotConnect,
    Database,
    NodeDatabase,
    connect,
    copy_rows,
    enter,
    place,
    plain,
)
from core.errors import Conflict
from core.tenancy import Tenant
from nas_adapters.models import Nas
from tests.core.rows import one_of_each
from tests.passage import passage

OF_TENANTS = sorted(name for name, table in metadata.tables.items() if "tenant_id" in table.c)
SEES_TENANTS = [*OF_TENANTS, "tenant"]
WRITTEN_BY_NODES = {
    "accounting_record",
    "change",
    "dead_letter",
    "decision",
    "enforcement",
    "nas_day",
    "nas_heard",
    "nas_mark",
    "pool_block",
    "pool_lease",
    "pool_node",
    "quota_crossing",
    "quota_state",
    "quota_uncounted",
    "quota_usage",
    "session",
    "session_group",
    "session_history",
    "usage",
    "usage_day",
    "usage_summed",
}


@pytest_asyncio.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url, connections_max=1)
    yield database
    await database.dispose()


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[NodeDatabase]:
    database = NodeDatabase(fresh_database_url)
    yield database
    await database.dispose()


async def test_what_a_transaction_did_is_kept_when_it_ends(
    database: Database, tenant_id: int
) -> None:
    async with database.transaction(tenant_id) as tx:
        tx.add(Profile(tenant_id=tenant_id, code="home-50"))
    async with database.transaction(tenant_id) as tx:
        assert (await tx.scalars(select(Profile.code))).all() == ["home-50"]


async def test_what_a_failed_transaction_did_is_undone(database: Database, tenant_id: int) -> None:
    async def store_and_fail() -> None:
        async with database.transaction(tenant_id) as tx:
            tx.add(Profile(tenant_id=tenant_id, code="home-50"))
            await tx.flush()
            raise LookupError

    with pytest.raises(LookupError):
        await store_and_fail()
    async with database.transaction(tenant_id) as tx:
        assert await tx.scalar(select(func.count()).select_from(Profile)) == 0


async def test_every_table_of_tenants_is_under_row_level_security(fresh_database_url: str) -> None:
    owner = await connect(fresh_database_url, None)
    protected = await owner.fetch(
        "SELECT c.relname FROM pg_class c WHERE c.relrowsecurity"
        " AND c.relnamespace = 'public'::regnamespace"
    )
    bypass = await owner.fetchval(
        "SELECT count(*) FROM pg_roles WHERE rolname = ANY ($1) AND (rolbypassrls OR rolsuper)",
        [APP_ROLE, NODE_ROLE],
    )
    await owner.close()
    assert set(SEES_TENANTS) <= {row["relname"] for row in protected}
    assert bypass == 0


async def test_a_tenant_sees_nothing_of_another_in_any_table(
    fresh_database_url: str, app: Database, node: NodeDatabase
) -> None:
    ours = await one_of_each(fresh_database_url, "demo-isp", 1)
    theirs = await one_of_each(fresh_database_url, "other-isp", 2)
    for name in SEES_TENANTS:
        column = "id" if name == "tenant" else "tenant_id"
        owners = text(f"SELECT DISTINCT {column} FROM {name}")
        async with node.transaction() as tx:
            assert {ours, theirs} <= set(await tx.scalars(owners)), f"{name} tests nothing"
        async with app.transaction(ours) as tx:
            assert set(await tx.scalars(owners)) == {ours}, name
        async with app.lobby() as tx:
            assert set(await tx.scalars(owners)) == set(), name


@pytest.mark.parametrize("name", OF_TENANTS)
async def test_a_tenant_changes_nothing_of_another(
    name: str, fresh_database_url: str, app: Database
) -> None:
    ours = await one_of_each(fresh_database_url, "demo-isp", 1)
    theirs = await one_of_each(fresh_database_url, "other-isp", 2)
    if name in WRITTEN_BY_NODES:
        for statement in (f"DELETE FROM {name}", f"UPDATE {name} SET tenant_id = tenant_id"):
            with pytest.raises(DBAPIError, match="permission denied"):
                async with app.transaction(ours) as tx:
                    await tx.execute(text(statement))
        return
    async with app.transaction(ours) as tx:
        parameters = {"theirs": theirs, "ours": ours}
        touched = await tx.execute(
            text(f"DELETE FROM {name} WHERE tenant_id = :theirs RETURNING 1"), parameters
        )
        assert touched.all() == []
    with pytest.raises(DBAPIError, match="row-level security"):
        async with app.transaction(ours) as tx:
            await tx.execute(text(f"UPDATE {name} SET tenant_id = :theirs"), parameters)


async def test_an_id_of_another_tenant_cannot_be_used(
    fresh_database_url: str, app: Database
) -> None:
    """Foreign keys are checked beyond row-level security, so they name the tenant as well."""
    ours = await one_of_each(fresh_database_url, "demo-isp", 1)
    theirs = await one_of_each(fresh_database_url, "other-isp", 2)
    async with app.transaction(theirs) as tx:
        foreign_profile = (await tx.scalars(select(Profile.id))).one()
    with pytest.raises(IntegrityError, match="fk_entitlement_tenant_id_profile_id"):
        async with app.transaction(ours) as tx:
            await tx.execute(update(Entitlement).values(profile_id=foreign_profile))


async def test_without_a_tenant_there_is_nothing_to_see(fresh_database_url: str) -> None:
    await one_of_each(fresh_database_url, "demo-isp", 1)
    connection = await connect(fresh_database_url, APP_ROLE)
    assert await connection.fetchval("SELECT count(*) FROM subscriber") == 0
    await connection.close()


async def test_a_pooled_connection_forgets_the_tenant(
    fresh_database_url: str, app: Database
) -> None:
    ours = await one_of_each(fresh_database_url, "demo-isp", 1)
    async with app.transaction(ours) as tx:
        assert await tx.scalar(select(func.count()).select_from(Subscriber)) == 1
        backend = await tx.scalar(select(func.pg_backend_pid()))
    async with app.lobby() as tx:
        assert await tx.scalar(select(func.pg_backend_pid())) == backend
        assert await tx.scalar(select(func.count()).select_from(Subscriber)) == 0


@pytest.mark.parametrize("role", [APP_ROLE, NODE_ROLE])
async def test_resetting_everything_does_not_make_a_connection_the_owners(
    role: str, fresh_database_url: str
) -> None:
    connection = await connect(fresh_database_url, role)
    await connection.execute("RESET ROLE; RESET ALL")
    assert await connection.fetchval("SELECT current_user") == role
    await connection.close()


@pytest.mark.parametrize("name", ["subscriber", "credential", "nas", "change", "change_floor"])
async def test_a_node_writes_decisions_and_nothing_else(name: str, node: NodeDatabase) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with node.transaction() as tx:
            await tx.execute(text(f"DELETE FROM {name}"))


async def test_a_decision_shipped_twice_is_stored_once(node: NodeDatabase) -> None:
    ship = text(
        "INSERT INTO decision (tenant_id, decision_uid, at, outcome)"
        " VALUES (1, 'n1-7', now(), 'reject') ON CONFLICT (decision_uid) DO NOTHING"
    )
    for _ in range(2):
        async with node.transaction() as tx:
            await tx.execute(ship)
    async with node.transaction() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM decision")) == 1
        await tx.execute(text("DELETE FROM decision"))


async def test_a_tenant_is_founded_in_the_lobby_and_entered(database: Database) -> None:
    async with database.lobby() as tx:
        founded = await tenancy.found(tx, "new-isp", "New ISP")
        assert (await tx.scalars(select(Tenant.code))).all() == []
        await enter(tx, founded)
        assert (await tx.scalars(select(Tenant.code))).all() == ["new-isp"]
        tx.add(Profile(tenant_id=founded, code="home-50"))
    async with database.lobby() as tx:
        assert await tenancy.find(tx, "new-isp") == founded
        assert await tenancy.find(tx, "New-ISP") is None
        assert [known.code for known in await tenancy.known(tx)] == ["demo-isp", "new-isp"]
        with pytest.raises(Conflict):
            await tenancy.found(tx, "new-isp", "Another")


async def test_addresses_come_back_as_they_went_in(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as tx:
        tx.add(
            Nas(
                tenant_id=tenant_id,
                name="bras-1",
                address=IPv4Network("192.0.2.1/32"),
                secret_sealed=b"\x00\xff",
            )
        )
        tx.add(
            Subscriber(
                tenant_id=tenant_id,
                username="alice",
                bind_mac=["02005e100001"],
                static_ipv4=IPv4Address("203.0.113.9"),
                delegated_ipv6=IPv6Network("2001:db8:42::/56"),
                reply={"Class": ["0x00ff10"]},
            )
        )
    async with database.transaction(tenant_id) as tx:
        nas = (await tx.scalars(select(Nas))).one()
        alice = (await tx.scalars(select(Subscriber))).one()
    assert nas.address == IPv4Network("192.0.2.1/32")
    assert (nas.vendor, nas.require_message_authenticator) == ("generic", True)
    assert alice.static_ipv4 == IPv4Address("203.0.113.9")
    assert alice.delegated_ipv6 == IPv6Network("2001:db8:42::/56")
    assert (alice.bind_mac, alice.reply) == (["02005e100001"], {"Class": ["0x00ff10"]})


async def test_names_that_differ_in_case_alone_are_two(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as tx:
        for username in ("alice", "Alice", "ALICE"):
            tx.add(Subscriber(tenant_id=tenant_id, username=username))
    async with database.transaction(tenant_id) as tx:
        inorder = select(Subscriber.username).order_by(Subscriber.username)
        assert (await tx.scalars(inorder)).all() == ["ALICE", "Alice", "alice"]


async def test_a_search_by_prefix_uses_the_index_under_row_level_security(
    database: Database, tenant_id: int
) -> None:
    async with database.transaction(tenant_id) as tx:
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await tx.scalars(
            text(
                "EXPLAIN SELECT id FROM subscriber WHERE tenant_id = :t"
                " AND username >= 'pppoe-1' AND username < 'pppoe-2'"
            ),
            {"t": tenant_id},
        )
        told = "\n".join(plan)
    assert "uq_subscriber_tenant_id_username" in told
    assert "username >= 'pppoe-1'" in told.split("Index Cond:")[1].splitlines()[0]


async def test_copy_goes_through_a_temporary_table(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as tx:
        await tx.execute(text("CREATE TEMP TABLE incoming (username text) ON COMMIT DROP"))
        await copy_rows(tx, "incoming", ["username"], [(f"user-{i}",) for i in range(1000)])
        await tx.execute(
            text("INSERT INTO subscriber (tenant_id, username) SELECT :t, username FROM incoming"),
            {"t": tenant_id},
        )
    async with database.transaction(tenant_id) as tx:
        assert await tx.scalar(select(func.count()).select_from(Subscriber)) == 1000


async def test_copy_straight_into_a_protected_table_is_refused(fresh_database_url: str) -> None:
    """Why `copy_rows` takes a temporary table; should this ever pass, it can go."""
    connection = await connect(fresh_database_url, APP_ROLE)
    with pytest.raises(asyncpg.FeatureNotSupportedError, match="row-level security"):
        await connection.copy_records_to_table("profile", columns=["code"], records=[("a",)])
    await connection.close()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+asyncpg"])
async def test_every_way_to_write_the_url_leads_in(scheme: str, fresh_database_url: str) -> None:
    database = Database(fresh_database_url.replace("postgresql", scheme, 1))
    async with database.lobby() as tx:
        assert await tx.scalar(text("SELECT current_user")) == APP_ROLE
    await database.dispose()


def test_a_url_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        plain("mysql://localhost/turnpike")


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("postgresql://isp:s3cret@192.0.2.1:5433/isp?ssl=on", "192.0.2.1:5433/isp"),
        ("postgresql://turnpike@/turnpike?host=%2Fvar%2Frun&password=s3cret", "/var/run/turnpike"),
        ("postgresql://isp:s3c/ret@192.0.2.1/isp", "of its URL"),
        ("postgresql://isp:s3c?ret@192.0.2.1/isp", "of its URL"),
        ("postgresql://isp:s3c@ret@192.0.2.1/isp", "192.0.2.1/isp"),
    ],
)
def test_where_a_database_is_can_be_told_without_its_password(url: str, where: str) -> None:
    assert place(url) == where


async def test_whoever_cannot_connect_is_told_where_to_and_why(empty_database_url: str) -> None:
    with pytest.raises(CannotConnect, match=r"to the database 127\.0\.0\.1:1/isp: ConnectionRefu"):
        await connect("postgresql://isp:s3cret@127.0.0.1:1/isp", None)
    missing = empty_database_url.replace("/test_", "/no_", 1)
    with pytest.raises(CannotConnect, match=r'InvalidCatalogNameError: database "no_\w+" does not'):
        await connect(missing, None)


@pytest.mark.slow
async def test_a_transaction_over_a_silent_connection_ends_and_so_do_its_locks(
    fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault D3, black-holed: in mid-transaction, at the commit, and between two transactions."""
    monkeypatch.setattr("core.db.ANSWER_TIMEOUT_S", 0.5)
    monkeypatch.setitem(SETTINGS, "idle_in_transaction_session_timeout", "2s")

    async def lock(node: NodeDatabase) -> None:
        async with asyncio.timeout(1.0), node.transaction() as tx:
            await tx.execute(text("SELECT pg_advisory_xact_lock(1)"))
            way.fall_silent()
            await tx.execute(text("SELECT 1"))

    async def commit(node: NodeDatabase) -> None:
        async with asyncio.timeout(1.0), node.transaction() as tx:
            await tx.execute(text("SELECT 1"))
            way.fall_silent()

    with passage(fresh_database_url) as way:
        node, other = NodeDatabase(way.url), NodeDatabase(fresh_database_url)
        for work in (lock, commit):
            async with asyncio.timeout(5.0):
                with pytest.raises(TimeoutError):
                    await work(node)
                way.open()
                async with node.transaction() as tx:  # the pool has one that is good
                    assert await tx.scalar(text("SELECT 1")) == 1
        way.fall_silent()
        way.open()
        async with asyncio.timeout(5.0), node.transaction() as tx:
            assert await tx.scalar(text("SELECT 1")) == 1
        async with asyncio.timeout(5.0), other.transaction() as tx:
            await tx.execute(text("SELECT pg_advisory_xact_lock(1)"))
        await node.dispose()
        await other.dispose()
