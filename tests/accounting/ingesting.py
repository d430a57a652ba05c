"""A node without its workers, for tests: packets into segments, ingest, and what came of it."""

import asyncio
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from accounting.batch import Batch, Observer
from accounting.ingest import Ingest
from accounting.marks import Restart
from accounting.reading import Portion, understand
from accounting.segment import SegmentWriter
from accounting.spool import Record
from accounting.spool_reader import Segment
from core.db import NodeDatabase, connect
from core.radius.packet import attribute

START, STOP, INTERIM, ON, OFF = 1, 2, 3, 7, 8
NOON_S = 1_767_268_800  # 2026-01-01 12:00:00 UTC
TENANT, NAS = 1, 11


def packet(
    status: int | None,
    at_s: int = 0,
    session_time_s: int | None = None,
    octets: tuple[int, int] = (0, 0),
    *,
    sid: str = "81200001",
    user: bytes = b"alice",
    station: bytes = b"02-00-00-00-00-01",
    ip: str = "198.51.100.7",
    nas: bytes = b"bras-1",
    port: bytes = b"ether1",
    more: bytes = b"",
) -> bytes:
    """An Accounting-Request of `at_s` seconds after noon.  Nobody checks its authenticator here."""
    parts = [attribute(55, (NOON_S + at_s).to_bytes(4, "big")), attribute(32, nas), more]
    if status is not None:
        parts.append(attribute(40, status.to_bytes(4, "big")))
    if status in (START, STOP, INTERIM):
        parts += [
            attribute(1, user),
            attribute(31, station),
            attribute(87, port),
            attribute(8, ipaddress.IPv4Address(ip).packed),
        ]
        if sid:
            parts.append(attribute(44, sid.encode()))
        for low, high, amount in ((42, 52, octets[0]), (43, 53, octets[1])):
            parts.append(attribute(low, (amount & 0xFFFFFFFF).to_bytes(4, "big")))
            if amount >> 32:
                parts.append(attribute(high, (amount >> 32).to_bytes(4, "big")))
        if session_time_s is not None:
            parts.append(attribute(46, session_time_s.to_bytes(4, "big")))
    attributes = b"".join(parts)
    return b"\x04\x01" + (20 + len(attributes)).to_bytes(2, "big") + bytes(16) + attributes


def spooled(octets: bytes, at_s: float, *, nas_id: int = NAS, tenant_id: int = TENANT) -> Record:
    return Record(NOON_S + at_s, tenant_id, nas_id, "192.0.2.1", 1646, octets)


def segment_of(
    root: Path, records: Sequence[Record], worker: str = "0", *, is_sealed: bool = True
) -> Segment:
    """A segment on disk.  Not sealed is: its writer was killed."""
    directory = root / worker
    directory.mkdir(parents=True, exist_ok=True)
    writer = SegmentWriter(directory, worker, now_s=float(NOON_S), now_monotonic=0.0)
    writer.append(records)
    if is_sealed:
        writer.seal()
    else:
        writer.set_aside()
    return Segment(writer.path)


def portion(segment: Segment, after_seq: int = 0, limit: int = 10_000) -> Portion:
    return Portion(UUID(segment.id), segment.worker, after_seq, segment.batch(after_seq, limit))


class Node:
    """One ingest on a database."""

    def __init__(self, url: str, *observers: Observer, name: str = "test") -> None:
        self.url = url
        self.database = NodeDatabase(url)
        self.ingest = Ingest(name, observers=observers)

    async def take(self, *portions: Portion) -> Batch:
        async with self.database.transaction() as tx:
            batch = await self.ingest.take(tx, understand(portions, {}))
        for restart in batch.restarts:  # as the drain does
            left: Restart | None = restart
            while left is not None:
                async with self.database.transaction() as tx:
                    _, left = await self.ingest.restart(tx, left)
        return batch

    async def tell(self, root: Path, *packets: tuple[float, bytes], nas_id: int = NAS) -> Batch:
        """Packets by their time of arrival, in a segment of their own."""
        records = [spooled(octets, at_s, nas_id=nas_id) for at_s, octets in packets]
        segment = segment_of(root, records)
        return await self.take(portion(segment))


async def rows(url: str, query: str, *arguments: object) -> list[dict[str, Any]]:
    """What the owner sees."""
    connection: asyncpg.Connection = await connect(url, None)
    try:
        return [dict(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def totals(url: str) -> dict[str, object]:
    """What must be equal however the same packets came: sessions, and sums of usage by quarter."""
    sessions = await rows(
        url,
        "SELECT nas_id, acct_session_id, generation, username, started_at, last_seen_at,"
        " stopped_at, closed_by, session_time_s, input_octets, output_octets, confidence"
        " FROM session ORDER BY nas_id, acct_session_id, generation",
    )
    usage = await rows(
        url,
        "SELECT s.acct_session_id, s.generation, u.begins_at, u.confidence,"
        " sum(u.input_octets)::bigint AS input_octets,"
        " sum(u.output_octets)::bigint AS output_octets, sum(u.session_time_s)::bigint AS seconds"
        " FROM usage u JOIN session s ON s.id = u.session_id GROUP BY 1, 2, 3, 4"
        " HAVING sum(u.input_octets) <> 0 OR sum(u.output_octets) <> 0"
        " OR sum(u.session_time_s) <> 0 ORDER BY 1, 2, 3, 4",
    )
    return {"sessions": sessions, "usage": usage}


async def until(claim: Any, timeout_s: float = 20.0) -> None:
    """Wait until `claim()`, awaited, is true."""
    async with asyncio.timeout(timeout_s):
        while not await claim():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(0.02)
