"""What was used, by hour, day or month: sums of signed rows.

A month's sum may be of fewer rows than were added: what was found out later took earlier
rows back.  So a guess that was taken back in full leaves no doubt behind: the confidence
of a sum is the worst of what is left in it.

Days and months are those of UTC.  Knows subscribers by id only.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, func, select, text

from accounting.counters import GOOD
from accounting.listing import StoredSession
from accounting.models import UsageQuarter
from core.db import Tx


class By(StrEnum):
    """How long a period is."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Used:
    """The sum of a period: upload is what the subscriber sent (RFC 2866 §5.3: input)."""

    start: datetime
    upload_octets: int
    download_octets: int
    session_time_s: int
    confidence: int  # the worst: `accounting.listing.CONFIDENCES`


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
    """
    query = sums(by).where(UsageQuarter.subscriber_id == subscriber_id)
    if start is not None:
        query = query.where(UsageQuarter.begins_at >= start)
    if end is not None:
        query = query.where(UsageQuarter.begins_at < end)
    return added(await tx.execute(query))


async def of_session(tx: Tx, session: StoredSession) -> list[Used] | None:
    """What the session used by hour.

    None where nobody knows whose session it is: such usage is in no index, as there is
    nobody to bill for it, and looking for it would read all usage of all.
    """
    if session.subscriber_id is None:
        return None
    query = sums(By.HOUR).where(
        UsageQuarter.subscriber_id == session.subscriber_id,
        UsageQuarter.session_id == session.id,
        # Rows beyond these hours were taken back when its start or end moved.
        UsageQuarter.begins_at >= _floor(session.started_at),
        UsageQuarter.begins_at <= session.last_seen_at,
    )
    return added(await tx.execute(query))


def sums(by: By) -> Select[Any]:
    """By period and confidence, so that what cancels out cancels with its own kind."""
    period = func.date_trunc(by.value, UsageQuarter.begins_at, "UTC")
    return (
        select(
            period,
            UsageQuarter.confidence,
            func.sum(UsageQuarter.input_octets),
            func.sum(UsageQuarter.output_octets),
            func.sum(UsageQuarter.session_time_s),
        )
        .group_by(text("1"), text("2"))
        .order_by(text("1"), text("2"))
    )


def added(rows: Iterable[Row[Any]]) -> list[Used]:
    """The rows of `sums`, one for each period."""
    periods: dict[datetime, Used] = {}
    for row in rows:
        start, confidence, received, sent, seconds = iter(row)
        if not (received or sent or seconds):
            continue
        held = periods.get(start, Used(start, 0, 0, 0, GOOD))
        periods[start] = Used(
            start,
            held.upload_octets + int(received),
            held.download_octets + int(sent),
            held.session_time_s + int(seconds),
            max(held.confidence, confidence),
        )
    return list(periods.values())


def _floor(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)
