"""A Stop that came to one node frees the address that another gave."""

from pathlib import Path

import pytest

from aaa import pools_feed
from aaa.owners import owners
from accounting.ingest import Ingest
from core.db import NodeDatabase
from core.radius.packet import attribute
from tests.aaa.pooling import make_pool, node
from tests.aaa.replica import isp
from tests.accounting.ingesting import (
    INTERIM,
    NOON_S,
    START,
    STOP,
    Node,
    packet,
    portion,
    segment_of,
    spooled,
)

NONCE = b"%016x" % 99
OURS = attribute(25, b"ai:%016x" % 5 + NONCE)


async def test_a_stop_frees_what_another_node_gave_and_an_interim_does_not(
    fresh_database_url: str, tmp_path: Path
) -> None:
    async with isp(fresh_database_url) as owner:
        pool = await make_pool(owner.sql, owner.tenant_id, ("10.0.0.0/30",))
        database = NodeDatabase(fresh_database_url)
        gives = node("a", tmp_path / "store", database)
        await gives.keeper.keep()
        gives.lease(pool, 5, 99)
        await gives.keeper.keep()
        hears = Node(fresh_database_url)
        hears.ingest = Ingest("b", observers=(pools_feed.observe,))
        for at_s, octets in (
            (0, packet(START, 0, more=OURS)),
            (300, packet(INTERIM, 300, 300, (5, 5), more=OURS)),
        ):
            record = spooled(octets, at_s, tenant_id=owner.tenant_id)
            await hears.take(portion(segment_of(tmp_path, [record])))
        await gives.keeper.keep()
        assert gives.free(pool) == 3
        record = spooled(packet(STOP, 600, 600, (9, 9), more=OURS), 600, tenant_id=owner.tenant_id)
        await hears.take(portion(segment_of(tmp_path, [record])))
        await gives.keeper.keep()
        assert gives.free(pool) == 4
        await hears.database.dispose()
        await database.dispose()


@pytest.mark.parametrize(
    ("given_s", "free"),
    [
        pytest.param(-1, 4, id="of its login"),
        pytest.param(300, 3, id="but not what its subscriber has got again since"),
    ],
)
async def test_a_stop_without_our_class_frees_the_address_that_it_tells(
    fresh_database_url: str, tmp_path: Path, given_s: int, free: int
) -> None:
    async with isp(fresh_database_url) as owner:
        pool = await make_pool(owner.sql, owner.tenant_id, ("10.0.0.0/30",))
        alice = await owner.sql.fetchval(
            "INSERT INTO subscriber (tenant_id, username) VALUES ($1, 'alice') RETURNING id",
            owner.tenant_id,
        )
        database = NodeDatabase(fresh_database_url)
        gives = node("a", tmp_path / "store", database)
        await gives.keeper.keep()
        address = gives.lease(pool, alice, 99)
        await gives.keeper.keep()
        await owner.sql.execute(
            "UPDATE pool_lease SET given_at = to_timestamp($1)", float(NOON_S + given_s)
        )
        hears = Node(fresh_database_url)
        hears.ingest = Ingest("b", owners=owners, observers=(pools_feed.observe,))
        ip = address.partition("/")[0]
        for octets, at_s in (
            (packet(START, 0, ip=ip), 0),
            (packet(STOP, 600, 600, (9, 9), ip=ip), 600),
        ):
            record = spooled(octets, at_s, tenant_id=owner.tenant_id)
            await hears.take(portion(segment_of(tmp_path, [record])))
        await gives.keeper.keep()
        assert gives.free(pool) == free
        await hears.database.dispose()
        await database.dispose()
