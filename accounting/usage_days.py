"""Usage summed by day, so that a year of it is read as days and not as quarters of an hour.

A pass adds the rows of `usage` behind a mark to `usage_day` and moves the mark in the same
transaction, so each is summed once, whatever is killed when.  Numbers are given before they
are committed: `settle` waits until every batch that runs has ended, and what it then sees
has no gaps below its end.  Whoever writes usage holds `ingest.LOCK`, shared or alone.

A day is that of the tenant's zone.  The mark says which zone that was: where the tenant has
another by now, its days are dropped and its mark begins anew; reports read the quarters
until it is back (`usage_report`).  Whoever changes or removes rows leaves a mark of no zone
(`resum`), which comes to the same.  Only who holds `SUM_LOCK` writes days.  Usage that is
nobody's is in no report and in no day.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from sqlalchemy import text

from accounting.ingest import LOCK
from core.db import NodeDatabase, Tx, raw
from core.deadlines import within

SUM_LOCK: Final = 0x74757275  # "turu", of pg_advisory_xact_lock: who sums
ROWS_MAX: Final = 500_000  # of `usage` a pass
PASSES_MAX: Final = 20
TIMEOUT_S: Final = 300.0
# Batches that come wait behind us while we wait, so not for long: the next time may do.
LOCK_TIMEOUT: Final = "1s"

_LAST: Final = "SELECT coalesce(max(id), 0) AS up_to, clock_timestamp() AS at FROM usage"

# A zone that PostgreSQL does not know would end every pass: a tenant keeps the one it had.
# Asked for only where it matters: all zones are read from files each time.
_KNOWN: Final = (
    "EXISTS (SELECT FROM pg_timezone_names AS n WHERE lower(n.name) = lower(t.timezone))"
)
# A tenant that is new has no rows below the others' marks: it was not there when they were set.
_MARK_NEW: Final = f"""
INSERT INTO usage_summed (tenant_id, zone, up_to, settled_at)
SELECT t.id, CASE WHEN {_KNOWN} THEN t.timezone ELSE 'UTC' END, coalesce(m.up_to, 0),
       coalesce(m.settled_at, to_timestamp(0))
  FROM tenant AS t
  LEFT JOIN (SELECT up_to, settled_at FROM usage_summed ORDER BY up_to DESC LIMIT 1) AS m ON true
 WHERE NOT EXISTS (SELECT FROM usage_summed AS s WHERE s.tenant_id = t.id)
    ON CONFLICT (tenant_id) DO NOTHING
"""  # noqa: S608 - of the words above
_MOVED: Final = f"""
SELECT t.id FROM tenant AS t JOIN usage_summed AS m ON m.tenant_id = t.id
 WHERE CASE WHEN m.zone = '' THEN true WHEN m.zone <> t.timezone THEN {_KNOWN} ELSE false END
"""  # noqa: S608
_VOID: Final = "UPDATE usage_summed SET zone = '' WHERE tenant_id = ANY (:tenants)"
_DROP: Final = "DELETE FROM usage_day WHERE tenant_id = :tenant"
_ANEW: Final = f"""
UPDATE usage_summed AS m
   SET zone = CASE WHEN {_KNOWN} THEN t.timezone WHEN m.zone = '' THEN 'UTC' ELSE m.zone END,
       up_to = 0, settled_at = to_timestamp(0)
  FROM tenant AS t WHERE t.id = m.tenant_id AND m.tenant_id = :tenant
"""  # noqa: S608
_PLANS: Final = "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)"
# Those that are behind the others go first and alone, until they have caught up.  A mark that
# lost its zone since `_MOVED` was asked stays where it is, here and below.
_BEHIND: Final = """
SELECT min(up_to) AS after,
       least(min(up_to) + :rows, min(up_to) FILTER (WHERE up_to > lowest), :up_to) AS up_to
  FROM (SELECT up_to, min(up_to) OVER () AS lowest FROM usage_summed WHERE zone <> '') AS marks
"""
_ADD: Final = """
INSERT INTO usage_day AS d (tenant_id, subscriber_id, day, confidence, input_octets,
                            output_octets, session_time_s)
SELECT u.tenant_id, u.subscriber_id, (u.begins_at AT TIME ZONE m.zone)::date, u.confidence,
       sum(u.input_octets), sum(u.output_octets), sum(u.session_time_s)
  FROM usage AS u
  JOIN usage_summed AS m ON m.tenant_id = u.tenant_id AND m.up_to = :after AND m.zone <> ''
 WHERE u.id > :after AND u.id <= :up_to AND u.subscriber_id IS NOT NULL
 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (tenant_id, subscriber_id, day, confidence) DO UPDATE
   SET input_octets = d.input_octets + excluded.input_octets,
       output_octets = d.output_octets + excluded.output_octets,
       session_time_s = d.session_time_s + excluded.session_time_s
"""
# What lies behind a mark was recorded after `settled_at`; so a mark that has not come to the
# end of what was settled keeps its old one.
_ADVANCE: Final = """
UPDATE usage_summed
   SET up_to = :up_to, settled_at = CASE WHEN :is_all THEN :settled_at ELSE settled_at END
 WHERE up_to = :after AND zone <> ''
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """Up to `up_to` every row of usage is committed or never will be; those behind it were
    recorded after `at`."""

    up_to: int
    at: datetime


async def keep_up(database: NodeDatabase, *, passes_max: int = PASSES_MAX) -> bool:
    """Sum what has come since; whether there is more to do than `passes_max` allowed.

    For a node's upkeep, every few minutes.  Another node that is at it is left alone.
    """
    try:
        async with within(TIMEOUT_S, "settling usage"), database.transaction() as tx:
            settled = await settle(tx)
    except asyncpg.LockNotAvailableError:
        return True
    for _ in range(passes_max):
        async with within(TIMEOUT_S, "summing usage"), database.transaction() as tx:
            if not await sum_next(tx, settled):
                return False
    return True


async def settle(tx: Tx) -> Settled:
    """How far usage is settled.  Ingest stands still until `tx` ends: do nothing else in it.

    Raises:
        asyncpg.LockNotAvailableError: a batch takes its time.
    """
    await tx.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
    connection = await raw(tx)
    await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
    # A statement of its own: its snapshot is younger than the lock.
    up_to, at = await connection.fetchrow(_LAST)
    return Settled(up_to, at)


async def sum_next(tx: Tx, settled: Settled) -> bool:
    """Add the next rows to the days, at most `ROWS_MAX`; False where none are left."""
    if not await tx.scalar(text(f"SELECT pg_try_advisory_xact_lock({SUM_LOCK})")):
        return False
    await tx.execute(text(_MARK_NEW))
    for tenant_id in (await tx.scalars(text(_MOVED))).all():
        await _begin_anew(tx, tenant_id)
    behind = (await tx.execute(text(_BEHIND), {"rows": ROWS_MAX, "up_to": settled.up_to})).one()
    if behind.after is None or behind.after >= settled.up_to:
        return False
    # A table that grew since it was last looked at must not be read whole.
    await tx.execute(text(_PLANS))
    span = {"after": behind.after, "up_to": behind.up_to}
    await tx.execute(text(_ADD), span)
    is_all = behind.up_to >= settled.up_to
    await tx.execute(text(_ADVANCE), span | {"is_all": is_all, "settled_at": settled.at})
    return True


async def resum(tx: Tx, tenant_ids: Collection[int]) -> None:
    """From the end of `tx` on, reports of these tenants read no days, and the next passes sum
    them anew.

    For who changes or removes rows of `usage`, in the transaction that does so, so that it
    is done whenever they were changed: a new zone is noticed.  The days themselves stay, as
    another may be summing them right now.
    """
    await tx.execute(text(_VOID), {"tenants": sorted(tenant_ids)})


async def _begin_anew(tx: Tx, tenant_id: int) -> None:
    """Forget the days of a tenant; they are summed in the zone it has now."""
    await tx.execute(text(_DROP), {"tenant": tenant_id})
    await tx.execute(text(_ANEW), {"tenant": tenant_id})
