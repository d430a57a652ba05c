"""The days of raw packets: made ahead, dropped when their time is over.

Run by a job with the owner's rights, for nobody else may make or drop a table; ingest
makes none.  What fits no day (a node with an absurd clock, a backlog older than the days
that were made) lies in the DEFAULT partition, and moves to its day when that is made.

Each step is a short transaction that gives up rather than make ingest queue behind it, which
to drop a day it tries a few times; the job's next run goes on where it stopped.  Days are
made by the clock that stamps the packets, and dropped by that and the database's
(`two_clocks`).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final

import asyncpg

from accounting import outlived
from accounting.outlived import DEFAULT
from accounting.two_clocks import agreed

SCHEMA: Final = "turnpike_partition"
PARENT: Final = "public.accounting_record"
PREFIX: Final = "accounting_record_"
DAYS_AHEAD: Final = 7
DAYS_BACK: Final = 3  # a backlog that waited for the database finds its days
LOCK_TIMEOUT_S: Final = 2
# To drop a day PostgreSQL locks the table itself, and all of ingest waits behind whoever waits
# for that.  (It can detach one without, but not where there is a DEFAULT.)  So it is tried for
# a moment, again and again: one of these finds the gap between two batches.
DROP_LOCK_TIMEOUT_MS: Final = 100
DROP_TRIES: Final = 10
DROP_PAUSE_S: Final = 0.2
# Clocks that are years ahead for an hour, together, cost the oldest day and not all that is kept.
DROPPED_AT_ONCE_MAX: Final = 1

_EXISTING: Final = """
SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = $1 AND c.relname ~ '^accounting_record_[0-9]{8}$' ORDER BY 1
"""


@dataclass(slots=True)
class Kept:
    """What one run did.  `late` are days whose turn did not come: somebody held the table;
    `forgotten` are rows as old that lay elsewhere."""

    made: list[date] = field(default_factory=list)
    dropped: list[date] = field(default_factory=list)
    late: list[date] = field(default_factory=list)
    forgotten: int = 0


def wanted(today: date) -> Iterator[date]:
    """The days that should exist (UTC), beside older ones that are still kept."""
    for offset in range(-DAYS_BACK, DAYS_AHEAD + 1):
        yield today + timedelta(days=offset)


def expired(days: list[date], today: date, keep_days: int) -> list[date]:
    """Those that have been kept for longer than `keep_days` full days."""
    return [day for day in days if day < today - timedelta(days=keep_days)]


async def keep_up(owner: asyncpg.Connection, now: datetime, keep_days: int) -> Kept:
    """Make the days to come and drop the oldest that is over; `owner` is outside a transaction.

    `now` is by this node's clock; if the database's is another, nothing is dropped.
    """
    kept = Kept()
    today = now.astimezone(UTC).date()
    await owner.execute(f"SET lock_timeout = '{LOCK_TIMEOUT_S}s'")
    existing = await days(owner)
    for day in wanted(today):
        if day not in existing and day >= today - timedelta(days=keep_days):
            (kept.made if await _made(owner, day) else kept.late).append(day)
    agreed_s = await agreed(owner, now.timestamp())
    if agreed_s is None:
        return kept
    today = datetime.fromtimestamp(agreed_s, UTC).date()
    for day in expired(existing, today, keep_days)[:DROPPED_AT_ONCE_MAX]:
        (kept.dropped if await _dropped(owner, day) else kept.late).append(day)
    left = _begin(min(await days(owner), default=today))
    until = _begin(today - timedelta(days=keep_days))
    kept.forgotten = await outlived.forget(owner, until, left)
    return kept


async def days(owner: asyncpg.Connection) -> list[date]:
    """The days that have a partition."""
    found = await owner.fetch(_EXISTING, SCHEMA)
    return [date.fromisoformat(row["relname"].removeprefix(PREFIX)) for row in found]


def _begin(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


async def _made(owner: asyncpg.Connection, day: date) -> bool:
    name = f"{SCHEMA}.{PREFIX}{day:%Y%m%d}"
    begin = _begin(day)
    end = begin + timedelta(days=1)
    bounds = f"'{begin.isoformat()}' AND received_at < '{end.isoformat()}'"
    try:
        async with owner.transaction():
            # In the order of ingest, which locks the parent first: so neither waits for ever.
            await owner.execute(
                f"""
                LOCK TABLE {PARENT} IN SHARE UPDATE EXCLUSIVE MODE;
                LOCK TABLE {DEFAULT} IN ACCESS EXCLUSIVE MODE;
                CREATE TABLE {name} (LIKE {PARENT} INCLUDING DEFAULTS);
                WITH moved AS (
                    DELETE FROM {DEFAULT} WHERE received_at >= {bounds} RETURNING *
                ) INSERT INTO {name} SELECT * FROM moved;
                ALTER TABLE {PARENT} ATTACH PARTITION {name}
                    FOR VALUES FROM ('{begin.isoformat()}') TO ('{end.isoformat()}')
                """  # noqa: S608 - names and days of our own
            )
    except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
        return False
    except asyncpg.DuplicateTableError:  # another node's job came first
        return True
    return True


async def _dropped(owner: asyncpg.Connection, day: date) -> bool:
    for left in reversed(range(DROP_TRIES)):
        try:
            async with owner.transaction():
                await owner.execute(
                    f"SET LOCAL lock_timeout = '{DROP_LOCK_TIMEOUT_MS}ms';"
                    f"DROP TABLE IF EXISTS {SCHEMA}.{PREFIX}{day:%Y%m%d}"
                )
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if left:
                await asyncio.sleep(DROP_PAUSE_S)
        else:
            return True
    return False
