"""From tables to logins: by what subscribers are found, as a node's directory has it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import lmdb
import pytest
import pytest_asyncio

from aaa.records import SubscriberRecord
from tests.aaa.replica import Isp, Replica, environment_at, eventually, isp, replica

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


def found(node: Replica, tenant_id: int, way: str) -> SubscriberRecord | None:
    node.directory.begin_turn()
    try:
        return node.directory.subscriber_by(tenant_id, way)
    finally:
        node.directory.end_turn()


async def test_a_line_that_moves_is_found_where_it_is_now(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    profile, nas = await owner.profile(), await owner.nas()
    alice, bob = await owner.subscribers(profile, "alice", "bob")
    await owner.sql.execute(
        "UPDATE subscriber SET access = 'gpon', circuit_id = 'eth 0/1', mac = '02005e100001',"
        " line_nas_id = $2 WHERE id = $1",
        alice,
        nas,
    )
    async with replica(fresh_database_url, environment) as node:

        def who(way: str) -> int | None:
            record = found(node, owner.tenant_id, way)
            return None if record is None else record.id

        here, anywhere = f"circuit_id {nas} eth 0/1", "circuit_id 0 eth 0/1"
        await eventually(lambda: who(here) == alice, IN_FORCE_WITHIN_S)
        assert who(anywhere) is None
        assert who("mac 02005e100001") == alice
        assert found(node, owner.tenant_id + 1, here) is None, "of no other tenant"
        await owner.sql.execute("UPDATE subscriber SET line_nas_id = NULL WHERE id = $1", alice)
        await eventually(lambda: who(anywhere) == alice, IN_FORCE_WITHIN_S)
        assert who(here) is None
        await owner.sql.execute("UPDATE subscriber SET circuit_id = NULL WHERE id = $1", alice)
        await owner.sql.execute(
            "UPDATE subscriber SET access = 'gpon', circuit_id = 'eth 0/1' WHERE id = $1", bob
        )
        await eventually(lambda: who(anywhere) == bob, IN_FORCE_WITHIN_S)
        # What is stored counts only where the access says so.
        await owner.sql.execute("UPDATE subscriber SET access = 'hotspot' WHERE id = $1", bob)
        await owner.sql.execute("UPDATE subscriber SET access = 'pppoe' WHERE id = $1", alice)
        await eventually(lambda: who(anywhere) is None, IN_FORCE_WITHIN_S)
        await eventually(lambda: who("mac 02005e100001") is None, IN_FORCE_WITHIN_S)


async def test_a_node_knows_how_lines_are_called_and_what_strangers_get(
    fresh_database_url: str, environment: lmdb.Environment, owner: Isp
) -> None:
    registration = await owner.profile("registration")
    await owner.nas()
    await owner.sql.execute(
        """UPDATE nas SET unknown_devices = 'registration',
            line_patterns = '{"circuit_id": "(?P<port>.+)", "remote_id": 7}',
            name_templates = '{"service": "{plan.code}"}'"""
    )
    async with replica(fresh_database_url, environment) as node:
        nas = node.nases()["bras-1"]
        assert nas.unknown_profile_id == registration
        assert nas.line_patterns == {"circuit_id": "(?P<port>.+)"}
        assert nas.name_templates == {"service": "{plan.code}"}
        await owner.sql.execute("UPDATE profile SET code = 'other'")
        await eventually(lambda: node.nases()["bras-1"].unknown_profile_id == 0, IN_FORCE_WITHIN_S)
        await owner.sql.execute("UPDATE nas SET line_patterns = '[]'")
        await eventually(lambda: node.nases()["bras-1"].line_patterns == {}, IN_FORCE_WITHIN_S)


async def test_the_database_lets_nobody_have_another_s_line(owner: Isp) -> None:
    profile = await owner.profile()
    alice, bob = await owner.subscribers(profile, "alice", "bob")
    claims = {
        **dict.fromkeys(("line", "circuit_id", "remote_id", "onu_serial", "duid"), "'x'"),
        "mac": "'02005e100001'",
    }
    for field, value in claims.items():
        claim = f"UPDATE subscriber SET {field} = {value} WHERE id = $1"
        await owner.sql.execute(claim, alice)
        with pytest.raises(asyncpg.UniqueViolationError):
            await owner.sql.execute(claim, bob)
