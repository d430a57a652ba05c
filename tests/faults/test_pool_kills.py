"""Fault P14: addresses of one pool, and whoever gives them is killed again and again."""

from pathlib import Path

import pytest

from aaa.pools_keeper import PoolKeeper
from aaa.pools_store import AddressStore
from bench.pools import make_pool, storm
from core.clock import Clock
from core.db import NodeDatabase
from tests.aaa.replica import isp

LEASE_S = 3600


class LaterClock(Clock):
    """A lease time has passed."""

    def unix_s(self) -> float:
        return super().unix_s() + LEASE_S + 60


@pytest.mark.parametrize(
    ("logins", "kills"),
    [
        pytest.param(2_000, 6, marks=pytest.mark.slow),
        pytest.param(10_000, 24, marks=[pytest.mark.slow, pytest.mark.long]),
    ],
)
async def test_nobody_gets_what_another_has_and_what_was_leaked_comes_back(
    fresh_database_url: str, tmp_path: Path, logins: int, kills: int
) -> None:
    async with isp(fresh_database_url) as owner:
        pool = await make_pool(owner.sql, owner.tenant_id, lease_s=LEASE_S)
        # In this thread: nothing else is to be done meanwhile.
        found = storm(fresh_database_url, tmp_path, pool, logins=logins, kills=kills)
        assert found.given == logins
        assert found.kills >= kills
        assert found.duplicates == 0
        assert found.leaked > 0  # else this shows nothing of what becomes of it
        database = NodeDatabase(fresh_database_url)
        for number in range(2):
            store = AddressStore(tmp_path / f"node-{number}")
            keeper = PoolKeeper(f"node-{number}", store, database, Clock())
            await keeper.keep()
            told = await owner.sql.fetchval(
                "SELECT count(*) FROM pool_lease WHERE node = $1", keeper._node
            )
            assert told == store.counts()[pool].leased
            later = PoolKeeper(f"node-{number}", store, database, LaterClock())
            for _ in range(16):
                await later.keep()
            assert store.counts()[pool].leased == 0
            store.close()
        await database.dispose()
        assert await owner.sql.fetchval("SELECT count(*) FROM pool_lease") == 0
