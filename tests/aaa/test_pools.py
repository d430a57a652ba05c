"""Addresses of our own: never two owners, the same again where it can be, and none lost (P14)."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from aaa import pools_place
from aaa.pools_plan import DELEGATED_PREFIX
from aaa.pools_store import AddressStore, NoAddress
from tests.aaa.pooling import Isp, pooled_isp

LEASE_S = 3600


@pytest_asyncio.fixture
async def world(fresh_database_url: str, tmp_path: Path) -> AsyncIterator[Isp]:
    async with pooled_isp(fresh_database_url, tmp_path) as one:
        yield one


async def test_the_same_device_gets_the_same_address_and_another_another(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/24"), world.node()
    await a.keeper.keep()
    first = a.lease(pool, 1, 1, b"tv")
    assert a.lease(pool, 1, 2, b"tv") == first  # it dials again before its Stop came
    assert a.lease(pool, 1, 3, b"phone") != first
    a.stop(1, 1)  # of the session before: the new one has the address
    assert a.lease(pool, 1, 4, b"tv") == first


async def test_a_login_that_tells_no_device_is_like_no_other(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/24"), world.node()
    await a.keeper.keep()
    first, second = a.lease(pool, 1, 1, b""), a.lease(pool, 1, 2, b"")
    assert first != second
    assert a.stop(1, 1) == 1
    assert a.lease(pool, 1, 3, b"") == first


async def test_whoever_comes_back_gets_what_he_had_while_it_is_free(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/29"), world.node()
    await a.keeper.keep()
    had = {subscriber: a.lease(pool, subscriber) for subscriber in range(1, 8)}
    for subscriber in had:
        assert a.stop(subscriber) == 1
    assert a.lease(pool, 3, 99, b"another phone") == had[3]
    assert a.lease(pool, 8) not in had.values()  # what nobody ever had goes first
    # Then what has been free for longest.
    assert a.lease(pool, 9) == had[1]
    assert a.lease(pool, 1) != had[1]


async def test_a_stop_frees_an_address_once_and_for_its_own_session_only(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    free = a.free(pool)
    a.lease(pool, 1)
    assert a.stop(1, 77) == 0
    assert a.stop(2, 1) == 0
    assert (a.stop(1), a.stop(1)) == (1, 0)
    assert a.free(pool) == free


async def test_a_login_that_is_refused_after_all_leaves_its_device_what_it_had(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    first = a.lease(pool, 1, 1)
    assert a.lease(pool, 1, 2) == first
    assert a.store.release(1, b"%016x" % 2, refused=True) == 0
    a.lease(pool, 2, 3)
    assert a.store.release(2, b"%016x" % 3, refused=True) == 1


async def test_an_empty_pool_is_said_by_its_name_and_is_an_alarm(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    assert len({a.lease(pool, subscriber) for subscriber in range(1, 5)}) == 4
    with pytest.raises(NoAddress, match="pool home"):
        a.lease(pool, 5)
    [said] = a.keeper.status()
    assert said.is_empty
    assert (said.leased, said.unowned_blocks) == (4, 0)


async def test_two_pools_are_given_together_or_not_at_all(world: Isp) -> None:
    ipv4 = await world.pool("10.0.0.0/24")
    prefixes = await world.pool("2001:db8::/47", name="pd", kind=DELEGATED_PREFIX, prefix_length=48)
    a = world.node()
    await a.keeper.keep()
    free = a.free(ipv4)
    for number in (1, 2):
        given = a.store.lease([ipv4, prefixes], number, b"d", b"%016x" % number, a.clock.unix_s())
        assert [one.prefix_length for one in given] == [32, 48]
    with pytest.raises(NoAddress, match="pool pd"):
        a.store.lease([ipv4, prefixes], 3, b"d", b"%016x" % 3, a.clock.unix_s())
    assert a.free(ipv4) == free - 2


async def test_the_database_hears_who_has_what(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/24"), world.node()
    await a.keeper.keep()
    address = a.lease(pool, 5)
    await a.keeper.keep()
    assert await world.leases() == {address: 5}
    a.stop(5)
    await a.keeper.keep()
    assert await world.leases() == {}


async def test_two_nodes_never_have_one_address(world: Isp) -> None:
    pool = await world.pool("10.0.0.0/24")
    a, b = world.node("a"), world.node("b")
    for _ in range(3):
        for one in (a, b):
            await one.keeper.keep()
    given = []
    for number in range(1, 10_000):
        one = (a, b)[number % 2]
        try:
            given.append(one.lease(pool, number))
        except NoAddress:
            await one.keeper.keep()
        if len(given) == 256:
            break
    assert len(given) == len(set(given)) == 256


async def test_nodes_that_come_at_once_share_the_pool(world: Isp) -> None:
    pool = await world.pool("10.0.0.0/24")
    nodes = [world.node(name) for name in "abcd"]
    for _ in range(3):
        await asyncio.gather(*(one.keeper.keep() for one in nodes))
    had = [one.free(pool) if pool in one.store.counts() else 0 for one in nodes]
    assert sum(had) <= 256
    given = []
    for number, one in enumerate(nodes):
        given += [one.lease(pool, 1_000 * number + each) for each in range(had[number])]
    assert len(given) == len(set(given)) > 0


async def test_a_database_that_was_restored_learns_what_nodes_have(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    first = a.lease(pool, 1)
    await a.keeper.keep()
    await world.sql.execute("DELETE FROM pool_block")
    await a.keeper.keep()
    assert a.free(pool) == 3
    assert await world.leases() == {first: 1}
    # Where the number of a block is another's by now, what is in use of it is unknown.
    [number] = await world.sql.fetchrow("SELECT max(id) FROM pool_block")
    await world.sql.execute("DELETE FROM pool_block")
    await world.sql.execute(
        "INSERT INTO pool_block (id, tenant_id, pool_id, network, node, store, free_at)"
        " SELECT generate_series($1 - 3, $1), tenant_id, id, '192.0.2.0/30', 'x', 'x', now()"
        " FROM pool LIMIT 1",
        number,
    )
    await a.keeper.keep()
    await a.keeper.keep()
    other = {a.lease(pool, each) for each in range(2, 2 + a.free(pool))}
    assert first not in other
    with pytest.raises(NoAddress):
        a.lease(pool, 9)


async def test_a_node_that_has_more_than_enough_helps_one_in_need(world: Isp) -> None:
    pool = await world.pool("10.0.0.0/24")
    a, b = world.node("a"), world.node("b")
    await a.keeper.keep()
    assert a.free(pool) == 256  # alone, it has all
    with pytest.raises(NoAddress):
        b.lease(pool, 1)
    for _ in range(4):
        await b.keeper.keep()
        await a.keeper.keep()
        b.clock.at += 10
    assert b.lease(pool, 1)
    assert a.free(pool) + b.free(pool) + 1 <= 256


async def test_the_database_may_be_away_and_the_node_gives_what_it_has(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/24", hold_s=7200), world.node()
    await a.keeper.keep()
    a.clock.at += 7100
    assert a.lease(pool, 1)
    a.clock.at += 200  # by now its blocks may be somebody else's
    with pytest.raises(NoAddress, match="without the database"):
        a.lease(pool, 2)
    await a.keeper.keep()
    a.keeper._renewed_at = float("-inf")
    await a.keeper.keep()
    assert a.lease(pool, 2)


async def test_a_lease_without_a_session_is_over_after_its_time(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    a.lease(pool, 1)
    a.clock.at += LEASE_S - 1
    await a.keeper.keep()
    assert a.free(pool) == 3
    a.clock.at += 2
    await a.keeper.keep()
    assert a.free(pool) == 4
    assert await world.leases() == {}


async def test_a_session_that_is_heard_of_keeps_its_address(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    session = await world.session(a.lease(pool, 1), seen_s=30)
    a.clock.at += LEASE_S + 1
    await a.keeper.keep()
    assert a.free(pool) == 3
    # Of which nobody can tell any more: from its last Interim on, a lease time.
    await world.sql.execute("UPDATE session SET silent_since = now() WHERE id = $1", session)
    a.clock.at += LEASE_S - 60
    await a.keeper.keep()
    assert a.free(pool) == 3
    await world.sql.execute(
        "UPDATE session SET last_seen_at = now() - make_interval(secs => $1)", LEASE_S + 1
    )
    a.clock.at += LEASE_S
    await a.keeper.keep()
    assert a.free(pool) == 4


async def test_a_session_that_does_not_tell_its_address_keeps_it(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    session = await world.session(a.lease(pool, 1))
    await world.sql.execute("UPDATE session SET framed_ip = NULL, subscriber_id = 1")
    await a.keeper.keep()
    a.clock.at += LEASE_S + 1
    await a.keeper.keep()
    assert a.free(pool) == 3
    # Also where its node is gone for good, and so is all that it remembered.
    a.store.close()
    again = await world.after_a_loss()
    await again.keeper.keep()
    again.clock.at += LEASE_S + 5
    await again.keeper.keep()
    assert again.free(pool) == 3
    await world.sql.execute("UPDATE pool_block SET free_at = now(), quarantined_until = NULL")
    await world.sql.execute("UPDATE pool_node SET seen_at = now() - interval '1 hour'")
    b = world.node("b")
    await b.keeper.keep()
    b.clock.at += 200
    await b.keeper.keep()
    assert b.free(pool) == 3
    await world.sql.execute("UPDATE session SET stopped_at = now() WHERE id = $1", session)
    b.clock.at += 60
    await b.keeper.keep()
    assert b.free(pool) == 4


async def test_what_waits_on_a_nodes_disk_may_be_an_interim(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    a.lease(pool, 1)
    await world.sql.execute(
        "INSERT INTO hearing (node, since_at, until_at)"
        " VALUES ('b', now() - interval '1 day', now() - interval '10 minutes')"
    )
    a.clock.at += LEASE_S + 1
    await a.keeper.keep()
    assert a.free(pool) == 3
    await world.sql.execute("UPDATE hearing SET until_at = now()")
    a.clock.at += 700
    await a.keeper.keep()
    assert a.free(pool) == 4


async def test_a_stop_that_another_node_took_frees_the_address(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    a.lease(pool, 1)
    await a.keeper.keep()
    await world.sql.execute("UPDATE pool_lease SET ended_at = now()")  # as `pools_feed` does
    await a.keeper.keep()
    assert a.free(pool) == 4
    assert await world.leases() == {}


async def test_a_node_that_restarts_goes_on_with_what_it_knew(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/29"), world.node()
    await a.keeper.keep()
    first = a.lease(pool, 1)
    a.store.close()
    again = world.node()
    await again.keeper.keep()
    assert again.free(pool) == 7
    assert again.lease(pool, 1, 2) == first
    others = {again.lease(pool, number) for number in range(2, 9)}
    assert first not in others


async def test_a_node_that_lost_its_memory_gives_nothing_of_before_for_a_lease_time(
    world: Isp,
) -> None:
    pool, a = await world.pool("10.0.0.0/28"), world.node()
    await a.keeper.keep()
    given = {a.lease(pool, number) for number in range(1, 5)}
    live = next(iter(given))
    await world.session(live)
    a.store.close()
    again = await world.after_a_loss()
    await again.keeper.keep()
    with pytest.raises(NoAddress):
        again.lease(pool, 9)
    again.clock.at += LEASE_S + 5
    await again.keeper.keep()
    assert again.free(pool) == 15  # but for the one of which a session is heard
    after = {again.lease(pool, number) for number in range(10, 25)}
    assert live not in after


async def test_the_blocks_of_a_node_that_is_gone_come_back_but_not_under_a_session(
    world: Isp,
) -> None:
    pool = await world.pool("10.0.0.0/30")
    a, b = world.node("a"), world.node("b")
    await a.keeper.keep()
    address = a.lease(pool, 1)
    await a.keeper.keep()
    await b.keeper.keep()
    with pytest.raises(NoAddress):
        b.lease(pool, 2)
    session = await world.session(address)
    await world.sql.execute("UPDATE pool_block SET free_at = now()")
    await world.sql.execute("UPDATE pool_node SET seen_at = now() - interval '1 hour'")
    for _ in range(2):
        b.clock.at += 200
        await b.keeper.keep()
    assert b.free(pool) == 3
    await world.sql.execute("UPDATE session SET stopped_at = now() WHERE id = $1", session)
    b.clock.at += 60
    await b.keeper.keep()
    assert b.free(pool) == 4
    # It was only cut off: what is not its own any more, it does not give.
    await a.keeper.keep()
    with pytest.raises(NoAddress):
        a.lease(pool, 3)


async def test_what_is_left_out_and_what_is_somebodys_own_is_never_given(world: Isp) -> None:
    pool = await world.pool("10.0.0.0/28", exclude=["10.0.0.0-10.0.0.7"])
    await world.sql.execute(
        "INSERT INTO subscriber (tenant_id, username, static_ipv4) VALUES ($1, 'x', '10.0.0.9')",
        world.tenant_id,
    )
    a = world.node()
    await a.keeper.keep()
    assert a.free(pool) == 7
    last = a.lease(pool, 1)
    await world.sql.execute(
        "INSERT INTO subscriber (tenant_id, username, static_ipv4) VALUES ($1, 'y', '10.0.0.15')",
        world.tenant_id,
    )
    await world.sql.execute("UPDATE pool SET exclude = ARRAY[$1]", last.partition("/")[0])
    await a.keeper.keep()
    assert a.free(pool) == 13
    a.stop(1)
    assert a.free(pool) == 13
    every = {a.lease(pool, number) for number in range(2, 15)}
    assert not every & {last, "10.0.0.9/32", "10.0.0.15/32"}


async def test_a_power_cut_is_a_loss_of_memory_and_a_clean_end_is_none(tmp_path: Path) -> None:
    place = tmp_path / "addresses"
    assert pools_place.prepare(place, "boot 1")
    store = AddressStore(place)
    name = store.id
    store.close()
    assert pools_place.prepare(place, "boot 1")  # its processes were killed
    pools_place.settle(place)
    assert pools_place.prepare(place, "boot 2")
    store = AddressStore(place)
    assert store.id == name
    store.close()
    assert not pools_place.prepare(place, "boot 3")
    assert not (place / "data.mdb").exists()
