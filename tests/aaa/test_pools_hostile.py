"""Addresses of ours where everything goes wrong at the wrong moment: still one owner each (P14)."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from aaa.pools_store import NoAddress
from tests.aaa.pooling import Isp, Node, pooled_isp
from tests.aaa.replica import environment_at, eventually, replica

LEASE_S = 3600


@pytest_asyncio.fixture
async def world(fresh_database_url: str, tmp_path: Path) -> AsyncIterator[Isp]:
    async with pooled_isp(fresh_database_url, tmp_path) as one:
        yield one


def all_of(node: Node, pool: int, first: int) -> set[str]:
    """Every address that logins still get there."""
    found: set[str] = set()
    for subscriber in range(first, first + 300):
        try:
            found.add(node.lease(pool, subscriber))
        except NoAddress:
            return found
    raise AssertionError("it does not end")


async def test_a_network_that_moves_to_another_pool_is_given_there_when_it_is_free(
    world: Isp,
) -> None:
    old, a = await world.pool("10.0.0.0/28", "10.0.1.0/28"), world.node()
    await a.keeper.keep()
    live = a.lease(old, 1)
    assert live == "10.0.0.0/32"
    await world.sql.execute("DELETE FROM pool_network WHERE network = '10.0.0.0/28'")
    new = await world.pool("10.0.0.0/28", name="new")
    for _ in range(3):
        await a.keeper.keep()
        a.clock.at += 10
    assert a.free(new) == 15  # all but what a session has yet
    a.stop(1)
    for _ in range(3):
        await a.keeper.keep()
        a.clock.at += 10
    assert a.free(new) == 16
    assert a.free(old) == 16


async def test_a_node_that_dies_as_it_finds_its_memory_lost_holds_all_back_when_it_is_back(
    world: Isp,
) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    live = a.lease(pool, 1)
    await world.session(live)
    await a.keeper.keep()
    a.store.close()
    again = world.node(directory="another disk")
    # It is killed between the word to the database and its own store, and is off for a day.
    await world.sql.execute(
        "UPDATE pool_block SET store = $1, quarantined_until = now() - interval '1 day'",
        again.store.id,
    )
    await again.keeper.keep()
    assert live not in all_of(again, pool, 10)
    again.clock.at += 5
    await again.keeper.keep()
    assert len(all_of(again, pool, 10)) == 3


@pytest.mark.slow
async def test_two_nodes_of_one_name_never_give_one_address(world: Isp) -> None:
    pool = await world.pool("10.0.0.0/28")
    a, twin = world.node("a"), world.node("a", "a copied machine")
    given: list[str] = []
    for step in range(40):
        for number, one in enumerate((a, twin)):
            await one.keeper.keep()
            try:
                given.append(one.lease(pool, 1_000 * number + step + 1))
            except NoAddress:
                continue
            await world.session(given[-1], nonce=f"{step} {number}")
        for one in (a, twin):
            one.clock.at += LEASE_S / 10
    assert len(given) > 0
    assert len(given) == len(set(given))


async def test_a_store_that_was_restored_from_a_copy_gives_nothing_of_before(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/28"), world.node()
    await a.keeper.keep()
    a.store.close()
    shutil.copytree(world.path / "a", world.path / "copy")
    a = world.node()
    a.clock.at += 100
    await a.keeper.keep()
    lives = {a.lease(pool, number) for number in range(1, 5)}
    a.clock.at += 100
    await a.keeper.keep()
    a.store.close()
    await world.sql.execute("UPDATE pool_node SET seen_at = now() - interval '1 minute'")
    again = world.node(directory="copy")
    again.clock.at += 200
    await again.keeper.keep()
    assert not lives & all_of(again, pool, 10)
    for live in lives:
        await world.session(live, nonce=live)
    again.clock.at += LEASE_S + 5
    await again.keeper.keep()
    assert len(all_of(again, pool, 30) - lives) == 12


async def test_a_clock_that_is_set_forward_ends_no_lease(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    live = a.lease(pool, 1)  # its session's Start is on its way
    a.clock.wall_ahead_s += 86_400
    a.clock.at += 1
    await a.keeper.keep()
    others = all_of(a, pool, 10)  # they are given, whatever the hour
    assert len(others) == 3
    assert live not in others
    a.clock.at += LEASE_S + 1
    await a.keeper.keep()
    assert a.free(pool) == 4


async def test_a_clock_that_is_set_back_leaks_nothing(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    a.lease(pool, 1)
    a.clock.wall_ahead_s -= 86_400
    a.clock.at += 1
    await a.keeper.keep()
    a.clock.at += LEASE_S + 1
    await a.keeper.keep()
    assert a.free(pool) == 4


async def test_logins_hear_of_a_pool_when_there_is_something_of_it_to_give(world: Isp) -> None:
    a, seen = world.node(), []
    with environment_at(world.path / "directory") as environment:

        async def stock() -> None:
            seen.append([*one.profiles()])
            await a.keeper.keep()

        async with replica(world.url, environment, stock=stock) as one:
            assert seen == []
            pool = await world.pool("10.0.0.0/30")
            await eventually(lambda: bool(one.profiles()))
            assert a.free(pool) == 4
            await world.sql.execute("UPDATE profile SET code = 'another'")
            await eventually(lambda: "another" in one.profiles())
            assert seen == [[]]


@pytest.mark.slow
async def test_a_database_whose_clock_is_set_forward_takes_nothing_from_a_node_that_lives(
    world: Isp,
) -> None:
    pool = await world.pool("10.0.0.0/28")
    a, b = world.node("a"), world.node("b")
    await a.keeper.keep()
    live = a.lease(pool, 1)  # its session's Start is on its way
    await world.sql.execute("UPDATE pool_block SET free_at = now() - interval '1 hour'")
    for _ in range(40):
        for one in (b, a):
            await one.keeper.keep()
            one.clock.at += 10
        assert live not in all_of(b, pool, 100)
    assert a.lease(pool, 1) == live


async def test_a_damaged_record_of_an_address_does_not_stop_the_directory(world: Isp) -> None:
    pool, a = await world.pool("10.0.0.0/30"), world.node()
    await a.keeper.keep()
    a.lease(pool, 1)
    with a.store.environment.begin(write=True) as txn:
        for key in [*txn.cursor(a.store.items).iternext(values=False)]:
            txn.put(key, b"\xc1", db=a.store.items)
    a.clock.at += LEASE_S + 1
    await a.keeper.keep()
