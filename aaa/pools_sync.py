"""Who has which address, from this node's store to the database; and what of it is over.

A lease is over with the Stop of its session, which the node sees itself or is told of, or when
its time has passed and no session is known that still has it.  Interims are not written down:
when a lease is due, the sessions tell when they were last heard of.  Until the database has
answered, nothing that is due is free.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from ipaddress import ip_network
from math import inf
from typing import Final

import structlog

from aaa import pools_blocks, pools_sql
from aaa.pools_plan import ITEMS_MAX, PoolSpec, network_of
from aaa.pools_records import LEASED, Held, key_of, subscriber_of
from aaa.pools_store import AddressStore
from core.clock import Clock
from core.db import NodeDatabase, raw

log = structlog.get_logger()

ITEMS_AT_ONCE: Final = 1_000
ROUNDS_MAX: Final = 20  # of these, in one pass
ASK_AGAIN_S: Final = 600  # of what an open session still has

Pools = Mapping[int, tuple[int, PoolSpec]]
"""Tenant and pool, by the pool's id."""


class PoolSync:
    """Of one node."""

    def __init__(
        self, node: str, store: AddressStore, database: NodeDatabase, clock: Clock
    ) -> None:
        self._node = node
        self._store = store
        self._database = database
        self._clock = clock

    async def step(self, pools: Pools) -> None:
        """Tell what changed; let go what is over."""
        await self._end()
        await self._due(pools)
        for _ in range(ROUNDS_MAX):
            if await self._tell(pools) < ITEMS_AT_ONCE:
                break

    async def shift(self, pools: Pools, jump_s: float) -> None:
        """The wall's clock was set, and leases end when they would have ended."""
        now_s = self._clock.unix_s()
        held = [
            one for one in pools_blocks.due(self._store, inf, ITEMS_MAX) if one.pool_id in pools
        ]
        for start in range(0, len(held), ITEMS_AT_ONCE):
            # What was given since by a clock that went back ends in time as it is.
            shifted = [
                (one, int(one.item.until_s + jump_s))
                for one in held[start : start + ITEMS_AT_ONCE]
                if jump_s > 0 or one.item.until_s > now_s + pools[one.pool_id][1].lease_s
            ]
            pools_blocks.settle(self._store, shifted)
            await asyncio.sleep(0)

    async def _tell(self, pools: Pools) -> int:
        found = pools_blocks.unsaid(self._store, ITEMS_AT_ONCE)
        if not found:
            return 0
        leased = [one for one in found if one.item.state == LEASED and one.pool_id in pools]
        freed = [one for one in found if one.item.state != LEASED and one.pool_id in pools]
        async with self._database.transaction() as tx:
            connection = await raw(tx)
            if freed:
                await connection.execute(
                    pools_sql.FREED,
                    self._node,
                    [one.item.block_id for one in freed],
                    [_address(one, pools) for one in freed],
                )
            if leased:
                addresses = [_address(one, pools) for one in leased]
                told = await connection.fetch(
                    pools_sql.LEASED,
                    self._node,
                    [one.item.block_id for one in leased],
                    addresses,
                    [subscriber_of(one.item.holder) or None for one in leased],
                    [one.item.nonce.decode() for one in leased],
                    [one.item.given_s or None for one in leased],
                    [one.item.until_s for one in leased],
                )
                for address in {*addresses} - {row["address"] for row in told}:
                    log.error("address_of_another_node", address=address)
        pools_blocks.said(self._store, found)
        return len(found)

    async def _end(self) -> None:
        """What other nodes saw the Stop of."""
        async with self._database.transaction() as tx:
            rows = await (await raw(tx)).fetch(pools_sql.ENDED, self._node, ITEMS_AT_ONCE)
        if not rows:
            return
        nonces = {
            key_of(row["pool_id"], ip_network(row["address"]).network_address.packed): row[
                "class_nonce"
            ].encode()
            for row in rows
        }
        found = pools_blocks.find(self._store, nonces)
        over = [(Held(key, item), None) for key, item in found.items() if item.nonce == nonces[key]]
        pools_blocks.settle(self._store, over)

    async def _due(self, pools: Pools) -> None:
        now_s = self._clock.unix_s()
        by_kind: dict[str, list[Held]] = defaultdict(list)
        for one in pools_blocks.due(self._store, now_s, ITEMS_AT_ONCE):
            if one.pool_id in pools:
                by_kind[pools[one.pool_id][1].kind].append(one)
        for kind, held in by_kind.items():
            longest_s = max(pools[one.pool_id][1].lease_s for one in held)
            async with self._database.transaction() as tx:
                connection = await raw(tx)
                behind_s: float = await connection.fetchval(pools_sql.COUNTED, float(longest_s))
                rows = await connection.fetch(
                    pools_sql.still_used(kind),
                    [pools[one.pool_id][0] for one in held],
                    [_address(one, pools) for one in held],
                )
            used = {row["number"]: (row["is_open"], row["seen_s"]) for row in rows}
            freed = pools_blocks.settle(
                self._store, self._judged(held, used, pools, int(now_s), max(0, int(behind_s)))
            )
            if freed:
                log.info("leases_over", kind=kind, leases=freed)

    def _judged(
        self,
        held: Sequence[Held],
        used: Mapping[int, tuple[bool, float | None]],
        pools: Pools,
        now_s: int,
        behind_s: int,
    ) -> list[tuple[Held, int | None]]:
        """Until when each is to be kept; None: it is over."""
        verdicts: list[tuple[Held, int | None]] = []
        for number, one in enumerate(held):
            lease_s = pools[one.pool_id][1].lease_s
            is_open, seen_s = used.get(number, (False, None))
            until_s = one.item.until_s
            if seen_s is not None:
                until_s = max(until_s, now_s - int(seen_s) + lease_s)
            if is_open:  # the sweeper says when it is over, or that nobody knows
                until_s = max(until_s, now_s + min(lease_s, ASK_AGAIN_S))
            until_s += behind_s if until_s <= now_s else 0
            verdicts.append((one, until_s if until_s > now_s else None))
        return verdicts


def _address(one: Held, pools: Pools) -> str:
    return str(network_of(one.packed, pools[one.pool_id][1].prefix_length))
