"""The directory equals the database a moment after any change, whoever made it and however."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import lmdb
import pytest
import pytest_asyncio
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from core.changes import prune
from core.clock import Clock
from core.db import NodeDatabase, connect
from tests.aaa.replica import Isp, Replica, environment_at, eventually, isp, replica

# A second is promised; a busy machine may take longer, and what never comes never comes.
IN_FORCE_WITHIN_S = 10.0

pytestmark = pytest.mark.slow


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[lmdb.Environment]:
    one = environment_at(tmp_path / "directory")
    yield one
    one.close()


@pytest_asyncio.fixture
async def owner(fresh_database_url: str) -> AsyncIterator[Isp]:
    async with isp(fresh_database_url) as one:
        yield one


def staff_hold(subscriber_id: int, tenant_id: int) -> str:
    return (
        "INSERT INTO hold (subscriber_id, tenant_id, source)"
        f" VALUES ({subscriber_id}, {tenant_id}, 'staff')"
    )


async def test_a_change_by_plain_sql_is_in_the_directory_within_a_second(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    profile = await owner.profile()
    other = await owner.profile("home-100")
    nas = await owner.nas()
    alice = await owner.subscriber(profile)
    async with replica(fresh_database_url, environment) as node:

        def now() -> object:
            return node.subscriber(owner.tenant_id, b"alice")

        steps = [
            staff_hold(alice, owner.tenant_id),
            "UPDATE hold SET effect = 'walled_garden'",
            "DELETE FROM hold",
            f"INSERT INTO credential (subscriber_id, tenant_id, sealed)"
            f" VALUES ({alice}, {owner.tenant_id}, 'sealed')",
            "UPDATE credential SET sealed = 'sealed again'",
            f"UPDATE entitlement SET profile_id = {other}",
            "UPDATE entitlement SET valid_until = '2027-01-01T00:00:00Z'",
            f"INSERT INTO subscriber_nas (subscriber_id, nas_id, tenant_id)"
            f" VALUES ({alice}, {nas}, {owner.tenant_id})",
            "UPDATE subscriber SET bind_mac = '{02005e100001}'",
            "UPDATE subscriber SET static_ipv4 = '203.0.113.9'",
            """UPDATE subscriber SET reply = '{"Reply-Message": "Welcome"}'""",
            "UPDATE subscriber SET username = 'bob'",
        ]
        for statement in steps:
            before = now()
            await owner.sql.execute(statement)
            await eventually(lambda before=before: now() != before, IN_FORCE_WITHIN_S)  # type: ignore[misc]
        bob = node.subscriber(owner.tenant_id, b"bob")
        assert bob is not None
        assert (bob.profile_id, bob.credential_sealed) == (other, b"sealed again")
        assert bob.personal is not None
        assert bob.personal.static_ipv4 == "203.0.113.9"
        await owner.sql.execute("DELETE FROM subscriber")
        await eventually(
            lambda: node.subscriber(owner.tenant_id, b"bob") is None, IN_FORCE_WITHIN_S
        )


async def test_nases_and_profiles_follow_within_a_second(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    async with replica(fresh_database_url, environment) as node:
        await owner.nas()
        await owner.profile()
        await eventually(lambda: "bras-1" in node.nases(), IN_FORCE_WITHIN_S)
        await eventually(lambda: "home-50" in node.profiles(), IN_FORCE_WITHIN_S)
        await owner.sql.execute("UPDATE nas SET secret_sealed = 'y', vendor = 'cisco'")
        await eventually(lambda: node.nases()["bras-1"].secret_sealed == b"y", IN_FORCE_WITHIN_S)
        await owner.sql.execute("UPDATE profile SET session_limit = 3")
        await eventually(lambda: node.profiles()["home-50"].session_limit == 3, IN_FORCE_WITHIN_S)
        await owner.sql.execute("DELETE FROM nas")
        await eventually(lambda: node.nases() == {}, IN_FORCE_WITHIN_S)
        await owner.sql.execute("DELETE FROM profile")
        await eventually(lambda: node.profiles() == {}, IN_FORCE_WITHIN_S)


async def test_a_new_limit_on_a_profile_brings_the_sessions_of_its_subscribers(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    plan, other = await owner.profile(), await owner.profile("other")
    alice, _ = await owner.subscribers(plan, "alice", "offline")
    bob = await owner.subscriber(other, "bob")
    for number in (alice, bob):
        await owner.session(number, f"{number}")

    async with replica(fresh_database_url, environment) as node:

        def open_of(name: bytes) -> int:
            record = node.subscriber(owner.tenant_id, name)
            assert record is not None
            return len(record.sessions)

        assert (open_of(b"alice"), open_of(b"bob")) == (0, 0)
        await owner.sql.execute("UPDATE profile SET session_limit = 1 WHERE id = $1", plan)
        await eventually(lambda: open_of(b"alice") == 1, IN_FORCE_WITHIN_S)
        assert open_of(b"bob") == 0
        await owner.sql.execute("UPDATE entitlement SET profile_id = $1", plan)
        await eventually(lambda: open_of(b"bob") == 1, IN_FORCE_WITHIN_S)
        await owner.sql.execute("UPDATE profile SET session_limit = 0 WHERE id = $1", plan)
        await owner.sql.execute("UPDATE subscriber SET bind_mac = '{02005e100001}'")
        await eventually(lambda: open_of(b"alice") == 0, IN_FORCE_WITHIN_S)
        await owner.sql.execute("UPDATE profile SET quota_octets = 1, at_quota = 'block'")
        await eventually(lambda: open_of(b"alice") == 1, IN_FORCE_WITHIN_S)


async def test_a_rebuild_brings_the_open_sessions_and_says_when_it_was(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    alice = await owner.subscriber(await owner.profile())
    await owner.sql.execute("UPDATE profile SET session_limit = 1")
    number = await owner.session(alice)
    async with replica(fresh_database_url, environment) as node:
        record = node.subscriber(owner.tenant_id, b"alice")
        assert record is not None
        assert [one.id for one in record.sessions] == [number]
        assert abs(node.directory.current_at_s - Clock().unix_s()) < 10.0


async def test_a_name_with_octets_that_are_no_text_is_found_by_those_octets(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    await owner.subscribers(await owner.profile(), r"alice\x00x", r"caf\xe9", r"back\\slash")
    async with replica(fresh_database_url, environment) as node:
        assert node.subscriber(owner.tenant_id, b"alice\x00x") is not None
        assert node.subscriber(owner.tenant_id, b"caf\xe9") is not None
        assert node.subscriber(owner.tenant_id, rb"back\slash") is not None
        assert node.subscriber(owner.tenant_id, b"alice") is None
        assert node.subscriber(owner.tenant_id, rb"alice\x00x") is None


@pytest.mark.parametrize("writes_late", [False, True], ids=["writes first", "writes late"])
async def test_a_slow_transaction_is_neither_skipped_nor_in_the_way_of_others(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp, writes_late: bool
) -> None:
    """By id the slow one's change lies below, or above, that of the quick one; by the time
    of its beginning it always lies below, and it becomes visible last."""
    profile = await owner.profile()
    slow, quick, after = await owner.subscribers(profile, "slow", "quick", "after")
    other = await connect(fresh_database_url, None)
    async with replica(fresh_database_url, environment) as node:

        def holds(name: bytes) -> int:
            record = node.subscriber(owner.tenant_id, name)
            assert record is not None
            return len(record.holds)

        transaction = other.transaction()
        await transaction.start()
        await other.execute("SELECT pg_current_xact_id()")  # its number is older than the next
        if not writes_late:
            await other.execute(staff_hold(slow, owner.tenant_id))
        await owner.sql.execute(staff_hold(quick, owner.tenant_id))
        await eventually(lambda: holds(b"quick") == 1, IN_FORCE_WITHIN_S)
        if writes_late:
            await other.execute(staff_hold(slow, owner.tenant_id))
        await asyncio.sleep(1.2)  # some passes without news, which may move the mark
        await owner.sql.execute(staff_hold(after, owner.tenant_id))
        await eventually(lambda: holds(b"after") == 1, IN_FORCE_WITHIN_S)
        assert holds(b"slow") == 0
        progress = node.replicator.progress
        await eventually(lambda: progress.applied == 2)  # a moment after it is in force
        await transaction.commit()
        await eventually(lambda: holds(b"slow") == 1, IN_FORCE_WITHIN_S)
        await eventually(lambda: progress.applied > 2)
        assert progress.applied == 3  # nothing was read again
        assert node.replicator.progress.rebuilds == 1
    await other.close()


async def test_a_slow_transaction_that_commits_while_the_node_is_down_is_not_skipped(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    slow, quick = await owner.subscribers(await owner.profile(), "slow", "quick")
    other = await connect(fresh_database_url, None)
    transaction = other.transaction()
    async with replica(fresh_database_url, environment) as node:
        await transaction.start()
        await other.execute(staff_hold(slow, owner.tenant_id))
        await owner.sql.execute(staff_hold(quick, owner.tenant_id))
        await eventually(lambda: node.replicator.progress.applied == 1)
    await transaction.commit()
    await other.close()
    async with replica(fresh_database_url, environment) as node:
        for name in (b"slow", b"quick"):
            record = node.subscriber(owner.tenant_id, name)
            assert record is not None
            assert len(record.holds) == 1
        assert node.replicator.progress.rebuilds == 0
        assert node.replicator.progress.subscribers == 2  # said at once, not at the next change


async def test_a_restarted_node_reads_only_what_changed_meanwhile(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    alice, _ = await owner.subscribers(await owner.profile(), "alice", "bob")
    async with replica(fresh_database_url, environment) as node:
        assert node.replicator.progress.rebuilds == 1
    await owner.sql.execute(staff_hold(alice, owner.tenant_id))
    async with replica(fresh_database_url, environment) as node:
        assert node.replicator.progress.rebuilds == 0
        assert node.replicator.progress.applied == 1
        record = node.subscriber(owner.tenant_id, b"alice")
        assert record is not None
        assert [hold.source for hold in record.holds] == ["staff"]


async def test_another_database_means_reading_everything_again(
    fresh_database_url: str,
    another_database_url: str,
    environment: lmdb.Environment,
    owner: Isp,
) -> None:
    """As after a restore: same ids, other people."""
    old = await owner.subscribers(await owner.profile(), "gone", "swaps", "swapped")
    await owner.nas("gone", "192.0.2.9/32")
    async with replica(fresh_database_url, environment):
        pass
    async with isp(another_database_url) as other:
        new = await other.subscribers(await other.profile("other"), "new", "swapped", "swaps")
        assert new == old
        async with replica(another_database_url, environment) as node:
            assert node.replicator.progress.rebuilds == 1
            assert node.subscriber(other.tenant_id, b"gone") is None
            found = [
                node.subscriber(other.tenant_id, name) for name in (b"new", b"swapped", b"swaps")
            ]
            assert [record.id for record in found if record is not None] == new
            assert list(node.profiles()) == ["other"]
            assert node.nases() == {}
            assert node.writer.count() == 3


async def test_a_node_that_was_away_for_longer_than_changes_are_kept_reads_everything_again(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    alice = await owner.subscriber(await owner.profile())
    async with replica(fresh_database_url, environment):
        pass
    await owner.sql.execute(f"DELETE FROM subscriber WHERE id = {alice}")
    await owner.sql.execute("UPDATE profile SET session_limit = 7")
    database = NodeDatabase(fresh_database_url)
    async with database.transaction() as tx:
        assert await prune(tx, Clock().now() + timedelta(days=1)) > 0
    await database.dispose()
    async with replica(fresh_database_url, environment) as node:
        assert node.replicator.progress.rebuilds == 1
        assert node.subscriber(owner.tenant_id, b"alice") is None
        assert node.profiles()["home-50"].session_limit == 7


async def test_a_lost_connection_is_made_again_and_nothing_is_missed(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    alice = await owner.subscriber(await owner.profile())
    async with replica(fresh_database_url, environment) as node:
        for _ in range(3):
            await owner.sql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                " application_name = 'turnpike turnpike_node' AND datname = current_database()"
            )
            await owner.sql.execute(staff_hold(alice, owner.tenant_id))
            await eventually(lambda: _is_held(node, owner), 3.0)
            await owner.sql.execute("DELETE FROM hold")
            await eventually(lambda: not _is_held(node, owner), 3.0)
        assert node.replicator.progress.rebuilds == 1


async def test_a_change_of_ten_thousand_is_applied_and_one_after_it_is_not_left_waiting(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    profile = await owner.profile()
    names = [f"home-{number:05}" for number in range(10_000)]
    await owner.subscribers(profile, *names)
    alice = await owner.subscriber(profile)
    async with replica(fresh_database_url, environment) as node:
        await owner.sql.execute(
            "INSERT INTO hold (subscriber_id, tenant_id, source)"
            " SELECT id, tenant_id, 'dunning' FROM subscriber WHERE username LIKE 'home-%'"
        )
        await owner.sql.execute(staff_hold(alice, owner.tenant_id))
        await eventually(lambda: _is_held(node, owner), 10.0)
        for name in names:
            record = node.subscriber(owner.tenant_id, name.encode())
            assert record is not None
            assert [hold.source for hold in record.holds] == ["dunning"]
        progress = node.replicator.progress
        await eventually(lambda: progress.applied >= 10_001)  # a moment after it is in force
        assert progress.applied == 10_001


async def test_nobody_is_without_a_plan_while_many_move_from_one_that_is_removed(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    old, new = await owner.profile("old"), await owner.profile("new")
    names = [f"home-{number:05}" for number in range(3_000)]
    await owner.subscribers(old, *names)
    async with replica(fresh_database_url, environment) as node:
        async with owner.sql.transaction():
            await owner.sql.execute("UPDATE entitlement SET profile_id = $1", new)
            await owner.sql.execute("DELETE FROM profile WHERE id = $1", old)
        had: set[int] = set()
        async with asyncio.timeout(10.0):
            while True:
                node.directory.begin_turn()
                profiles = {profile.id for profile in node.directory.profiles()}
                for name in (names[0], names[1_500], names[-1]):
                    record = node.directory.subscriber(owner.tenant_id, name.encode())
                    assert record is not None
                    assert record.profile_id in profiles
                    had.add(record.profile_id)
                node.directory.end_turn()
                if profiles == {new}:
                    break
                await asyncio.sleep(0)
        assert had == {old, new}


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(TimeoutError(), id="hung"),
        pytest.param(ConnectionResetError("gone"), id="lost"),
        pytest.param(DBAPIError("x", None, Exception("bad row")), id="refused by the database"),
    ],
)
async def test_an_errand_that_fails_delays_no_change(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp, failure: Exception
) -> None:
    tried = asyncio.Event()

    async def fail() -> None:
        tried.set()
        raise failure

    with capture_logs() as logged:
        async with replica(fresh_database_url, environment, [fail]) as node:
            async with asyncio.timeout(5.0):
                await tried.wait()
            await owner.nas()
            await eventually(lambda: "bras-1" in node.nases(), IN_FORCE_WITHIN_S)
    [line, *_] = [line for line in logged if line["event"] == "errand_failed"]
    assert line["errand"].endswith("fail")
    assert not line["error"].endswith(": ")


async def test_an_errand_that_takes_long_delays_no_change(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    began = asyncio.Event()

    async def dawdle() -> None:
        began.set()
        await asyncio.sleep(20.0)

    async with replica(fresh_database_url, environment, [dawdle]) as node:
        async with asyncio.timeout(5.0):
            await began.wait()
        await owner.nas()
        await eventually(lambda: "bras-1" in node.nases(), IN_FORCE_WITHIN_S)


def _is_held(node: Replica, owner: Isp) -> bool:
    record = node.subscriber(owner.tenant_id, b"alice")
    return record is not None and bool(record.holds)
