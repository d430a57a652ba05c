"""Nodes that give addresses out of one database, without their processes."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import asyncpg

from aaa.pools_keeper import PoolKeeper
from aaa.pools_plan import DELEGATED_PREFIX, IPV4, PoolSpec, block_length_of, network_of
from aaa.pools_store import AddressStore
from core.db import NodeDatabase
from tests.aaa.world import ManualClock

COLUMN = {IPV4: "ipv4_pool_id", DELEGATED_PREFIX: "delegated_pool_id"}


def nonce_of(number: int) -> bytes:
    return b"%016x" % number


@dataclass(slots=True)
class Node:
    """One node: its store, its keeper and a clock that is turned by hand."""

    name: str
    store: AddressStore
    keeper: PoolKeeper
    clock: ManualClock

    def lease(self, pool_id: int, subscriber: int, nonce: int = 0, device: bytes = b"mac") -> str:
        [given] = self.store.lease(
            [pool_id], subscriber, device, nonce_of(nonce or subscriber), self.clock.unix_s()
        )
        return str(network_of(given.packed, given.prefix_length))

    def stop(self, subscriber: int, nonce: int = 0) -> int:
        return self.store.release(subscriber, nonce_of(nonce or subscriber))

    def free(self, pool_id: int) -> int:
        return self.store.counts()[pool_id].free


def node(name: str, path: Path, database: NodeDatabase, clock: ManualClock | None = None) -> Node:
    clock = clock or ManualClock()
    store = AddressStore(path)
    return Node(name, store, PoolKeeper(name, store, database, clock), clock)


async def make_pool(
    sql: asyncpg.Connection,
    tenant_id: int,
    networks: Sequence[str] = ("10.0.0.0/24",),
    *,
    name: str = "home",
    kind: str = IPV4,
    prefix_length: int = 32,
    exclude: Sequence[str] = (),
    lease_s: int = 3600,
    hold_s: int = 3600,
) -> int:
    """A pool with a plan that names it, by plain SQL."""
    spec = PoolSpec(
        name, kind, tuple(map(ip_network, networks)), prefix_length, tuple(exclude), lease_s, hold_s
    )
    pool_id: int = await sql.fetchval(
        "INSERT INTO pool (tenant_id, name, kind, prefix_length, block_length, exclude, lease_s,"
        " hold_s) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
        *(tenant_id, name, kind, prefix_length, block_length_of(spec), list(exclude)),
        *(lease_s, hold_s),
    )
    await sql.execute(
        "INSERT INTO pool_network (pool_id, tenant_id, network)"
        " SELECT $1, $2, unnest($3::text[])::cidr",
        *(pool_id, tenant_id, list(networks)),
    )
    await sql.execute(
        f"INSERT INTO profile (tenant_id, code, {COLUMN[kind]}) VALUES ($1, $2, $3)",
        *(tenant_id, f"plan of {name}", pool_id),
    )
    return pool_id
