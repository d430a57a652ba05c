"""What a rebuild has to look at, gathered once into temporary tables of its connection.

- The sessions that have raw records in the range, by the records' own word.
- Orphans: records that name no session, or one that has no row.  Their packets are read to
  learn whose they are.  Dead letters are not among them, for they were not counted.
- The Accounting-Ons and -Offs of every box, for those of a week ago are in no other table.
- Sums of usage by session: the table has no index that finds them.  Usage is only added
  to, so what is settled (`usage_days.settle`) is summed once, and what came after is read
  with each page.

Knows tables and no rules.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
from sqlalchemy import text

from accounting import partitions, usage_days
from accounting.identity import SessionKey, session_key
from accounting.marks import Box
from accounting.points import Mark, nas_mark
from accounting.reading import digest
from accounting.records import NAS_STATUSES
from accounting.rederived import RawRecord, understood
from core.db import NodeDatabase, raw

PAGE: Final = 2_000
SETTLE_TRIES: Final = 60
SETTLE_AGAIN_S: Final = 1.0

_CREATE: Final = """
CREATE TEMP TABLE rebuild_wanted (session_id bigint PRIMARY KEY);
CREATE TEMP TABLE rebuild_session (session_id bigint PRIMARY KEY);
CREATE TEMP TABLE rebuild_orphan (
    name bytea, tenant_id bigint, nas_id bigint, nas_reported text, acct_session_id text,
    class_nonce text, received_at float8, session_id bigint, segment uuid, seq bigint,
    packet bytea, counted_as bigint);
CREATE INDEX ON rebuild_orphan (name);
CREATE TEMP TABLE rebuild_usage (
    session_id bigint, begins_s bigint, confidence smallint, input_octets numeric,
    output_octets numeric, session_time_s numeric);
CREATE INDEX ON rebuild_usage (session_id)
"""
_WANTED: Final = """
INSERT INTO rebuild_wanted
SELECT DISTINCT session_id FROM accounting_record WHERE session_id IS NOT NULL AND {where}
"""
RAW_COLUMNS: Final = """
tenant_id, extract(epoch FROM received_at)::float8 AS received_at, nas_id, session_id, segment,
seq, packet, counted_as
"""
# Of a session without a row one packet tells the key.
_LOST: Final = f"""
SELECT one.* FROM (
    SELECT w.session_id FROM rebuild_wanted AS w
     WHERE w.session_id > $1 AND NOT EXISTS (SELECT FROM session AS s WHERE s.id = w.session_id)
     ORDER BY 1 LIMIT $2
) AS lost CROSS JOIN LATERAL (
    SELECT {RAW_COLUMNS} FROM accounting_record AS r WHERE r.session_id = lost.session_id LIMIT 1
) AS one ORDER BY session_id
"""  # noqa: S608 - names of our own
_UNCLAIMED: Final = f"""
SELECT {RAW_COLUMNS} FROM accounting_record AS r
 WHERE session_id IS NULL
   AND NOT EXISTS (SELECT FROM dead_letter AS d WHERE d.segment = r.segment AND d.seq = r.seq)
"""  # noqa: S608 - names of our own
# With the other sessions of their keys.
_SESSIONS: Final = """
INSERT INTO rebuild_session
SELECT session_id FROM rebuild_wanted
 UNION
SELECT o.id FROM rebuild_wanted AS w JOIN session AS s ON s.id = w.session_id
  JOIN session AS o USING (tenant_id, acct_session_id, nas_id, nas_reported, class_nonce)
"""
_SUMS: Final = """
INSERT INTO rebuild_usage
SELECT session_id, extract(epoch FROM begins_at)::bigint, confidence, sum(input_octets),
       sum(output_octets), sum(session_time_s)
  FROM usage JOIN rebuild_session USING (session_id)
 WHERE id > $1 AND id <= $2
 GROUP BY session_id, begins_at, confidence ORDER BY session_id
"""
_OLDEST: Final = "SELECT min(received_at) FROM accounting_record"


@dataclass(frozen=True, slots=True)
class Scope:
    """What to rebuild: groups with a packet that came within a time, of one tenant or of all."""

    tenant_id: int | None = None
    start: datetime | None = None
    end: datetime | None = None

    @property
    def is_part(self) -> bool:
        return self.start is not None or self.end is not None

    def where(self) -> str:
        """A condition on raw records."""
        parts = ["true"]
        if self.tenant_id is not None:
            parts.append(f"tenant_id = {int(self.tenant_id)}")
        if self.start is not None:
            parts.append(f"received_at >= '{self.start.isoformat()}'")
        if self.end is not None:
            parts.append(f"received_at < '{self.end.isoformat()}'")
        return " AND ".join(parts)


@dataclass(slots=True)
class Survey:
    """What there is.  `summed_to` is the last row of usage in rebuild_usage."""

    whole_since_s: int
    marks: dict[Box, list[Mark]]
    summed_to: int = 0


async def survey(database: NodeDatabase, scope: Scope) -> Survey:
    """Fill the temporary tables; they stay with the one connection of `database`."""
    async with database.transaction() as tx:
        await tx.execute(text("SET LOCAL jit = off"))
        connection = await raw(tx)
        await connection.execute(_CREATE)
        await connection.execute(_WANTED.format(where=scope.where()))
        await connection.execute("ANALYZE rebuild_wanted")
        found = Survey(await _whole_since_s(connection), {})
        await _orphans(connection, scope, found)
        await connection.execute(_SESSIONS)
        await connection.execute("ANALYZE rebuild_session")
    await sum_usage(database, found)
    return found


async def sum_usage(database: NodeDatabase, found: Survey) -> None:
    """Take what was added to usage since into the sums."""
    up_to = await _settled(database)
    async with database.transaction() as tx:
        await tx.execute(text("SET LOCAL jit = off"))
        connection = await raw(tx)
        await connection.execute(_SUMS, found.summed_to, up_to)
        await connection.execute("ANALYZE rebuild_usage")
    found.summed_to = up_to


async def _settled(database: NodeDatabase) -> int:
    for _ in range(SETTLE_TRIES):
        try:
            async with database.transaction() as tx:
                return (await usage_days.settle(tx)).up_to
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(SETTLE_AGAIN_S)
    async with database.transaction() as tx:
        return (await usage_days.settle(tx)).up_to


async def _whole_since_s(connection: asyncpg.Connection) -> int:
    """The first second of the oldest day whose packets are kept."""
    days = await partitions.days(connection)
    if days:
        first = datetime(days[0].year, days[0].month, days[0].day, tzinfo=UTC)
        return int(first.timestamp())
    oldest: datetime | None = await connection.fetchval(_OLDEST)
    if oldest is None:
        return 0
    return int(oldest.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())


async def _orphans(connection: asyncpg.Connection, scope: Scope, found: Survey) -> None:
    last = -1
    while page := await connection.fetch(_LOST, last, PAGE):
        last = page[-1]["session_id"]
        await _keep(connection, page, scope, found)
    async for page in _pages(connection, _UNCLAIMED):
        await _keep(connection, page, scope, found)


async def _pages(connection: asyncpg.Connection, query: str) -> AsyncIterator[list[asyncpg.Record]]:
    cursor = await connection.cursor(query)
    while page := await cursor.fetch(PAGE):
        yield page


async def _keep(
    connection: asyncpg.Connection, page: list[asyncpg.Record], scope: Scope, found: Survey
) -> None:
    rows = []
    for row in page:
        one = RawRecord(*row)
        record = understood(one)
        if record is None:
            continue
        if record.status in NAS_STATUSES:
            box = (record.tenant_id, record.nas_id, record.reported)
            found.marks.setdefault(box, []).append(nas_mark(record))
            continue
        if scope.tenant_id not in (None, one.tenant_id):
            continue
        key = session_key(record)
        rows.append((digest(key), *key, *one[1:2], *one[3:]))
    await connection.copy_records_to_table("rebuild_orphan", schema_name="pg_temp", records=rows)


def key_of(row: asyncpg.Record) -> SessionKey:
    """The key in a row of session or rebuild_orphan."""
    return SessionKey(
        row["tenant_id"],
        row["nas_id"],
        row["nas_reported"],
        row["acct_session_id"],
        row["class_nonce"],
    )
