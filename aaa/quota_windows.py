"""Windows of a quota: from when until when usage adds up, in the tenant's time zone.

A window begins where a local day does, so it has 23 or 25 hours more or less where the
clocks change in it.  Days are dates; instants are Unix seconds.  No clock: the day that is
asked for comes as an argument.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

ROLLING_DAYS: Final = 30


class Kind(StrEnum):
    """When a quota begins anew."""

    ANCHOR = "anchor"  # each month, on the day of the subscriber's anchor
    CALENDAR = "calendar"  # with the month
    DAY = "day"
    ROLLING = "rolling"  # each day anew, for the last 30
    NONE = "none"  # never; the anchor is its beginning


class Window(NamedTuple):
    """From its first instant until before its last; None: it has no end."""

    starts_s: int
    ends_s: int | None


def day_of(zone: ZoneInfo, at_s: int) -> date:
    """The local day of an instant."""
    return datetime.fromtimestamp(at_s, zone).date()


def start_of(zone: ZoneInfo, day: date) -> int:
    """The first instant of a local day: midnight, or when the clocks jump over it, the jump."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    return int(midnight.astimezone(UTC).timestamp())


def window(kind: Kind, anchor: date, zone: ZoneInfo, day: date) -> Window | None:
    """The window that a local day is in; None: before the first.

    A rolling quota is summed over windows of a day each: `days` says which.
    """
    match kind:
        case Kind.ANCHOR:
            first, end = _month_of(anchor, day)
        case Kind.CALENDAR:
            first, end = _month_of(day.replace(day=1), day)
        case Kind.NONE:
            return Window(start_of(zone, anchor), None) if day >= anchor else None
        case Kind.DAY | Kind.ROLLING:
            first, end = day, day + timedelta(days=1)
    return Window(start_of(zone, first), start_of(zone, end))


def days(kind: Kind, day: date) -> tuple[date, ...]:
    """The days whose windows are summed for the quota of that day, oldest first."""
    if kind is not Kind.ROLLING:
        return (day,)
    return tuple(day - timedelta(days=back) for back in reversed(range(ROLLING_DAYS)))


def _month_of(anchor: date, day: date) -> tuple[date, date]:
    """The month from anchor day to anchor day: the 31st is the last day of a shorter month,
    and the 31st again in the next that has one."""
    this = _in_month(day.year, day.month, anchor.day)
    if day < this:
        before = this.replace(day=1) - timedelta(days=1)
        return _in_month(before.year, before.month, anchor.day), this
    after = this.replace(day=1) + timedelta(days=31)
    return this, _in_month(after.year, after.month, anchor.day)


def _in_month(year: int, month: int, day: int) -> date:
    return date(year, month, min(day, monthrange(year, month)[1]))
