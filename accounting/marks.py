"""Accounting-On and -Off: remembered for records that are still to come, and whom they close.

A mark may come late, when its box has been heard of since; so whoever began before it and is
still open takes it, and the rules say what that changes: nothing, the end, or that what came
after it is another session.  A session that is closed takes it with its next record, if ever:
only by what it was closed is then another word.

Knows the tables; what a mark means to a session is `accounting.walk`'s.
"""

from typing import Final, NamedTuple

import asyncpg

from accounting.identity import SessionKey
from accounting.points import Mark, nas_mark
from accounting.reading import Reading, digest

# A box that restarts without end must not make each of its records look at thousands, nor the
# database keep or read them.
REMEMBERED_MAX: Final = 64

Box = tuple[int, int, str]
"""(tenant, NAS, what it reports itself to be): the first three parts of a session's key."""


class Restart(NamedTuple):
    """A mark whose sessions are to be closed; done are those with numbers up to `after`."""

    box: Box
    mark: Mark
    after: int = 0


Closing = dict[bytes, tuple[SessionKey, Mark]]

_NOTE: Final = """
INSERT INTO nas_mark (tenant_id, nas_id, nas_reported, at_s, kind, received_at)
VALUES ($1, $2, $3, $4, $5, to_timestamp($6)) ON CONFLICT DO NOTHING
"""
_FORGET: Final = f"""
DELETE FROM nas_mark WHERE tenant_id = $1 AND nas_id = $2 AND nas_reported = $3
   AND at_s < (SELECT at_s FROM nas_mark
                WHERE tenant_id = $1 AND nas_id = $2 AND nas_reported = $3
                ORDER BY at_s DESC OFFSET {REMEMBERED_MAX - 1} LIMIT 1)
"""  # noqa: S608 - a constant
REMEMBERED: Final = f"""
SELECT m.tenant_id, m.nas_id, m.nas_reported, m.at_s, m.kind
  FROM unnest($1::bigint[], $2::bigint[], $3::text[]) AS box (tenant_id, nas_id, nas_reported)
 CROSS JOIN LATERAL (
    SELECT * FROM nas_mark AS x
     WHERE x.tenant_id = box.tenant_id AND x.nas_id = box.nas_id
       AND x.nas_reported = box.nas_reported
     ORDER BY x.at_s DESC, x.kind DESC LIMIT {REMEMBERED_MAX}
 ) AS m
"""  # noqa: S608
_OPEN: Final = """
SELECT id, acct_session_id, class_nonce FROM session
 WHERE tenant_id = $1 AND nas_id = $2 AND nas_reported = $3 AND stopped_at IS NULL
   AND started_at < to_timestamp($4) AND id > $5
 ORDER BY id LIMIT $6
"""
# Those that have been heard of since then need not be over.
_UNFINISHED: Final = """
SELECT m.tenant_id, m.nas_id, m.nas_reported, m.at_s, m.kind FROM nas_mark AS m
 WHERE EXISTS (
    SELECT FROM session AS s
     WHERE s.tenant_id = m.tenant_id AND s.nas_id = m.nas_id AND s.nas_reported = m.nas_reported
       AND s.stopped_at IS NULL AND s.last_seen_at < to_timestamp(m.at_s)
 )
 ORDER BY m.at_s, m.kind
"""


async def note(
    connection: asyncpg.Connection, reading: Reading
) -> tuple[dict[Box, list[Mark]], list[tuple[Box, Mark]]]:
    """The last marks of the batch's boxes, the latest first, and all that it brought itself."""
    fresh: dict[tuple[Box, Mark], None] = {}
    for record in reading.nas_records:
        box = (record.tenant_id, record.nas_id, record.reported)
        mark = nas_mark(record)
        told = await connection.execute(
            _NOTE, *box, mark.at_s, mark.kind, float(record.received_at_s)
        )
        if told == "INSERT 0 1":
            fresh[box, mark] = None
    for box in {box for box, _ in fresh}:
        await connection.execute(_FORGET, *box)
    marks: dict[Box, list[Mark]] = {}
    boxes = sorted({arrivals.key[:3] for arrivals in reading.groups.values()})
    if boxes:
        for tenant_id, nas_id, reported, at_s, kind in await connection.fetch(
            REMEMBERED, *map(list, zip(*boxes, strict=True))
        ):
            marks.setdefault((tenant_id, nas_id, reported), []).append(Mark(at_s, kind))
    return marks, list(fresh)


async def closing(
    connection: asyncpg.Connection, restart: Restart, at_once_max: int
) -> tuple[Closing, Restart | None]:
    """Sessions of the box that are open and began before the mark; and what is left of the
    restart after these."""
    box, mark, after = restart
    found = await connection.fetch(_OPEN, *box, float(mark.at_s), after, at_once_max)
    page: Closing = {}
    for _, acct_session_id, nonce in found:
        key = SessionKey(*box, acct_session_id, nonce)
        page[digest(key)] = (key, mark)
    is_all = len(found) < at_once_max
    return page, None if is_all else restart._replace(after=found[-1]["id"])


async def unfinished(connection: asyncpg.Connection) -> list[Restart]:
    """Restarts that have left sessions open: whoever was closing them was ended."""
    return [
        Restart((tenant_id, nas_id, reported), Mark(at_s, kind))
        for tenant_id, nas_id, reported, at_s, kind in await connection.fetch(_UNFINISHED)
    ]
