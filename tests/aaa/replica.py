"""A directory kept current from a real database, and somebody who changes that by plain SQL."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import lmdb

from aaa.directory import Directory, DirectoryWriter, open_environment
from aaa.records import NasRecord, ProfileRecord, SubscriberRecord
from aaa.replicator import Errand, Replicator
from core.clock import Clock
from core.db import NodeDatabase, connect
from dictionaries import loader

MAP_OCTETS = 64 << 20
DICTIONARY = loader.load()


def environment_at(path: Path) -> lmdb.Environment:
    return open_environment(path, map_size_octets=MAP_OCTETS, readonly=False)


async def eventually(holds: Callable[[], bool], within_s: float = 5.0) -> None:
    """Wait until it holds; fail with the time that it was given."""
    async with asyncio.timeout(within_s):
        while not holds():  # noqa: ASYNC110 - LMDB and other processes tell nobody
            await asyncio.sleep(0.005)


@dataclass(frozen=True, slots=True)
class Replica:
    """What a worker would read, and the replicator that keeps it so."""

    replicator: Replicator
    directory: Directory
    writer: DirectoryWriter

    def subscriber(self, tenant_id: int, name: bytes) -> SubscriberRecord | None:
        self.directory.begin_turn()
        try:
            return self.directory.subscriber(tenant_id, name)
        finally:
            self.directory.end_turn()

    def nases(self) -> dict[str, NasRecord]:
        self.directory.begin_turn()
        try:
            return {record.name: record for record in self.directory.nases()}
        finally:
            self.directory.end_turn()

    def profiles(self) -> dict[str, ProfileRecord]:
        self.directory.begin_turn()
        try:
            return {record.code: record for record in self.directory.profiles()}
        finally:
            self.directory.end_turn()


@asynccontextmanager
async def replica(
    url: str,
    environment: lmdb.Environment,
    errands: Sequence[Errand] = (),
    stock: Errand | None = None,
) -> AsyncIterator[Replica]:
    """A replicator that runs, with a directory that is current when the block begins."""
    database = NodeDatabase(url)
    writer = DirectoryWriter(environment)
    one = Replicator(database, writer, DICTIONARY, Clock(), errands=errands, stock=stock)
    running = asyncio.create_task(one.run())
    try:
        await eventually(lambda: one.progress.connected or running.done(), 20.0)
        yield Replica(one, Directory(environment), writer)
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await database.dispose()
    if not running.cancelled():
        running.result()


class Isp:
    """One tenant as its owner writes it in SQL."""

    def __init__(self, sql: asyncpg.Connection, tenant_id: int) -> None:
        self.sql = sql
        self.tenant_id = tenant_id

    async def profile(self, code: str = "home-50") -> int:
        number: int = await self.sql.fetchval(
            "INSERT INTO profile (tenant_id, code) VALUES ($1, $2) RETURNING id",
            self.tenant_id,
            code,
        )
        return number

    async def nas(self, name: str = "bras-1", address: str = "192.0.2.1/32") -> int:
        number: int = await self.sql.fetchval(
            "INSERT INTO nas (tenant_id, name, address, secret_sealed)"
            " VALUES ($1, $2, $3::text::cidr, 'x') RETURNING id",
            self.tenant_id,
            name,
            address,
        )
        return number

    async def subscribers(self, profile_id: int, *names: str) -> list[int]:
        rows = await self.sql.fetch(
            "WITH made AS (INSERT INTO subscriber (tenant_id, username)"
            "   SELECT $1, unnest($2::text[]) RETURNING id),"
            " entitled AS (INSERT INTO entitlement (subscriber_id, tenant_id, profile_id)"
            "   SELECT id, $1, $3 FROM made)"
            " SELECT id FROM made ORDER BY id",
            self.tenant_id,
            names,
            profile_id,
        )
        return [row["id"] for row in rows]

    async def session(self, subscriber_id: int, acct_session_id: str = "81200001") -> int:
        """An open one, as ingest writes it."""
        number: int = await self.sql.fetchval(
            "INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce,"
            " generation, subscriber_id, username, calling_station, mac, circuit_id,"
            " nas_identifier, nas_address, nas_port_id, multi_session_id, started_at,"
            " last_seen_at, terminate_cause, closed_by, session_time_s, input_octets,"
            " output_octets, confidence) SELECT $1, 7, '', $3, '', 0, $2, '', 'station-a', '', '',"
            " '', '', '', '', now(), now(), 0, '', 0, 0, 0, 0 RETURNING id",
            self.tenant_id,
            subscriber_id,
            acct_session_id,
        )
        return number

    async def subscriber(self, profile_id: int, name: str = "alice") -> int:
        return (await self.subscribers(profile_id, name))[0]


@asynccontextmanager
async def isp(url: str) -> AsyncIterator[Isp]:
    """The tenant demo-isp of the database, by the owner's connection."""
    sql = await connect(url, None)
    try:
        tenant_id = await sql.fetchval("SELECT id FROM tenant WHERE code = 'demo-isp'")
        yield Isp(sql, tenant_id)
    finally:
        await sql.close()
