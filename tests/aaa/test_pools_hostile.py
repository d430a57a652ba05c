"""Addresses of ours where everything goes wrong at the wrong moment: still one owner each (P14)."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from aaa.pools_store import NoAddress
from tests.aaa.pooling import Isp, Node, pooled_isp


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
