"""Records that could not be counted: shown to people, and tried again when they say so.

A retry goes the way of every record.  What is counted then leaves the table; what still
cannot be stays, with the reason of today.  Its NAS is taken as it is now.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
from sqlalchemy import select

from accounting import staging
from accounting.batch import Batch
from accounting.ingest import Ingest
from accounting.models import DeadLetter
from accounting.nas_views import views_in
from accounting.reading import COUNTED_AS_AT, SESSION_AT, Portion, Reading, understand
from accounting.records import NasView
from accounting.spool_reader import SpooledRecord
from accounting.trouble import in_a_line, is_the_worlds
from core.db import NodeDatabase, Tx
from core.errors import NotFound

LIMIT_MAX: Final = 10_000

_READ: Final = """
SELECT id, tenant_id, extract(epoch FROM received_at)::float8 AS received_at, nas_id, source,
       packet, segment, seq
  FROM dead_letter WHERE tenant_id = $1 AND id = $2 FOR UPDATE
"""
_COUNTED: Final = "DELETE FROM dead_letter WHERE id = $1"
_STILL: Final = "UPDATE dead_letter SET reason = $2, retried_at = now() WHERE id = $1"
_LINEAGE: Final = """
UPDATE accounting_record SET session_id = $4, counted_as = $5
 WHERE received_at = to_timestamp($1) AND segment = $2 AND seq = $3
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """One of them."""

    id: int
    received_at: datetime
    nas_id: int
    source: str
    reason: str
    retried_at: datetime | None
    packet: bytes


@dataclass(slots=True)
class Retried:
    counted: int = 0
    still_dead: int = 0
    stood_in: int = 0  # counted; whoever watches ingest failed at them, and works them out anew


async def newest(
    tx: Tx, limit: int = 50, *, before: int | None = None, reason: str | None = None
) -> list[Letter]:
    """The tenant's dead letters, newest first; those with ids below `before`."""
    assert 1 <= limit <= LIMIT_MAX
    query = select(DeadLetter).order_by(DeadLetter.id.desc()).limit(limit)
    if before is not None:
        query = query.where(DeadLetter.id < before)
    if reason is not None:
        query = query.where(DeadLetter.reason == reason)
    return [
        Letter(
            row.id,
            row.received_at,
            row.nas_id,
            row.source,
            row.reason,
            row.retried_at,
            row.packet,
        )
        for row in await tx.scalars(query)
    ]


async def reasons(tx: Tx) -> list[str]:
    """Those that the tenant's dead letters have, by the alphabet."""
    return list(await tx.scalars(select(DeadLetter.reason).distinct().order_by(DeadLetter.reason)))


async def require(tx: Tx, ids: Collection[int]) -> None:
    """Return if each of these is a dead letter of the tenant.

    Raises:
        NotFound: one is not; the text names those that are not.
    """
    found = await tx.scalars(select(DeadLetter.id).where(DeadLetter.id.in_(ids)))
    missing = sorted(set(ids) - set(found))
    if missing:
        named = ", ".join(map(str, missing[:10]))
        raise NotFound(f"no dead letter {named}: see turnpike accounting dead-letters list")


async def retry(
    database: NodeDatabase, ingest: Ingest, tenant_id: int, ids: Sequence[int]
) -> Retried:
    """Try each of these once more, in a transaction of its own."""
    told = Retried()
    for number in sorted(ids):
        try:
            async with database.transaction() as tx:
                found = await _retry(tx, ingest, tenant_id, number)
        except Exception as error:
            # What the rules still fail at stays a dead letter, with this as its reason.
            if is_the_worlds(error):
                raise
            found = f"bug: {in_a_line(error)}"
        if found is None:
            continue
        if isinstance(found, Batch):
            told.counted += 1
            told.stood_in += found.stood_in
            continue
        told.still_dead += 1
        async with database.transaction() as tx:
            connection = await staging.begin(tx)
            await connection.execute(_STILL, number, found)
    return told


async def _retry(tx: Tx, ingest: Ingest, tenant_id: int, number: int) -> Batch | str | None:
    """What it did, now that it is counted.  Else why it is not.  None: it is gone."""
    connection = await staging.begin(tx)
    row = await connection.fetchrow(_READ, tenant_id, number)
    if row is None:
        return None
    reading = _reading(row, await views_in(connection, row["nas_id"]))
    if reading.dead:
        return reading.dead[0].reason
    batch = await ingest.again(tx, reading)
    [raw_row] = reading.raw
    await connection.execute(
        _LINEAGE,
        row["received_at"],
        row["segment"],
        row["seq"],
        raw_row[SESSION_AT],
        raw_row[COUNTED_AS_AT],
    )
    await connection.execute(_COUNTED, number)
    return batch


def _reading(row: asyncpg.Record, views: Mapping[int, NasView]) -> Reading:
    host, _, port = row["source"].rpartition(":")
    record = SpooledRecord(
        row["seq"],
        row["received_at"],
        row["tenant_id"],
        row["nas_id"],
        host.strip("[]"),
        int(port or 0),
        row["packet"],
    )
    segment: UUID = row["segment"]
    return understand([Portion(segment, "", row["seq"] - 1, [record])], views)
