"""The blocks that this node has, and what of them may be given.

A block is the database's before it is the store's, and leaves the store first.  So whatever is
killed in between, an address is with one node only, or for a moment with none.
"""

import asyncio
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

import asyncpg
import structlog

from aaa import pools_blocks, pools_sql
from aaa.pools_plan import Network, PoolSpec, Span, is_within, span_of, total, withdrawn
from aaa.pools_records import Block
from aaa.pools_store import AddressStore
from core.db import NodeDatabase, raw

log = structlog.get_logger()

BLOCKS_AT_ONCE_MAX: Final = 64

Own = dict[int, tuple[Span, ...]]
"""By block: what subscribers have of their own.  It is not given to anybody."""


@dataclass(frozen=True, slots=True)
class KeptPool:
    """A pool as the database has it now."""

    id: int
    tenant_id: int
    spec: PoolSpec
    block_length: int
    others: int  # nodes that live on it, too
    needy: int  # of these, in want of addresses

    @property
    def block_items(self) -> int:
        return 1 << (self.spec.prefix_length - self.block_length)

    @property
    def wanted(self) -> int:
        """How many free ones this node likes to have: alone all, else half of its share."""
        if not self.others:
            return total(self.spec)
        return max(self.block_items, total(self.spec) // (2 * (self.others + 1)))


class Holding:
    """Of one node."""

    def __init__(self, node: str, store: AddressStore, database: NodeDatabase) -> None:
        self._node = node
        self._store = store
        self._database = database
        self._withdrawn: dict[int, tuple[PoolSpec, tuple[Span, ...]]] = {}
        self._foreign: set[int] = set()  # blocks that their pool has no more

    async def own(self, connection: asyncpg.Connection) -> Own:
        """What subscribers have of their own in the blocks of this node."""
        found: dict[int, list[Span]] = {}
        for row in await connection.fetch(pools_sql.OWN, self._node):
            found.setdefault(row["block_id"], []).append(span_of(ip_network(row["network"])))
        return {block_id: tuple(sorted(spans)) for block_id, spans in found.items()}

    def add(
        self, block_id: int, network: str, pool: KeptPool, own: Own, *, held_until_s: int = 0
    ) -> None:
        """A block that the database says is ours (`pools_blocks.add`)."""
        spans = own.get(block_id, ())
        self._note(block_id, ip_network(network), pool, spans)
        pools_blocks.add(
            self._store,
            block_id,
            Block(pool.id, network),
            pool.spec.prefix_length,
            unwanted=withdrawn(ip_network(network), pool.spec, spans),
            held_until_s=held_until_s,
        )

    async def give_back(self, block_id: int, block: Block) -> None:
        """Of a block that the store has left already."""
        async with self._database.transaction() as tx:
            await (await raw(tx)).execute(pools_sql.GIVE_BACK, block_id, self._node, self._store.id)
        pools_blocks.drop(self._store, block_id, block)

    async def withdraw(self, pools: dict[int, KeptPool], own: Own) -> None:
        """Keep back what a pool leaves out, and what subscribers have of their own."""
        here = pools_blocks.blocks(self._store)
        for block_id, block in here.items():
            pool = pools.get(block.pool_id)
            if pool is None or block.is_leaving:
                continue
            wanted = (pool.spec, own.get(block_id, ()))
            if self._withdrawn.get(block_id) != wanted:
                network = ip_network(block.network)
                pools_blocks.want(self._store, block_id, block, withdrawn(network, *wanted))
                self._note(block_id, network, pool, wanted[1])
                await asyncio.sleep(0)
        self._withdrawn = {number: one for number, one in self._withdrawn.items() if number in here}

    async def surrender(self) -> None:
        """Give back what a pool has lost, for another may have got it: once nobody uses it."""
        here = pools_blocks.blocks(self._store)
        self._foreign &= here.keys()
        given = 0
        for block_id in sorted(self._foreign):
            block = here[block_id]
            if block.is_leaving or pools_blocks.leave(self._store, block_id, block):
                await self.give_back(block_id, block)
                given += 1
                if given >= BLOCKS_AT_ONCE_MAX:
                    break
        if given:
            log.info("addresses_of_no_pool_given_back", blocks=given)

    def _note(
        self, block_id: int, network: Network, pool: KeptPool, spans: tuple[Span, ...]
    ) -> None:
        self._withdrawn[block_id] = (pool.spec, spans)
        if is_within(network, pool.spec):
            self._foreign.discard(block_id)
        else:
            self._foreign.add(block_id)


def pool_of(row: asyncpg.Record) -> KeptPool:
    return KeptPool(
        row["id"],
        row["tenant_id"],
        PoolSpec(
            row["name"],
            row["kind"],
            tuple(map(ip_network, row["networks"])),
            row["prefix_length"],
            tuple(row["exclude"]),
            row["lease_s"],
            row["hold_s"],
        ),
        row["block_length"],
        row["others"],
        row["needy"],
    )
