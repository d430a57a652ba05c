"""What the sweeper asks the database about open sessions, and how it marks the doubtful ones.

A box's sessions are added up there, by when they were last heard of and how often they
report, so that a million of them are some hundred rows here; single sessions leave the
database only when something is to be done about them.

Knows tables and no rules.
"""

from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg

from accounting.closing import Silence
from accounting.identity import SessionKey
from accounting.marks import Box

PAGE: Final = 1_000
TIMEOUT_S: Final = 60.0  # of one statement

# Without statistics, PostgreSQL would read the whole table for what the index tells.
SETTINGS: Final = "SET enable_seqscan = off; SET jit = off"

# From one NAS to the next by the index, however many sessions each has.
NASES: Final = """
WITH RECURSIVE one AS (
    (SELECT tenant_id, nas_id FROM session WHERE stopped_at IS NULL
      ORDER BY tenant_id, nas_id LIMIT 1)
    UNION ALL
    SELECT n.tenant_id, n.nas_id FROM one CROSS JOIN LATERAL (
        SELECT s.tenant_id, s.nas_id FROM session AS s
         WHERE s.stopped_at IS NULL AND (s.tenant_id, s.nas_id) > (one.tenant_id, one.nas_id)
         ORDER BY s.tenant_id, s.nas_id LIMIT 1
    ) AS n
)
SELECT tenant_id, nas_id FROM one
"""
# How far each NAS's clock is off, by its last reports of today or yesterday.
_SKEWS: Final = """
SELECT DISTINCT ON (tenant_id, nas_id) tenant_id, nas_id, skew_s FROM nas_day
 WHERE day >= $1 AND skew_s IS NOT NULL ORDER BY tenant_id, nas_id, day DESC
"""
OPEN: Final = """
SELECT nas_reported, interval_s, count(*) AS sessions,
       extract(epoch FROM min(last_seen_at))::bigint AS oldest_s
  FROM session
 WHERE tenant_id = $1 AND nas_id = $2 AND stopped_at IS NULL
 GROUP BY nas_reported, interval_s
"""
_SILENT: Final = """
SELECT extract(epoch FROM last_seen_at)::bigint AS last_seen_s, interval_s,
       count(*) AS sessions, count(silent_since) AS known
  FROM session
 WHERE tenant_id = $1 AND nas_id = $2 AND nas_reported = $3 AND stopped_at IS NULL
   AND last_seen_at < to_timestamp($4)
 GROUP BY 1, 2
"""
_SINGLE: Final = """
SELECT s.id, s.acct_session_id, s.class_nonce,
       extract(epoch FROM s.last_seen_at)::bigint AS last_seen_s
  FROM session AS s
  JOIN unnest($4::bigint[], $5::int[]) AS w (last_seen_s, interval_s)
    ON extract(epoch FROM s.last_seen_at)::bigint = w.last_seen_s AND s.interval_s = w.interval_s
 WHERE s.tenant_id = $1 AND s.nas_id = $2 AND s.nas_reported = $3 AND s.stopped_at IS NULL
   AND (NOT $6::boolean OR s.silent_since IS NULL) AND s.id > $7
 ORDER BY s.id LIMIT $8
"""
# Of those that an ingest holds just now something was heard.
_DOUBT: Final = """
UPDATE session AS s SET silent_since = s.last_seen_at
  FROM (
    SELECT t.id FROM session AS t
      JOIN unnest($1::bigint[], $2::bigint[]) AS w (id, last_seen_s) ON t.id = w.id
     WHERE t.last_seen_at = to_timestamp(w.last_seen_s)
       AND t.stopped_at IS NULL AND t.silent_since IS NULL
     ORDER BY t.id FOR UPDATE OF t SKIP LOCKED
  ) AS found
 WHERE s.id = found.id RETURNING s.id
"""
_GAP: Final = """
INSERT INTO nas_day AS d (tenant_id, nas_id, day, silent_gaps, silent_s) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant_id, nas_id, day) DO UPDATE
   SET silent_gaps = d.silent_gaps + excluded.silent_gaps,
       silent_s = d.silent_s + excluded.silent_s
"""


class Open(NamedTuple):
    """The open sessions of a box that report in the same interval."""

    reported: str
    interval_s: int
    sessions: int
    oldest_s: int  # when that one of them was last heard of


class Silent(NamedTuple):
    """Those of a box that were last heard of at the same time, and how many are marked."""

    silence: Silence
    known: int


class Single(NamedTuple):
    id: int
    key: SessionKey
    last_seen_s: int


async def nases(connection: asyncpg.Connection) -> list[tuple[int, int]]:
    """Every (tenant, NAS) that has an open session."""
    return [tuple(row) for row in await connection.fetch(NASES, timeout=TIMEOUT_S)]


async def skews(connection: asyncpg.Connection, yesterday_s: int) -> dict[tuple[int, int], int]:
    """How far the clocks of NASes are ahead of ours, where that is known."""
    day = datetime.fromtimestamp(yesterday_s, UTC).date()
    return {
        (tenant_id, nas_id): skew_s
        for tenant_id, nas_id, skew_s in await connection.fetch(_SKEWS, day, timeout=TIMEOUT_S)
    }


async def open_of(connection: asyncpg.Connection, tenant_id: int, nas_id: int) -> list[Open]:
    return [Open(*row) for row in await connection.fetch(OPEN, tenant_id, nas_id, timeout=600)]


async def silent_of(connection: asyncpg.Connection, box: Box, before_s: int) -> list[Silent]:
    """The box's open sessions that were last heard of before that."""
    found = await connection.fetch(_SILENT, *box, float(before_s), timeout=TIMEOUT_S)
    return [Silent(Silence(*row[:3]), row["known"]) for row in found]


async def single(
    connection: asyncpg.Connection,
    box: Box,
    silences: Collection[Silence],
    *,
    unmarked: bool = False,
) -> AsyncIterator[list[Single]]:
    """The sessions that were meant, by pages; with `unmarked`, only those not yet doubted."""
    seen = [one.last_seen_s for one in silences]
    intervals = [one.interval_s for one in silences]
    after = 0
    while True:
        found = await connection.fetch(
            _SINGLE, *box, seen, intervals, unmarked, after, PAGE, timeout=TIMEOUT_S
        )
        page = [
            Single(session_id, SessionKey(*box, acct_session_id, nonce), last_seen_s)
            for session_id, acct_session_id, nonce, last_seen_s in found
        ]
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1].id


async def doubt(connection: asyncpg.Connection, page: Collection[Single]) -> list[int]:
    """Mark sessions of which nobody can tell; returns those that were marked."""
    found = await connection.fetch(
        _DOUBT, [one.id for one in page], [one.last_seen_s for one in page], timeout=TIMEOUT_S
    )
    return [row["id"] for row in found]


async def note_gap(
    connection: asyncpg.Connection, box: Box, now_s: int, gaps: int, silent_s: int
) -> None:
    """Count a blackout of a box."""
    day = datetime.fromtimestamp(now_s, UTC).date()
    await connection.execute(_GAP, *box[:2], day, gaps, silent_s)
