"""What is as old as the days that are dropped and lies in none of them: packets that fit no
day, and dead letters, which are packets too.

Goes as days do: in small steps, the oldest day in a run.  A letter goes after its packet, or
a rebuild would take that for a record that was never looked at; and not before, however many
there are (`dead_letter_alarm`).  The caller says by which clock something is old.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import asyncpg

DEFAULT: Final = "turnpike_partition.accounting_record_default"
PAGE: Final = 10_000
TIMEOUT_S: Final = 60.0

_OLDEST: Final = f"SELECT min(received_at) FROM {DEFAULT}"  # noqa: S608 - a name of our own
_FORGET: Final = """
WITH gone AS (
    DELETE FROM {table} WHERE ctid = ANY (ARRAY (
        SELECT ctid FROM {table} WHERE received_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
    )) RETURNING 1
) SELECT count(*) FROM gone
"""
_FORGET_PACKETS: Final = _FORGET.format(table=DEFAULT)
_FORGET_LETTERS: Final = _FORGET.format(table="public.dead_letter")


async def forget(owner: asyncpg.Connection, until: datetime, kept_since: datetime) -> int:
    """Forget what came before `until`, by pages, outside a transaction; returns how many rows.

    `kept_since`: no day that is still there begins before that.
    """
    count = 0
    oldest = await _oldest(owner)
    if oldest is not None and oldest < until:
        one_day = _midnight(oldest) + timedelta(days=1)
        count += await _pages(owner, _FORGET_PACKETS, min(until, one_day))
        oldest = await _oldest(owner)
    if oldest is not None:
        kept_since = min(kept_since, _midnight(oldest))
    return count + await _pages(owner, _FORGET_LETTERS, min(until, kept_since))


async def _oldest(owner: asyncpg.Connection) -> datetime | None:
    found: datetime | None = await owner.fetchval(_OLDEST, timeout=TIMEOUT_S)
    return found


async def _pages(owner: asyncpg.Connection, statement: str, until: datetime) -> int:
    count = 0
    while True:
        gone: int = await owner.fetchval(statement, until, PAGE, timeout=TIMEOUT_S)
        count += gone
        if gone < PAGE:
            return count


def _midnight(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
