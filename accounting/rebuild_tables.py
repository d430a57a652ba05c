"""What the tables hold of groups, and their raw packets, in a handful of statements.

Runs in whatever transaction it is given: a snapshot for a check, locks for a correction.
Knows tables and no rules.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import asyncpg

from accounting import staging
from accounting.corrections import FIELDS, Kept
from accounting.folded import session_pairs
from accounting.identity import SessionKey
from accounting.marks import Box
from accounting.points import Mark
from accounting.rebuild_survey import RAW_COLUMNS
from accounting.rederived import RawRecord, Told, told
from accounting.usage import Amounts

# Plans that go from a page of keys to rows by their indexes, whatever the statistics say.
SETTINGS: Final = """
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true)
"""
_MOMENTS: Final = ("started_at", "last_seen_at", "stopped_at")
_ADDRESSES: Final = ("framed_ip", "framed_ipv6", "delegated_ipv6")


def _column(name: str) -> str:
    if name in _MOMENTS:
        return f"extract(epoch FROM s.{name})::bigint"
    return f"coalesce(abbrev(s.{name}), '')" if name in _ADDRESSES else f"s.{name}"


_ROWS: Final = f"""
SELECT k.name, {", ".join(map(_column, FIELDS))}
  FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[])
       AS k (name, tenant_id, nas_id, nas_reported, acct_session_id, class_nonce)
  JOIN session AS s ON s.tenant_id = k.tenant_id AND s.acct_session_id = k.acct_session_id
   AND s.nas_id = k.nas_id AND s.nas_reported = k.nas_reported AND s.class_nonce = k.class_nonce
"""  # noqa: S608 - names of our own
_GROUPS: Final = """
SELECT key, sessions, state, abouts FROM session_group WHERE key = ANY ($1::bytea[])
"""
_ORPHAN_SESSIONS: Final = """
SELECT name, session_id FROM rebuild_orphan
 WHERE name = ANY ($1::bytea[]) AND session_id IS NOT NULL
"""
_COUNTS: Final = """
SELECT session_id, count(*) FROM accounting_record
 WHERE session_id = ANY ($1::bigint[]) GROUP BY 1
"""
_RAW: Final = f"""
SELECT {RAW_COLUMNS} FROM accounting_record WHERE session_id = ANY ($1::bigint[])
"""  # noqa: S608 - names of our own
# Dead letters that were counted since name their session by now.
_UNCLAIMED: Final = """
SELECT tenant_id, received_at, nas_id, NULL::bigint, segment, seq, packet, counted_as
  FROM rebuild_orphan WHERE name = ANY ($1::bytea[]) AND session_id IS NULL
"""
_MARKS: Final = """
SELECT tenant_id, nas_id, nas_reported, at_s, kind FROM nas_mark WHERE nas_id = ANY ($1::bigint[])
"""
_USAGE: Final = """
SELECT session_id, begins_s, confidence, sum(input_octets) AS i, sum(output_octets) AS o,
       sum(session_time_s) AS t
  FROM (
    SELECT * FROM rebuild_usage WHERE session_id = ANY ($1::bigint[])
     UNION ALL
    SELECT session_id, extract(epoch FROM begins_at)::bigint, confidence, input_octets,
           output_octets, session_time_s
      FROM usage WHERE id > $2 AND session_id = ANY ($1::bigint[])
  ) AS rows
 GROUP BY 1, 2, 3
"""


async def kept_of(
    connection: asyncpg.Connection, keys: Mapping[bytes, SessionKey], *, locked: bool = False
) -> dict[bytes, Kept]:
    """Groups and sessions; `locked` as ingest locks them.  History and usage are not in yet."""
    found = {name: Kept(name, key) for name, key in keys.items()}
    names = sorted(found)
    groups = await connection.fetch(staging.LOCK_GROUPS if locked else _GROUPS, names)
    for name, sessions, state, abouts in groups:
        kept = found[name]
        kept.sessions, kept.state, kept.abouts = session_pairs(sessions), state, abouts
    columns = zip(*(keys[name] for name in names), strict=True)
    tenants, nases, reported, acct_session_ids, nonces = map(list, columns)
    for row in await connection.fetch(
        _ROWS, names, tenants, nases, reported, acct_session_ids, nonces
    ):
        name, *rest = row
        found[name].rows[row["generation"]] = tuple(rest)
    return found


async def session_ids_of(
    connection: asyncpg.Connection, kept: Mapping[bytes, Kept]
) -> dict[bytes, set[int]]:
    """Every session that a record of these groups may have been counted to."""
    ids = {name: one.session_ids() for name, one in kept.items()}
    for name, session_id in await connection.fetch(_ORPHAN_SESSIONS, sorted(kept)):
        ids[name].add(session_id)
    return ids


async def record_counts(
    connection: asyncpg.Connection, session_ids: Collection[int]
) -> dict[int, int]:
    """How many raw records name each session."""
    found = await connection.fetch(_COUNTS, sorted(session_ids))
    return {row[0]: row[1] for row in found}


async def told_of(
    connection: asyncpg.Connection, kept: Sequence[Kept], session_ids: Collection[int]
) -> dict[SessionKey, Told]:
    """What the raw packets of these groups say."""
    raws = await connection.fetch(_RAW, sorted(session_ids))
    raws += await connection.fetch(_UNCLAIMED, sorted(one.name for one in kept))
    raws.sort(key=lambda row: (row["received_at"], row["segment"], row["seq"]))
    return told([one.key for one in kept], (RawRecord(*row) for row in raws))


async def marks_of(connection: asyncpg.Connection, kept: Collection[Kept]) -> dict[Box, set[Mark]]:
    """The Accounting-Ons and -Offs that are still remembered for these groups' boxes."""
    found: dict[Box, set[Mark]] = {one.key[:3]: set() for one in kept}
    nases = sorted({box[1] for box in found})
    for tenant_id, nas_id, reported, at_s, kind in await connection.fetch(_MARKS, nases):
        marks = found.get((tenant_id, nas_id, reported))
        if marks is not None:
            marks.add(Mark(at_s, kind))
    return found


async def add_details(
    connection: asyncpg.Connection,
    kept: Mapping[bytes, Kept],
    of: Mapping[SessionKey, Told],
    summed_to: int,
) -> None:
    """History and usage, of the sessions that are stored and those that the packets name."""
    owner: dict[int, Kept] = {}
    for one in kept.values():
        for session_id in {*of[one.key].lineage, *one.session_ids()}:
            owner[session_id] = one
    for row in await connection.fetch(staging.HISTORY, sorted(kept)):
        kept[row["key"]].history[row["number"]] = row["points"]
    for session_id, begins_s, confidence, received, sent, seconds in await connection.fetch(
        _USAGE, sorted(owner), summed_to
    ):
        amounts = Amounts(int(received), int(sent), int(seconds))
        if any(amounts):
            owner[session_id].usage[session_id, begins_s, confidence] = amounts
