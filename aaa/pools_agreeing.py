"""Makes store and database agree on whose the blocks are, whichever of the two was lost, copied
or restored.

Of a database that lost something, nodes know what they have.  A store that is an old copy, or
one of two nodes by one name, does not know what was given since: all that it might give is held
back for a lease time.
"""

import structlog

from aaa import pools_blocks, pools_sql
from aaa.pools_holding import Holding, KeptPool
from aaa.pools_records import Block
from aaa.pools_store import AddressStore
from core.clock import Clock
from core.db import NodeDatabase, raw

log = structlog.get_logger()


class TwinNode(Exception):
    """Another node has our name, and is alive."""


class Agreement:
    """Of one node with the database."""

    def __init__(
        self,
        node: str,
        store: AddressStore,
        database: NodeDatabase,
        clock: Clock,
        holding: Holding,
    ) -> None:
        self._node = node
        self._store = store
        self._database = database
        self._clock = clock
        self._holding = holding

    async def reach(self, pools: dict[int, KeptPool]) -> None:
        """Of all blocks.

        Raises:
            TwinNode: they are with another, and this one has nothing until that is over.
        """
        async with self._database.transaction() as tx:
            connection = await raw(tx)
            rows = await connection.fetch(pools_sql.BLOCKS, self._node)
            own = await self._holding.own(connection)
        if not all(self._store.remembers(row["store"]) for row in rows):
            self._forget()
            async with self._database.transaction() as tx:
                connection = await raw(tx)
                if await connection.fetchval(pools_sql.TWIN, self._node):
                    raise TwinNode(self._node)
                await connection.execute(pools_sql.ADOPT, self._node, self._store.id)
                rows = await connection.fetch(pools_sql.BLOCKS, self._node)
            log.warning("addresses_held_back", blocks=len(rows))
        here = pools_blocks.blocks(self._store)
        there = {row["id"]: row for row in rows}
        now_s = self._clock.unix_s()
        for block_id, row in there.items():
            known = here.get(block_id)
            if known is None and row["pool_id"] in pools:
                # Taken a moment ago, when this process was killed; or else a restored database
                # speaks of what we had once, and any of it may be in use.
                is_fresh = row["store"] == self._store.id and not row["is_held"]
                held_s = 0.0 if is_fresh else row["held_s"]
                until_s = int(now_s + held_s) + 1
                pool = pools[row["pool_id"]]
                self._holding.add(block_id, row["network"], pool, own, held_until_s=until_s)
            elif known is not None and known.is_leaving:
                await self._holding.give_back(block_id, known)
        for block_id, known in here.items():
            if block_id not in there:
                await self._claim(block_id, known)
        await self._holding.withdraw(pools, own)
        await self._holding.surrender()

    def _forget(self) -> None:
        """What this store holds is older than what the database has heard of it, or somebody
        else's: it is believed no more."""
        for block_id, block in pools_blocks.blocks(self._store).items():
            pools_blocks.drop(self._store, block_id, block)
        self._store.begin_anew()

    async def _claim(self, block_id: int, block: Block) -> None:
        """A block that the database does not call ours, or not any more."""
        kept = None
        if not block.is_leaving:
            async with self._database.transaction() as tx:
                kept = await (await raw(tx)).fetchval(
                    pools_sql.CLAIM,
                    *(self._node, self._store.id, block_id, block.pool_id, block.network),
                )
            log.warning("address_block_disputed", network=block.network, kept=kept is not None)
        if kept is not None:
            pools_blocks.say_again(self._store, block_id, block)
        else:
            pools_blocks.drop(self._store, block_id, block)
            if not block.is_leaving:
                async with self._database.transaction() as tx:
                    await (await raw(tx)).execute(
                        pools_sql.CLAIM_ANEW,
                        *(self._node, self._store.id, block.pool_id, block.network),
                    )
