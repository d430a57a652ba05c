"""What was used, by hour, day or month of the tenant's time zone: sums of signed rows.

A sum may be of fewer rows than were added: what was found out later took earlier rows back.
So a guess that was taken back in full leaves no doubt behind: the confidence of a sum is
the worst of what is left in it.

Days and months are read from `usage_day` and what its mark has not come to, in one
statement and so of one moment; hours from the quarters of a bounded time.  Knows
subscribers by id only, and one tenant, by row-level security.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select, text

from accounting.counters import GOOD
from accounting.listing import StoredSession
from accounting.models import LATE
from core.db import Tx
from core.errors import Invalid
from core.tenancy import Tenant

QUARTERS_MAX: Final = timedelta(days=32)  # a month, also one with an hour more
HOURS: Final = timedelta(days=31)  # of a session that goes on for longer, the last


class By(StrEnum):
    """How long a period is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Used:
    """The sum of a period: upload is what the subscriber sent (RFC 2866 §5.3: input)."""

    start: datetime  # in the tenant's zone
    upload_octets: int
    download_octets: int
    session_time_s: int
    confidence: int  # the worst: `accounting.listing.CONFIDENCES`


async def zone(tx: Tx) -> ZoneInfo:
    """Where the tenant's days begin."""
    return ZoneInfo(await tx.scalar(select(Tenant.timezone)) or "UTC")


async def of_subscriber(
    tx: Tx,
    subscriber_id: int,
    by: By,
    *,
    start: datetime | None = None,
    end: datetime | None = None,
) -> list[Used]:
    """What the subscriber used in each period from `start` until before `end`, in order.

    Periods without usage are left out.  Where a bound is no full quarter of an hour, a quarter
    is counted if it begins within the bounds: nobody knows less.

    Raises:
        Invalid: hours, or parts of days, of more than `QUARTERS_MAX`.
    """
    local = await zone(tx)
    asked: dict[str, object] = {"zone": local.key, "subscriber": subscriber_id}
    if by is not By.HOUR and all(_begins_a_day(at, local) for at in (start, end)):
        # The planner takes what lies behind the mark for a third of all, and would compile.
        await tx.execute(_PLAN)
        days = {"first": _day(start, local) or date.min, "end": _day(end, local) or date.max}
        rows = await tx.execute(_DAYS[by], asked | days)
    else:
        if start is None or end is None or end - start > QUARTERS_MAX:
            raise Invalid(
                f"hours, and parts of days, are told for {QUARTERS_MAX.days} days at once:"
                " say from when to when"
            )
        rows = await tx.execute(_QUARTERS[by], asked | {"start_at": start, "end_at": end})
    return added(rows, local)


async def of_session(tx: Tx, session: StoredSession) -> list[Used] | None:
    """What the session used by hour, in its last `HOURS`.

    None where nobody knows whose session it is: such usage is in no index, as there is
    nobody to bill for it, and looking for it would read all usage of all.
    """
    if session.subscriber_id is None:
        return None
    local = await zone(tx)
    rows = await tx.execute(
        _OF_SESSION,
        {
            "zone": local.key,
            "subscriber": session.subscriber_id,
            "session": session.id,
            # Rows beyond these hours were taken back when its start or end moved.
            "start_at": _floor(max(session.started_at, session.last_seen_at - HOURS)),
            "end_at": session.last_seen_at + timedelta(microseconds=1),
        },
    )
    return added(rows, local)


def added(rows: Iterable[Row[Any]], local: ZoneInfo) -> list[Used]:
    """Sums by period and confidence, in order, as one for each period."""
    periods: dict[datetime, Used] = {}
    for row in rows:
        period, confidence, received, sent, seconds = iter(row)
        if not (received or sent or seconds):
            continue
        start = (
            period.astimezone(local)
            if isinstance(period, datetime)
            else datetime.combine(period, time(), local)
        )
        held = periods.get(period, Used(start, 0, 0, 0, GOOD))
        periods[period] = Used(
            start,
            held.upload_octets + int(received),
            held.download_octets + int(sent),
            held.session_time_s + int(seconds),
            max(held.confidence, confidence),
        )
    return list(periods.values())


# By confidence, so that what cancels out cancels with its own kind.
_SUMS: Final = "confidence, sum(input_octets), sum(output_octets), sum(session_time_s)"

_OF_QUARTERS: Final = {
    By.HOUR: "date_trunc('hour', begins_at, :zone)",
    By.DAY: "(begins_at AT TIME ZONE :zone)::date",
    By.MONTH: "date_trunc('month', begins_at AT TIME ZONE :zone)::date",
}
_QUARTERS: Final = {
    by: text(f"""
SELECT {period}, {_SUMS} FROM usage
 WHERE subscriber_id = :subscriber AND begins_at >= :start_at AND begins_at < :end_at
 GROUP BY 1, 2 ORDER BY 1, 2
""")  # noqa: S608 - of the words above
    for by, period in _OF_QUARTERS.items()
}
_OF_SESSION: Final = text(f"""
SELECT {_OF_QUARTERS[By.HOUR]}, {_SUMS} FROM usage
 WHERE subscriber_id = :subscriber AND session_id = :session
   AND begins_at >= :start_at AND begins_at < :end_at
 GROUP BY 1, 2 ORDER BY 1, 2
""")  # noqa: S608

_PLAN: Final = text("SELECT set_config('jit', 'off', true)")

# What lies behind the mark was recorded after `settled_at`.  So it began at most two hours
# before that (and one for clocks that were set back), or is late and in the index of such.
# Not coalesce: to row-level security it might tell secrets, and serves no index then.
_OF_DAYS: Final = {By.DAY: "day", By.MONTH: "date_trunc('month', day)::date"}
_DAYS: Final = {
    by: text(f"""
WITH mark AS (SELECT up_to, settled_at FROM usage_summed WHERE zone = :zone),
summed AS (
    SELECT day, confidence, input_octets, output_octets, session_time_s FROM usage_day
     WHERE subscriber_id = :subscriber AND EXISTS (SELECT FROM mark)
    UNION ALL
    SELECT {_OF_QUARTERS[By.DAY]}, confidence, input_octets, output_octets, session_time_s
      FROM usage
     WHERE subscriber_id = :subscriber AND id > greatest((SELECT up_to FROM mark), 0)
       AND NOT ({LATE})
       AND begins_at >= greatest((SELECT settled_at - interval '3 hours' FROM mark), '-infinity')
    UNION ALL
    SELECT {_OF_QUARTERS[By.DAY]}, confidence, input_octets, output_octets, session_time_s
      FROM usage
     WHERE subscriber_id = :subscriber AND id > greatest((SELECT up_to FROM mark), 0)
       AND {LATE}
)
SELECT {period}, {_SUMS} FROM summed WHERE day >= :first AND day < :end GROUP BY 1, 2 ORDER BY 1, 2
""")  # noqa: S608
    for by, period in _OF_DAYS.items()
}


def _begins_a_day(at: datetime | None, local: ZoneInfo) -> bool:
    """Or is no bound.  Where the clocks jump over midnight, a day begins with the jump."""
    if at is None:
        return True
    midnight = datetime.combine(at.astimezone(local).date(), time(), local)
    return midnight.astimezone(UTC) == at.astimezone(UTC)


def _day(at: datetime | None, local: ZoneInfo) -> date | None:
    return None if at is None else at.astimezone(local).date()


def _floor(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
