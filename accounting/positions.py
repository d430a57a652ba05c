"""How far each segment is in the database, and when a position may be forgotten.

A position that is forgotten while its segment is still on some disk has its records counted
once more, so only age and a disk together tell.  Each node says every hour which segments are
on its own: their positions become young again.  What was not on it for a week is forgotten by
the node itself (a week, because a power cut may bring back what was unlinked).  Where a node
has not been heard of for a month, the others forget what was not on its disk on its last day.

What was stays for good.  The node may be switched on again after any time, and then goes on
where it stopped; no other trace would do instead: raw packets, which name their segment too,
are dropped after `keep_raw_days`, and a key whose group has forgotten its points cannot tell
an old record of a former session from a new one.  The price is a row for each segment that a
node left behind when it went, which is one a worker, or what it could not drain.
"""

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

import asyncpg

_MAKE: Final = """
INSERT INTO spool_position (segment, worker, node, seq)
SELECT segment, worker, $3, 0 FROM unnest($1::uuid[], $2::text[]) AS s (segment, worker)
 ORDER BY segment ON CONFLICT (segment) DO NOTHING
"""
_LOCK: Final = """
SELECT segment, seq FROM spool_position WHERE segment = ANY ($1::uuid[])
 ORDER BY segment FOR UPDATE
"""
_KNOWN: Final = "SELECT segment, seq FROM spool_position WHERE segment = ANY ($1::uuid[])"
_ADVANCE: Final = """
UPDATE spool_position AS p SET seq = s.seq, updated_at = now()
  FROM unnest($1::uuid[], $2::bigint[]) AS s (segment, seq) WHERE p.segment = s.segment
"""
# Who is being drained just now is young enough.
_PRESENT: Final = """
UPDATE spool_position SET updated_at = now()
 WHERE segment = ANY (ARRAY (
    SELECT segment FROM spool_position
     WHERE segment = ANY ($1::uuid[]) AND updated_at < now() - interval '1 hour'
     ORDER BY segment FOR UPDATE SKIP LOCKED
 ))
"""
_FORGET: Final = """
DELETE FROM spool_position
 WHERE node = $1 AND updated_at < now() - interval '7 days' AND segment <> ALL ($2::uuid[])
"""
# By what it said itself, and not by our clock: one that is a month ahead forgets no more.
_FORGET_OTHERS: Final = """
DELETE FROM spool_position AS p
 USING (SELECT node, max(updated_at) AS heard_at FROM spool_position GROUP BY node) AS other
 WHERE p.node = other.node AND p.node <> $1
   AND other.heard_at < now() - interval '30 days'
   AND p.updated_at < other.heard_at - interval '1 day'
"""


async def locked(
    connection: asyncpg.Connection, segments: Mapping[UUID, str], node: str
) -> dict[UUID, int]:
    """The positions of segments by their worker, for this transaction alone; new ones are 0."""
    await connection.execute(_MAKE, list(segments), list(segments.values()), node)
    found = await connection.fetch(_LOCK, list(segments))
    return {row["segment"]: row["seq"] for row in found}


async def known(connection: asyncpg.Connection, asked: Collection[UUID]) -> dict[UUID, int]:
    """Where the database is in these segments; 0: it does not know the segment."""
    found = {row["segment"]: row["seq"] for row in await connection.fetch(_KNOWN, list(asked))}
    return {segment: found.get(segment, 0) for segment in asked}


async def advance(connection: asyncpg.Connection, reached: Mapping[UUID, int]) -> None:
    """Everything up to there is counted."""
    await connection.execute(_ADVANCE, list(reached), list(reached.values()))


async def prune(connection: asyncpg.Connection, node: str, present: Collection[UUID]) -> None:
    """Forget what cannot come any more; `present` are the segments on this node's disk."""
    await connection.execute(_PRESENT, list(present))
    await connection.execute(_FORGET, node, list(present))
    await connection.execute(_FORGET_OTHERS, node)
