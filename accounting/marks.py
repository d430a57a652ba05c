"""Accounting-On and -Off: remembered for records that are still to come, and whom they close.

Knows the tables; what a mark means to a session is `accounting.walk`'s.
"""

from collections.abc import AsyncIterator
from typing import Final

import asyncpg

from accounting.identity import SessionKey
from accounting.points import Mark, nas_mark
from accounting.reading import Reading, digest

# A box that restarts without end must not make each of its records look at thousands.
REMEMBERED_MAX: Final = 64

Box = tuple[int, int, str]
"""(tenant, NAS, what it reports itself to be): the first three parts of a session's key."""

Closing = dict[bytes, tuple[SessionKey, Mark]]

_NOTE: Final = """
INSERT INTO nas_mark (tenant_id, nas_id, nas_reported, at_s, kind, received_at)
VALUES ($1, $2, $3, $4, $5, to_timestamp($6)) ON CONFLICT DO NOTHING
"""
_REMEMBERED: Final = """
SELECT tenant_id, nas_id, nas_reported, at_s, kind FROM nas_mark
 WHERE tenant_id = ANY ($1::bigint[]) AND nas_id = ANY ($2::bigint[]) ORDER BY at_s DESC
"""
_OPEN: Final = """
SELECT id, acct_session_id, class_nonce FROM session
 WHERE tenant_id = $1 AND nas_id = $2 AND nas_reported = $3 AND stopped_at IS NULL
   AND last_seen_at < to_timestamp($4) AND id > $5
 ORDER BY id LIMIT $6
"""


async def note(
    connection: asyncpg.Connection, reading: Reading
) -> tuple[dict[Box, list[Mark]], list[tuple[Box, Mark]]]:
    """All marks of the batch's boxes, the latest first, and those that it brought itself."""
    fresh: dict[tuple[Box, Mark], None] = {}
    for record in reading.nas_records:
        box = (record.tenant_id, record.nas_id, record.reported)
        mark = nas_mark(record)
        told = await connection.execute(
            _NOTE, *box, mark.at_s, mark.kind, float(record.received_at_s)
        )
        if told == "INSERT 0 1":
            fresh[box, mark] = None
    tenants = {arrivals.key.tenant_id for arrivals in reading.groups.values()}
    nases = {arrivals.key.nas_id for arrivals in reading.groups.values()}
    marks: dict[Box, list[Mark]] = {}
    for tenant_id, nas_id, reported, at_s, kind in await connection.fetch(
        _REMEMBERED, list(tenants), list(nases)
    ):
        known = marks.setdefault((tenant_id, nas_id, reported), [])
        if len(known) < REMEMBERED_MAX:
            known.append(Mark(at_s, kind))
    return marks, list(fresh)


async def closing(
    connection: asyncpg.Connection, box: Box, mark: Mark, at_once_max: int
) -> AsyncIterator[Closing]:
    """The sessions of the box that are open and were last heard of before the mark."""
    last = 0
    while True:
        found = await connection.fetch(_OPEN, *box, float(mark.at_s), last, at_once_max)
        if not found:
            return
        last = found[-1]["id"]
        page: Closing = {}
        for _, acct_session_id, nonce in found:
            key = SessionKey(*box, acct_session_id, nonce)
            page[digest(key)] = (key, mark)
        yield page
