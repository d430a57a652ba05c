"""Ingest tells the directories what opened and closed, and says nothing about the rest."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from aaa import live_feed
from aaa.owners import owners
from accounting.ingest import Ingest
from core.changes import CHANNEL
from core.db import connect
from tests.aaa.replica import Isp, eventually, isp
from tests.accounting.ingesting import (
    INTERIM,
    ON,
    START,
    STOP,
    Node,
    packet,
    portion,
    segment_of,
    spooled,
)


class Told:
    """A node with the feed wired in, and an ISP of which Alice alone has a session limit."""

    def __init__(self, node: Node, owner: Isp, alice: int, spool: Path) -> None:
        self.node = node
        self.owner = owner
        self.alice = alice
        self._spool = spool

    async def by(self, *packets: tuple[int, bytes]) -> list[int]:
        """The subscribers whose change is told when these packets come in one batch."""
        records = [
            spooled(octets, at_s, tenant_id=self.owner.tenant_id) for at_s, octets in packets
        ]
        await self.node.take(portion(segment_of(self._spool, records)))
        return await self.changes()

    async def changes(self) -> list[int]:
        """Those that were told since last asked."""
        found = await self.owner.sql.fetch(
            "DELETE FROM change RETURNING kind, tenant_id, entity_id"
        )
        assert {(row["kind"], row["tenant_id"]) for row in found} <= {
            ("subscriber", self.owner.tenant_id)
        }
        return sorted(row["entity_id"] for row in found)


@pytest_asyncio.fixture
async def told(fresh_database_url: str, tmp_path: Path) -> AsyncIterator[Told]:
    async with isp(fresh_database_url) as owner:
        limited, free = await owner.profile("limited"), await owner.profile("free")
        await owner.sql.execute("UPDATE profile SET session_limit = 1 WHERE id = $1", limited)
        alice = await owner.subscriber(limited)
        await owner.subscriber(free, "bob")
        node = Node(fresh_database_url)
        node.ingest = Ingest("test", owners=owners, observers=(live_feed.observe,))
        one = Told(node, owner, alice, tmp_path)
        await owner.sql.execute("DELETE FROM change")
        yield one
        await node.database.dispose()


async def test_a_session_is_told_when_it_opens_and_when_it_closes_and_not_between(
    told: Told,
) -> None:
    assert await told.by((0, packet(START, 0))) == [told.alice]
    assert await told.by((300, packet(INTERIM, 300, 300, (5, 5)))) == []
    assert await told.by((600, packet(INTERIM, 600, 600, (9, 9)))) == []
    assert await told.by((900, packet(STOP, 900, 900, (9, 9)))) == [told.alice]
    assert await told.by((901, packet(STOP, 900, 900, (9, 9)))) == [], "a repetition"


async def test_who_has_no_limit_and_who_is_nobody_is_not_told_of(told: Told) -> None:
    bobs = packet(START, 0, user=b"bob")
    nobodys = packet(START, 0, user=b"?", sid="2", station=b"x")
    assert await told.by((0, bobs), (0, nobodys)) == []
    assert len(await told.owner.sql.fetch("SELECT FROM session")) == 2


async def test_who_shares_a_quota_between_sessions_is_told_of(told: Told) -> None:
    await told.owner.sql.execute(
        "UPDATE profile SET quota_octets = 1, at_quota = 'block' WHERE code = 'free'"
    )
    bob = await told.owner.sql.fetchval("SELECT id FROM subscriber WHERE username = 'bob'")
    await told.owner.sql.execute("DELETE FROM change")
    assert await told.by((0, packet(START, 0, user=b"bob"))) == [bob]


async def test_a_session_that_goes_on_after_its_stop_is_told(told: Told) -> None:
    await told.by((0, packet(START, 0)), (300, packet(STOP, 300, 300)))
    assert await told.by((900, packet(INTERIM, 900, 900, (9, 9)))) == [told.alice]
    assert await told.by((1200, packet(INTERIM, 1200, 1200, (9, 9)))) == []


async def test_a_session_that_turns_out_to_be_part_of_another_is_told(told: Told) -> None:
    await told.by((300, packet(INTERIM, 300, 100, (9, 9))))
    await told.by((301, packet(STOP, 0, 0)))
    assert len(await told.owner.sql.fetch("SELECT FROM session")) == 2
    assert await told.by((302, packet(INTERIM, 0, 100, (9, 9)))) == [told.alice]
    assert len(await told.owner.sql.fetch("SELECT FROM session")) == 1


async def test_a_session_that_a_redial_closes_is_told(told: Told) -> None:
    await told.by((0, packet(START, 0)))
    assert await told.by((60, packet(START, 60, sid="2", user=b"?"))) == [told.alice]


async def test_a_session_that_finds_its_owner_late_is_told(told: Told) -> None:
    assert await told.by((0, packet(START, 0, user=b""))) == []
    assert await told.by((300, packet(INTERIM, 300, 300, (5, 5)))) == [told.alice]


async def test_a_session_that_falls_silent_or_is_heard_of_again_is_told_when_said_so(
    told: Told,
) -> None:
    await told.by((0, packet(START, 0)), (0, packet(START, 0, sid="2", station=b"x")))
    numbers = [row["id"] for row in await told.owner.sql.fetch("SELECT id FROM session")]
    async with told.node.database.transaction() as tx:
        await live_feed.sessions_changed(tx, numbers)
        await live_feed.sessions_changed(tx, [10**9])
        await live_feed.sessions_changed(tx, [])
    assert await told.changes() == [told.alice], "once, however many"


async def test_a_session_that_could_not_be_closed_is_told_once(told: Told) -> None:
    await told.by((0, packet(START, 0)))
    await told.owner.sql.execute("UPDATE session_group SET state = '\\xc1'")
    assert await told.by((900, packet(ON, 900))) == [told.alice]
    assert await told.by((950, packet(ON, 950))) == []


async def test_an_interim_of_a_session_that_was_silent_is_told(told: Told) -> None:
    await told.by((0, packet(START, 0)))
    await told.owner.sql.execute("UPDATE session SET silent_since = last_seen_at")
    assert await told.by((300, packet(INTERIM, 300, 300, (5, 5)))) == [told.alice]
    assert await told.by((600, packet(INTERIM, 600, 600, (9, 9)))) == []


async def test_the_nodes_are_woken_once_there_is_something_to_read(
    told: Told, fresh_database_url: str
) -> None:
    listener = await connect(fresh_database_url, None)
    woken: list[object] = []
    await listener.add_listener(CHANNEL, lambda *heard: woken.append(heard))
    await told.by((0, packet(START, 0, sid="2", station=b"x", user=b"bob")))
    await told.by((0, packet(START, 0)))
    await eventually(lambda: len(woken) == 1)
    await listener.close()
