"""Brings this node blocks of addresses, tells the database who has which, and finds out which
nobody uses any more.

One per node, run by the replicator every second while the database is there; while it is not,
the node gives what it has.  Of the order in which the store and the database learn of a thing:
a block is the database's before it is the store's, and leaves the store first.  So whatever is
killed in between, an address is with one node only, or for a moment with none.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

import asyncpg
import lmdb
import structlog

from aaa import pools_blocks, pools_sql
from aaa.pools_plan import Network, PoolSpec, Span, is_within, span_of, total, withdrawn
from aaa.pools_plan import blocks as blocks_of
from aaa.pools_records import Block, PoolState
from aaa.pools_state import PoolStatus
from aaa.pools_store import AddressStore
from aaa.pools_sync import PoolSync
from core.clock import Clock
from core.db import NodeDatabase, raw

log = structlog.get_logger()

RENEW_EVERY_S: Final = 60.0
BLOCKS_AT_ONCE_MAX: Final = 64
RETRY_S: Final = 5.0  # where there was nothing to take
COMPLAIN_EVERY_S: Final = 60.0
JUMP_S: Final = 5.0  # less is a clock that is being adjusted

Own = dict[int, tuple[Span, ...]]
"""By block: what subscribers have of their own.  It is not given to anybody."""


@dataclass(frozen=True, slots=True)
class _Pool:
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


@dataclass(slots=True)
class _Known:
    """What the last pass found, for the status."""

    pools: dict[int, _Pool] = field(default_factory=dict)
    unowned: dict[int, int] = field(default_factory=dict)


class PoolKeeper:
    """An errand of the replicator (`keep`); `status` may be asked at any time."""

    def __init__(
        self, node: str, store: AddressStore, database: NodeDatabase, clock: Clock
    ) -> None:
        self._node = node
        self._store = store
        self._database = database
        self._clock = clock
        self._known = _Known()
        self._sync = PoolSync(node, store, database, clock)
        self._renewed_at = float("-inf")
        self._ahead_s = clock.unix_s() - clock.monotonic()
        self._told: dict[int, PoolState] = {}
        self._withdrawn: dict[int, tuple[PoolSpec, tuple[Span, ...]]] = {}
        self._foreign: set[int] = set()  # blocks that their pool has no more
        self._retry_at: dict[PoolSpec, float] = {}
        self._is_low: set[int] = set()
        self._complain_at = 0.0

    async def keep(self) -> None:
        """One pass: blocks, leases, what is due."""
        try:
            await self._keep()
        except lmdb.Error as error:
            # As of a full disk.  The directory is kept by the same process, and goes on.
            self._complain("addresses_unusable", error=str(error))

    def _complain(self, event: str, **facts: str) -> None:
        now = self._clock.monotonic()
        if now >= self._complain_at:
            self._complain_at = now + COMPLAIN_EVERY_S
            log.error(event, **facts)

    async def _keep(self) -> None:
        pools = await self._read_pools()
        if not pools and not pools_blocks.blocks(self._store):
            self._known = _Known()
            return
        if not await self._reconcile(pools):
            return
        specs = {pool.id: (pool.tenant_id, pool.spec) for pool in pools.values()}
        if jump_s := self._clock_was_set():
            self._renewed_at = float("-inf")
            await self._sync.shift(specs, jump_s)
        await self._renew(pools)
        await self._refill(pools)
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
                unowned_blocks=self._known.unowned.get(pool.id, 0),
            )
            for pool in self._known.pools.values()
        ]

    async def _read_pools(self) -> dict[int, _Pool]:
        async with self._database.transaction() as tx:
            found = await (await raw(tx)).fetch(pools_sql.POOLS, self._node)
        self._known.pools = {row["id"]: _pool_of(row) for row in found}
        return self._known.pools

    async def _reconcile(self, pools: dict[int, _Pool]) -> bool:
        """Make store and database agree on whose the blocks are; False: another node has them,
        by our name."""
        async with self._database.transaction() as tx:
            connection = await raw(tx)
            rows = await connection.fetch(pools_sql.BLOCKS, self._node)
            own = await self._own(connection)
        if not all(self._store.remembers(row["store"]) for row in rows):
            self._forget()
            async with self._database.transaction() as tx:
                connection = await raw(tx)
                if await connection.fetchval(pools_sql.TWIN, self._node):
                    self._complain("node_name_of_another", node=self._node)
                    return False
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
                self._add(block_id, row["network"], pool, own, held_until_s=until_s)
            elif known is not None and known.is_leaving:
                await self._give_back(block_id, known)
        for block_id, known in here.items():
            if block_id not in there:
                await self._claim(block_id, known)

        await self._withdraw(pools, own)
        await self._surrender()
        return True

    def _forget(self) -> None:
        """What this store holds is older than what the database has heard of it, or somebody
        else's: it is believed no more."""
        for block_id, block in pools_blocks.blocks(self._store).items():
            pools_blocks.drop(self._store, block_id, block)
        self._store.begin_anew()

    def _add(
        self, block_id: int, network: str, pool: _Pool, own: Own, *, held_until_s: int = 0
    ) -> None:
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

    async def _renew(self, pools: dict[int, _Pool]) -> None:
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

    def _is_new(self, pool: _Pool) -> bool:
        told = self._told.get(pool.id)
        return told is None or told.lease_s != pool.spec.lease_s

    async def _own(self, connection: asyncpg.Connection) -> Own:
        found: dict[int, list[Span]] = {}
        for row in await connection.fetch(pools_sql.OWN, self._node):
            found.setdefault(row["block_id"], []).append(span_of(ip_network(row["network"])))
        return {block_id: tuple(sorted(spans)) for block_id, spans in found.items()}

    async def _withdraw(self, pools: dict[int, _Pool], own: Own) -> None:
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

    def _note(self, block_id: int, network: Network, pool: _Pool, spans: tuple[Span, ...]) -> None:
        self._withdrawn[block_id] = (pool.spec, spans)
        if is_within(network, pool.spec):
            self._foreign.discard(block_id)
        else:
            self._foreign.add(block_id)

    async def _surrender(self) -> None:
        """Give back what a pool has lost, for another may have got it: once nobody uses it."""
        here = pools_blocks.blocks(self._store)
        self._foreign &= here.keys()
        given = 0
        for block_id in sorted(self._foreign):
            block = here[block_id]
            if block.is_leaving or pools_blocks.leave(self._store, block_id, block):
                await self._give_back(block_id, block)
                given += 1
                if given >= BLOCKS_AT_ONCE_MAX:
                    break
        if given:
            log.info("addresses_of_no_pool_given_back", blocks=given)

    async def _refill(self, pools: dict[int, _Pool]) -> None:
        counts = self._store.counts()
        for pool in pools.values():
            free = counts[pool.id].free if pool.id in counts else 0
            is_needy = free < pool.block_items
            if free < pool.wanted and (is_needy or not pool.needy):
                if is_needy or self._clock.monotonic() >= self._retry_at.get(pool.spec, 0.0):
                    await self._take(pool, pool.wanted - free)
            elif pool.needy and free >= 2 * pool.block_items and not await self._unowned(pool):
                await self._help(pool, max(1, free // pool.block_items // 2))

    async def _take(self, pool: _Pool, lacking: int) -> None:
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
                )
        self._known.unowned[pool.id] = max(0, len(unowned) - len(rows))
        if not rows:
            self._retry_at[pool.spec] = self._clock.monotonic() + RETRY_S
            return
        async with self._database.transaction() as tx:
            own = await self._own(await raw(tx))
        for row in rows:
            self._add(row["id"], row["network"], pool, own)
            await asyncio.sleep(0)
        log.info("addresses_taken", pool=pool.spec.name, blocks=len(rows))

    async def _unowned(self, pool: _Pool) -> int:
        async with self._database.transaction() as tx:
            unowned = len(await self._unowned_of(await raw(tx), pool))
        self._known.unowned[pool.id] = unowned
        return unowned

    async def _unowned_of(self, connection: asyncpg.Connection, pool: _Pool) -> Sequence[str]:
        taken = {row["network"] for row in await connection.fetch(pools_sql.TAKEN, pool.id)}
        every = (str(block) for block in blocks_of(pool.spec, pool.block_length))
        return [block for block in every if block not in taken]

    async def _help(self, pool: _Pool, number: int) -> None:
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
                await self._give_back(block_id, block)
                given += 1
        if given:
            log.info("addresses_given_back", pool=pool.spec.name, blocks=given)

    async def _give_back(self, block_id: int, block: Block) -> None:
        async with self._database.transaction() as tx:
            await (await raw(tx)).execute(pools_sql.GIVE_BACK, block_id, self._node, self._store.id)
        pools_blocks.drop(self._store, block_id, block)

    async def _tell_free(self) -> None:
        counts = self._store.counts()
        free = {
            number: counts[number].free if number in counts else 0 for number in self._known.pools
        }
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
                if number in self._known.pools and count.free == 0
            }
        except lmdb.Error:
            return
        for number in empty - self._is_low:
            log.error("pool_empty", pool=self._known.pools[number].spec.name)
        for number in self._is_low - empty:
            if number in self._known.pools:
                log.info("pool_not_empty_again", pool=self._known.pools[number].spec.name)
        self._is_low = empty


def _pool_of(row: asyncpg.Record) -> _Pool:
    return _Pool(
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
