"""Suspensions.  Each source (staff, dunning, expiry, quota) places one and lifts only its own,
so that a payment does not undo what staff decided, nor the other way round.

Whoever is online gets a job with it: his sessions are looked after at once.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from itertools import islice
from typing import Final, Literal

from sqlalchemy import text

from aaa import enforcement_jobs
from core.db import Tx

Source = Literal["staff", "dunning", "expiry", "quota"]

CHUNK: Final = 5_000


async def place(
    tx: Tx,
    tenant_id: int,
    effects: Mapping[int, str],
    source: Source,
    *,
    reason: str = "",
    until: datetime | None = None,
    now: datetime,
) -> None:
    """Suspend the subscribers of these ids, each with its effect (reject | walled_garden).

    A hold of this source that is in force already keeps its beginning.
    """
    waiting = iter(sorted(effects.items()))
    while chunk := list(islice(waiting, CHUNK)):
        await tx.execute(
            text(
                "INSERT INTO hold AS h"
                " (tenant_id, subscriber_id, source, reason, effect, since, until)"
                " SELECT :tenant_id, id, :source, :reason, effect, :now, :until"
                " FROM unnest(CAST(:ids AS bigint[]), CAST(:effects AS text[])) AS new (id, effect)"
                " ON CONFLICT (subscriber_id, source) DO UPDATE"
                " SET reason = EXCLUDED.reason, effect = EXCLUDED.effect, until = EXCLUDED.until,"
                " since = CASE WHEN h.until <= EXCLUDED.since THEN EXCLUDED.since ELSE h.since END"
            ),
            {
                "tenant_id": tenant_id,
                "source": source,
                "reason": reason,
                "now": now,
                "until": until,
                "ids": [subscriber_id for subscriber_id, _ in chunk],
                "effects": [effect for _, effect in chunk],
            },
        )
    await enforcement_jobs.leave(tx, tenant_id, effects, "hold")


async def lift(tx: Tx, subscriber_ids: Collection[int], source: Source) -> int:
    """End the holds of this source, and say how many there were; those of others stand."""
    lifted: dict[int, list[int]] = {}
    waiting = iter(sorted(subscriber_ids))
    while chunk := list(islice(waiting, CHUNK)):
        gone = await tx.execute(
            text(
                "DELETE FROM hold WHERE source = :source AND subscriber_id = ANY(:ids)"
                " RETURNING tenant_id, subscriber_id"
            ),
            {"source": source, "ids": chunk},
        )
        for row in gone:
            lifted.setdefault(row.tenant_id, []).append(row.subscriber_id)
    for tenant_id, ids in lifted.items():
        await enforcement_jobs.leave(tx, tenant_id, ids, "hold")
    return sum(map(len, lifted.values()))
