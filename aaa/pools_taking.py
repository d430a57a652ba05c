"""How many addresses a node takes for itself, and how it helps another that is in want of some.

Blocks that nobody has are for whoever comes first; those of a node that is gone for good come
after them.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg
import structlog

from aaa import pools_blocks, pools_sql
from aaa.pools_holding import BLOCKS_AT_ONCE_MAX, Holding, KeptPool
from aaa.pools_plan import PoolSpec
from aaa.pools_plan import blocks as blocks_of
from aaa.pools_store import AddressStore
from core.clock import Clock
from core.db import NodeDatabase, raw

log = structlog.get_logger()

RETRY_S: Final = 5.0  # where there was nothing to take
WATCH_S: Final = 150.0  # a node that lives renews its blocks twice meanwhile


class Taking:
    """Of one node.  `unowned` tells how many blocks of a pool no node had, as last heard."""

    def __init__(
        self,
        node: str,
        store: AddressStore,
        database: NodeDatabase,
        clock: Clock,
        holding: Holding,
    ) -> None:
        self.unowned: dict[int, int] = {}
        self._node = node
        self._store = store
        self._database = database
        self._clock = clock
        self._holding = holding
        self._retry_at: dict[PoolSpec, float] = {}
        self._watched: dict[int, dict[tuple[int, datetime], float]] = {}

    async def refill(self, pools: dict[int, KeptPool]) -> None:
        """One pass over the pools."""
        counts = self._store.counts()
        for pool in pools.values():
            free = counts[pool.id].free if pool.id in counts else 0
            is_needy = free < pool.block_items
            if free < pool.wanted and (is_needy or not pool.needy):
                if is_needy or self._clock.monotonic() >= self._retry_at.get(pool.spec, 0.0):
                    await self._take(pool, pool.wanted - free)
            elif pool.needy and free >= 2 * pool.block_items and not await self._unowned(pool):
                await self._help(pool, max(1, free // pool.block_items // 2))

    async def _take(self, pool: KeptPool, lacking: int) -> None:
        """As many blocks as it takes: those that nobody has, then those of nodes that are gone."""
        number = min(BLOCKS_AT_ONCE_MAX, -(-lacking // pool.block_items))
        async with self._database.transaction() as tx:
            connection = await raw(tx)
            await connection.execute(pools_sql.LOCK, pool.id)
            unowned = await self._unowned_of(connection, pool)
            rows = []
            if unowned:
                rows = await connection.fetch(
                    pools_sql.TAKE, self._node, self._store.id, pool.id, unowned[:number]
                )
            if len(rows) < number:
                rows += await connection.fetch(
                    pools_sql.inherit(pool.spec.kind),
                    *(self._node, self._store.id, pool.id, number - len(rows)),
                    await self._gone(connection, pool),
                )
        self.unowned[pool.id] = max(0, len(unowned) - len(rows))
        if not rows:
            self._retry_at[pool.spec] = self._clock.monotonic() + RETRY_S
            return
        async with self._database.transaction() as tx:
            own = await self._holding.own(await raw(tx))
        for row in rows:
            self._holding.add(row["id"], row["network"], pool, own)
            await asyncio.sleep(0)
        log.info("addresses_taken", pool=pool.spec.name, blocks=len(rows))

    async def _gone(self, connection: asyncpg.Connection, pool: KeptPool) -> list[int]:
        """Blocks whose node is due to be gone, and has not renewed them since we first saw that:
        the clock of the database may have been set."""
        now = self._clock.monotonic()
        rows = await connection.fetch(pools_sql.GONE, pool.id, self._node)
        before = self._watched.get(pool.id, {})
        watched = {
            (row["id"], row["free_at"]): before.get((row["id"], row["free_at"]), now)
            for row in rows
        }
        self._watched[pool.id] = watched
        return [number for (number, _), since in watched.items() if now - since >= WATCH_S]

    async def _unowned(self, pool: KeptPool) -> int:
        async with self._database.transaction() as tx:
            unowned = len(await self._unowned_of(await raw(tx), pool))
        self.unowned[pool.id] = unowned
        return unowned

    async def _unowned_of(self, connection: asyncpg.Connection, pool: KeptPool) -> Sequence[str]:
        taken = {row["network"] for row in await connection.fetch(pools_sql.TAKEN, pool.id)}
        every = (str(block) for block in blocks_of(pool.spec, pool.block_length))
        return [block for block in every if block not in taken]

    async def _help(self, pool: KeptPool, number: int) -> None:
        """Another node is in need and there is nothing to take: give so many blocks back, first
        those that came last, of which hardly anybody has had an address."""
        given = 0
        for block_id, block in reversed(pools_blocks.blocks(self._store).items()):
            if given >= number:
                break
            if (
                block.pool_id == pool.id
                and not block.is_leaving
                and pools_blocks.leave(self._store, block_id, block)
            ):
                await self._holding.give_back(block_id, block)
                given += 1
        if given:
            log.info("addresses_given_back", pool=pool.spec.name, blocks=given)
