"""Keeps this node in addresses: one pass after the other of all that is to be done about them.

One per node, run by the replicator every second while the database is there; while it is not,
the node gives what it has.  What is to be done, and in which order, is here; how, in the files
that are named below.
"""

from typing import Final

import lmdb
import msgspec
import structlog

from aaa import pools_blocks, pools_sql
from aaa.pools_agreeing import Agreement, TwinNode
from aaa.pools_holding import Holding, KeptPool, pool_of
from aaa.pools_records import PoolState
from aaa.pools_state import PoolStatus
from aaa.pools_store import AddressStore
from aaa.pools_sync import PoolSync
from aaa.pools_taking import Taking
from core.clock import Clock
from core.db import NodeDatabase, raw

log = structlog.get_logger()

RENEW_EVERY_S: Final = 60.0
COMPLAIN_EVERY_S: Final = 60.0
JUMP_S: Final = 5.0  # less is a clock that is being adjusted


class PoolKeeper:
    """An errand of the replicator (`keep`); `status` may be asked at any time."""

    def __init__(
        self, node: str, store: AddressStore, database: NodeDatabase, clock: Clock
    ) -> None:
        self._node = node
        self._store = store
        self._database = database
        self._clock = clock
        self._pools: dict[int, KeptPool] = {}
        self._holding = Holding(node, store, database)
        self._agreement = Agreement(node, store, database, clock, self._holding)
        self._taking = Taking(node, store, database, clock, self._holding)
        self._sync = PoolSync(node, store, database, clock)
        self._renewed_at = float("-inf")
        self._ahead_s = clock.unix_s() - clock.monotonic()
        self._told: dict[int, PoolState] = {}
        self._is_low: set[int] = set()
        self._complain_at = 0.0

    async def keep(self) -> None:
        """One pass: blocks, leases, what is due."""
        try:
            await self._keep()
        except (lmdb.Error, msgspec.DecodeError) as error:
            # As of a full disk, or of a record that is damaged.  The directory is kept by the
            # same process, and goes on.
            self._complain("addresses_unusable", error=str(error))
        except TwinNode:
            self._complain("node_name_of_another", node=self._node)

    def _complain(self, event: str, **facts: str) -> None:
        now = self._clock.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY_S
            log.error(event, **facts)

    async def _keep(self) -> None:
        pools = await self._read_pools()
        if not pools and not pools_blocks.blocks(self._store):
            return
        await self._agreement.reach(pools)
        specs = {pool.id: (pool.tenant_id, pool.spec) for pool in pools.values()}
        if jump_s := self._clock_was_set():
            self._renewed_at = float("-inf")
            await self._sync.shift(specs, jump_s)
        await self._renew(pools)
        await self._taking.refill(pools)
        await self._sync.step(specs)
        await self._tell_free()
        self._warn()

    def _clock_was_set(self) -> float:
        """By how much since it was asked last, in seconds; 0: it was not."""
        ahead_s = self._clock.unix_s() - self._clock.monotonic()
        jump_s = ahead_s - self._ahead_s
        if abs(jump_s) < JUMP_S:
            return 0.0
        self._ahead_s = ahead_s
        log.warning("clock_was_set", seconds=round(jump_s, 1))
        return jump_s

    def status(self) -> list[PoolStatus]:
        """What this node has; also while the database is away."""
        counts = self._store.counts()
        return [
            PoolStatus(
                tenant_id=pool.tenant_id,
                pool=pool.spec.name,
                free=counts[pool.id].free if pool.id in counts else 0,
                leased=counts[pool.id].leased if pool.id in counts else 0,
                unowned_blocks=self._taking.unowned.get(pool.id, 0),
            )
            for pool in self._pools.values()
        ]

    async def _read_pools(self) -> dict[int, KeptPool]:
        async with self._database.transaction() as tx:
            found = await (await raw(tx)).fetch(pools_sql.POOLS, self._node)
        self._pools = {row["id"]: pool_of(row) for row in found}
        return self._pools

    async def _renew(self, pools: dict[int, KeptPool]) -> None:
        """Say that we are alive, and let logins give for as long as that holds."""
        now, now_s = self._clock.monotonic(), self._clock.unix_s()
        is_due = now - self._renewed_at >= RENEW_EVERY_S
        if not is_due and not any(self._is_new(pool) for pool in pools.values()):
            return
        async with self._database.transaction() as tx:
            self._store.beat()  # first: what the database has heard of, the store is at least
            await (await raw(tx)).execute(pools_sql.RENEW, self._node, self._store.id)
        self._renewed_at = now
        for pool in pools.values():
            spec = pool.spec
            state = PoolState(spec.name, spec.prefix_length, spec.lease_s, now_s + spec.hold_s)
            pools_blocks.set_pool(self._store, pool.id, state)
            self._told[pool.id] = state

    def _is_new(self, pool: KeptPool) -> bool:
        told = self._told.get(pool.id)
        return told is None or told.lease_s != pool.spec.lease_s

    async def _tell_free(self) -> None:
        counts = self._store.counts()
        free = {number: counts[number].free if number in counts else 0 for number in self._pools}
        async with self._database.transaction() as tx:
            await (await raw(tx)).execute(
                pools_sql.TELL_FREE, self._node, list(free), list(free.values())
            )

    def _warn(self) -> None:
        """Say once when a pool is empty, and once when it is not."""
        try:
            empty = {
                number
                for number, count in self._store.counts().items()
                if number in self._pools and count.free == 0
            }
        except lmdb.Error:
            return
        for number in empty - self._is_low:
            log.error("pool_empty", pool=self._pools[number].spec.name)
        for number in self._is_low - empty:
            if number in self._pools:
                log.info("pool_not_empty_again", pool=self._pools[number].spec.name)
        self._is_low = empty
