"""Nodes that give addresses out of one database, without their processes."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import asyncpg

from aaa.pools_keeper import PoolKeeper
from aaa.pools_plan import DELEGATED_PREFIX, IPV4, PoolSpec, block_length_of, network_of
from aaa.pools_store import AddressStore
from core.db import NodeDatabase
from tests.aaa.replica import isp
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


@dataclass(slots=True)
class Isp:
    """A tenant, its database, and the nodes that a test makes."""

    sql: asyncpg.Connection
    tenant_id: int
    database: NodeDatabase
    path: Path
    url: str

    def node(self, name: str = "a", directory: str = "") -> Node:
        return node(name, self.path / (directory or name), self.database)

    async def after_a_loss(self) -> Node:
        """Node a on another disk, a minute after its end."""
        await self.sql.execute("UPDATE pool_node SET seen_at = now() - interval '1 minute'")
        return self.node(directory="another disk")

    async def pool(self, *networks: str, **more: object) -> int:
        return await make_pool(self.sql, self.tenant_id, networks, **more)  # type: ignore[arg-type]

    async def leases(self) -> dict[str, int | None]:
        rows = await self.sql.fetch("SELECT address::text, subscriber_id FROM pool_lease")
        return {row["address"]: row["subscriber_id"] for row in rows}

    async def session(self, address: str, *, nonce: str = "", seen_s: int = 0) -> int:
        """An open one, last heard of so many seconds ago."""
        number: int = await self.sql.fetchval(
            "INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce,"
            " generation, username, calling_station, mac, circuit_id,"
            " nas_identifier, nas_address, nas_port_id, multi_session_id, started_at,"
            " last_seen_at, terminate_cause, closed_by, session_time_s, input_octets,"
            " output_octets, confidence, framed_ip) SELECT $1, 7, '', '1', $2, 0, '', '', '', '',"
            " '', '', '', '', now(), now() - make_interval(secs => $3), 0, '', 0, 0, 0, 0,"
            " $4::text::inet RETURNING id",
            *(self.tenant_id, nonce, seen_s, address.partition("/")[0]),
        )
        return number


@asynccontextmanager
async def pooled_isp(url: str, path: Path) -> AsyncIterator[Isp]:
    database = NodeDatabase(url)
    async with isp(url) as one:
        yield Isp(one.sql, one.tenant_id, database, path, url)
    await database.dispose()
