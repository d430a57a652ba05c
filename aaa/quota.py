"""What is used of a quota, and what that changes: sums of usage under a rule.

Used is a function of a subscriber's usage and of the rule in force, and of nothing else:
whatever came late, twice or in another order, and whatever plan he had before, the same
usage gives the same sum.  So a sum that was kept may be worked out anew at any time.

Only usage that is sure counts.  What a counter left in doubt is never billed as overage
(domain: counters) and never cuts anybody off; people see it beside what counts.

Amounts are in hundredths of octets and of seconds (`aaa.zones`).  No database, no clock.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import accumulate
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from aaa.quota_windows import Kind, Window, day_of, days, start_of, window
from aaa.zones import ORDINARY, Zone, weight_at

FULL: Final = 100  # per cent
THRESHOLDS: Final = (80, FULL, 120)
BIGINT_MAX: Final = 2**63 - 1
REMEMBERED_MAX: Final = 10_000


class Direction(StrEnum):
    """Which octets count (RFC 2866 §5.3: output is what the subscriber gets)."""

    TOTAL = "total"
    DOWNLOAD = "download"
    UPLOAD = "upload"


class Amount(NamedTuple):
    """Hundredths of octets and of seconds."""

    octets: int = 0
    time_s: int = 0

    def plus(self, other: "Amount") -> "Amount":
        return Amount(self.octets + other.octets, self.time_s + other.time_s)

    def minus(self, other: "Amount") -> "Amount":
        return Amount(self.octets - other.octets, self.time_s - other.time_s)

    def whole(self) -> "Amount":
        """Octets and seconds, rounded down, as a column of 64 bits takes them."""
        octets, time_s = self
        return Amount(
            min(max(octets // ORDINARY, 0), BIGINT_MAX), min(max(time_s // ORDINARY, 0), BIGINT_MAX)
        )


NOTHING: Final = Amount()


class Allowance(NamedTuple):
    """How much a plan includes: whole octets, seconds or both; None: as much as you like."""

    octets: int | None
    time_s: int | None


@dataclass(frozen=True, slots=True)
class Rule:
    """How a subscriber's usage is weighed and where it is added up."""

    direction: Direction
    kind: Kind
    zones: tuple[Zone, ...]
    timezone: str
    anchor: date

    def name(self) -> str:
        """Another for each rule that may give another sum."""
        anchor = self.anchor.isoformat() if self.kind in (Kind.ANCHOR, Kind.NONE) else "-"
        zones = ",".join(map(str, self.zones)) or "-"
        return f"{self.direction} {self.kind} {self.timezone} {anchor} {zones}"


class Place(NamedTuple):
    """Where a quarter of an hour counts, and how much."""

    window: Window | None
    weight: int


class Scale:
    """Weighs usage by one rule; remembers what it has worked out, for quarters come again."""

    def __init__(self, rule: Rule) -> None:
        """Raises `zoneinfo.ZoneInfoNotFoundError` for a time zone that nobody knows."""
        self.rule = rule
        self.name = rule.name()
        self.zone = ZoneInfo(rule.timezone)
        self._places: dict[int, Place] = {}
        self._windows: dict[date, Window | None] = {}
        self._current: tuple[int, tuple[Window, ...]] = (-1, ())

    def place(self, begins_s: int) -> Place:
        """Where the quarter that begins then counts."""
        place = self._places.get(begins_s)
        if place is None:
            if len(self._places) >= REMEMBERED_MAX:
                self._places.clear()
                self._windows.clear()
            local = datetime.fromtimestamp(begins_s, self.zone)
            weight = weight_at(self.rule.zones, local.hour * 60 + local.minute)
            place = self._places[begins_s] = Place(self.window(local.date()), weight)
        return place

    def window(self, day: date) -> Window | None:
        """The window of a local day."""
        if day not in self._windows:
            rule = self.rule
            self._windows[day] = window(rule.kind, rule.anchor, self.zone, day)
        return self._windows[day]

    def today(self, now_s: int) -> date:
        return day_of(self.zone, now_s)

    def current(self, now_s: int) -> tuple[Window, ...]:
        """The windows whose sums are what is used now, oldest first; none before the first."""
        at_s, found = self._current
        if at_s != now_s:
            windows = map(self.window, days(self.rule.kind, self.today(now_s)))
            found = tuple(window for window in windows if window is not None)
            self._current = (now_s, found)
        return found

    def weighed(
        self, begins_s: int, input_octets: int, output_octets: int, session_time_s: int
    ) -> Amount:
        """What this usage of a quarter counts for; signed, as it is."""
        weight = self.place(begins_s).weight
        direction = self.rule.direction
        if direction is Direction.TOTAL:
            octets = input_octets + output_octets
        else:
            octets = output_octets if direction is Direction.DOWNLOAD else input_octets
        return Amount(octets * weight, session_time_s * weight)

    def over_until(self, day: date, by_day: Sequence[Amount], allowance: Allowance) -> int:
        """For the days of a rolling quota up to `day`: the first midnight from which, with
        nothing more used, less than all of it is used.

        If less is used already: the midnight from which nothing is.
        """
        left = list(accumulate(reversed(by_day), Amount.plus, initial=NOTHING))
        left.reverse()  # by how many days have passed
        if percent_used(left[0], allowance) < FULL:
            return start_of(self.zone, day + timedelta(days=len(by_day)))
        passed = next(at for at, one in enumerate(left) if percent_used(one, allowance) < FULL)
        return start_of(self.zone, day + timedelta(days=passed))


def total(amounts: Iterable[Amount]) -> Amount:
    octets = time_s = 0
    for one in amounts:
        octets += one.octets
        time_s += one.time_s
    return Amount(octets, time_s)


def percent_used(used: Amount, allowance: Allowance) -> int:
    """Rounded down, of what is nearer its end."""
    # A hundredth of an octet a per cent: the two factors of 100 cancel out.
    percent = 0 if allowance.octets is None else max(0, used.octets // allowance.octets)
    return percent if allowance.time_s is None else max(percent, used.time_s // allowance.time_s)


def has_moved(before: Amount, now: Amount, allowance: Allowance) -> bool:
    """By a hundredth of the quota or more, in either direction."""
    return (
        allowance.octets is not None and abs(now.octets - before.octets) >= allowance.octets
    ) or (allowance.time_s is not None and abs(now.time_s - before.time_s) >= allowance.time_s)
