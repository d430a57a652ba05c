"""Zones of a day in which usage counts more or less: a free night has the weight 0.

A zone is a range of wall-clock time, so on the days when the clocks change it is an hour
longer, shorter, or there twice.  Its ends are quarters of an hour because usage is kept
by those, and all zones' clocks differ by multiples of them: a quarter is in one zone.

Weights are hundredths, and what is weighed is hundredths of it: whole numbers, in which
the order of adding makes no difference.  Knows no time zone and no quota.
"""

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Annotated, Final, NamedTuple

import msgspec

ORDINARY: Final = 100
WEIGHT_MAX: Final = 10 * ORDINARY
QUARTER_MIN: Final = 15
DAY_MIN: Final = 24 * 60

_TIME: Final = re.compile(r"([0-9]{2}):([0-9]{2})", re.ASCII)


class Zone(NamedTuple):
    """From a minute of the day until before another; past midnight if that is not later."""

    from_min: int
    to_min: int
    weight: int  # hundredths

    def __str__(self) -> str:
        """``00:00-06:00 x0.5``"""
        weight = Decimal(self.weight) / ORDINARY
        return f"{clock(self.from_min)}-{clock(self.to_min)} x{weight.normalize():f}"

    def spans(self) -> tuple[tuple[int, int], ...]:
        """The ranges of minutes within one day."""
        if self.from_min < self.to_min:
            return ((self.from_min, self.to_min),)
        return tuple(
            span for span in ((self.from_min, DAY_MIN), (0, self.to_min)) if span[0] < span[1]
        )


def weight_at(zones: Iterable[Zone], minute: int) -> int:
    """What a hundredth is worth at this minute of the day."""
    for zone in zones:
        for begin, end in zone.spans():
            if begin <= minute < end:
                return zone.weight
    return ORDINARY


def overlap(zones: Sequence[Zone]) -> int | None:
    """A minute that two zones share: nobody could say which of them counts."""
    spans = sorted(span for zone in zones for span in zone.spans())
    for (_, end), (begin, _) in pairwise(spans):
        if begin < end:
            return begin
    return None


def minute_of(written: object) -> int:
    """``"06:00"`` is 360.

    Raises:
        ValueError: not a time of day, or no quarter of an hour.
    """
    match = _TIME.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        raise ValueError('write a time of day such as "22:30"')
    minute = int(match[1]) * 60 + int(match[2])
    if int(match[2]) >= 60 or minute > DAY_MIN:
        raise ValueError('no time of day: write one from "00:00" to "24:00"')
    if minute % QUARTER_MIN:
        near = minute - minute % QUARTER_MIN
        raise ValueError(
            f'usage is kept by the quarter of an hour: write "{clock(near)}" or'
            f' "{clock(near + QUARTER_MIN)}"'
        )
    return minute


def clock(minute: int) -> str:
    """What `minute_of` reads."""
    return f"{minute // 60:02}:{minute % 60:02}"


def weight_of(written: object) -> int:
    """``0.5`` is 50 hundredths.

    Raises:
        ValueError: not a number from 0 to 10 with at most two decimals.
    """
    if isinstance(written, int | float) and not isinstance(written, bool):
        hundredths = Decimal(str(written)) * ORDINARY
        if hundredths.is_finite() and hundredths == int(hundredths):
            if 0 <= hundredths <= WEIGHT_MAX:
                return int(hundredths)
            raise ValueError("a weight is from 0 (free) to 10")
    raise ValueError("write a weight such as 0, 0.5 or 2, with two decimals at most")


def zone_of(from_min: int, to_min: int, weight: int) -> Zone:
    """Midnight may be written as either end of the day.

    Raises:
        ValueError: it would have no length.
    """
    zone = Zone(from_min % DAY_MIN, to_min, weight)
    if zone.from_min == to_min:
        raise ValueError('a zone without length: a whole day is "00:00" to "24:00"')
    return zone


class _Stored(msgspec.Struct, frozen=True):
    from_: str = msgspec.field(name="from")
    to: str
    weight_hundredths: Annotated[int, msgspec.Meta(ge=0, le=WEIGHT_MAX)]


def stored(zones: Iterable[Zone]) -> list[object]:
    """For a column of JSON."""
    return [
        msgspec.to_builtins(_Stored(clock(from_min), clock(to_min), weight))
        for from_min, to_min, weight in zones
    ]


def restored(rows: object) -> tuple[Zone, ...]:
    """What `stored` made.

    Raises:
        ValueError: somebody else wrote something else.
    """
    try:
        found = msgspec.convert(rows, list[_Stored])
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    return tuple(
        zone_of(minute_of(one.from_), minute_of(one.to), one.weight_hundredths) for one in found
    )
