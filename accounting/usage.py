"""Usage by quarter of an hour: intervals between reports, split without losing an octet.

A quarter, because the clocks of all zones differ by multiples of it: local days and hours
are sums of quarters anywhere.

Within an interval nobody knows more than its sum, so it is spread evenly over its seconds
(domain: a split is linear, rounded by largest remainder, exact in sum).  Rows are only
ever added to: what is found out later is a signed difference, and equal sums are what is
equal in any order of arrival.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

QUARTER_S: Final = 900
HOUR_S: Final = 3600

# What lay longer between two reports is spread over its last month: a NAS that was found
# with a year on its counters is not to fill nine thousand rows.
SPREAD_MAX_S: Final = 31 * 24 * HOUR_S
# And what lay longer than this is cut at full hours: it is a guess anyway, and the sessions
# of a whole NAS may come like that.
FINE_MAX_S: Final = 24 * HOUR_S


class Interval(NamedTuple):
    """What a session used between two reports; negative where an earlier one is taken back."""

    generation: int
    from_s: int
    to_s: int
    input_octets: int
    output_octets: int
    session_time_s: int
    confidence: int


class Bucket(NamedTuple):
    """Where usage is added up.  Confidence is part of the key, or a guess taken back would
    leave the octets that were sure beside it under suspicion."""

    generation: int
    begins_s: int  # the quarter's first instant
    confidence: int


class Amounts(NamedTuple):
    """Octets and seconds of session time; signed, where it is a difference."""

    input_octets: int = 0
    output_octets: int = 0
    session_time_s: int = 0


class Usage(NamedTuple):
    """A row to add."""

    generation: int
    begins_s: int  # of the quarter
    confidence: int
    input_octets: int
    output_octets: int
    session_time_s: int


NOTHING: Final = Amounts()


def quarters(from_s: int, to_s: int) -> Sequence[int]:
    """Where an interval is cut: the quarters strictly inside, the hours if it is long."""
    step_s = QUARTER_S if to_s - from_s <= FINE_MAX_S else HOUR_S
    return range(from_s - from_s % step_s + step_s, to_s, step_s)


def within(boundaries: Sequence[int], from_s: int, to_s: int) -> Sequence[int]:
    """Those of the sorted instants that cut an interval."""
    return boundaries[bisect_right(boundaries, from_s) : bisect_left(boundaries, to_s)]


def split(interval: Interval, cuts: Sequence[int]) -> list[Interval]:
    """The interval in pieces at sorted instants strictly inside it."""
    if not cuts:
        return [interval]
    generation, from_s, to_s, received, sent, seconds, confidence = interval
    edges = (from_s, *cuts, to_s)
    lengths = [end - begin for begin, end in pairwise(edges)]
    shared = zip(
        edges, edges[1:], shares(received, lengths), shares(sent, lengths),
        shares(seconds, lengths), strict=False,
    )  # fmt: skip
    return [Interval(generation, *share, confidence) for share in shared]


def shares(amount: int, lengths: Sequence[int]) -> list[int]:
    """Whole parts in proportion to `lengths`, the largest remainders rounded up, the
    earlier first; their sum is exactly `amount`.  A negative amount splits as its opposite,
    so that what is taken back is what was given."""
    if amount < 0:
        return [-share for share in shares(-amount, lengths)]
    if amount == 0:
        return [0] * len(lengths)
    whole = sum(lengths)
    if len(lengths) == 2:  # the ordinary report across a boundary: the same, rounded half up
        first = (2 * amount * lengths[0] + whole) // (2 * whole)
        return [first, amount - first]
    parts = [divmod(amount * length, whole) for length in lengths]
    left = amount - sum(part for part, _ in parts)
    up = sorted(range(len(parts)), key=lambda at: -parts[at][1])[:left]
    result = [part for part, _ in parts]
    for at in up:
        result[at] += 1
    return result


def bounded(interval: Interval) -> Interval:
    """The interval, no longer than the last month of it."""
    if interval.to_s - interval.from_s <= SPREAD_MAX_S:
        return interval
    return interval._replace(from_s=interval.to_s - SPREAD_MAX_S)


def taken_back(interval: Interval) -> Interval:
    """What undoes an interval."""
    return interval._replace(
        input_octets=-interval.input_octets,
        output_octets=-interval.output_octets,
        session_time_s=-interval.session_time_s,
    )


def rows_of(interval: Interval) -> tuple[Usage, ...]:
    """What one interval adds, by quarter; quarters with nothing are left out.

    An interval without length belongs to the quarter it happened in; one that ends with the
    quarter, to that quarter.
    """
    generation, from_s, to_s, received, sent, seconds, confidence = interval
    begins_s = from_s - from_s % QUARTER_S
    if to_s <= begins_s + QUARTER_S:
        one = Usage(generation, begins_s, confidence, received, sent, seconds)
        return (one,) if received or sent or seconds else ()
    return tuple(
        Usage(generation, from_s - from_s % QUARTER_S, confidence, received, sent, seconds)
        for _, from_s, _, received, sent, seconds, _ in split(interval, quarters(from_s, to_s))
        if received or sent or seconds
    )


def by_quarter(intervals: Iterable[Interval]) -> dict[Bucket, Amounts]:
    """Sums by generation, quarter and confidence; what is zero in all is left out."""
    sums: dict[Bucket, list[int]] = {}
    for interval in intervals:
        for generation, begins_s, confidence, received, sent, seconds in rows_of(interval):
            key = Bucket(generation, begins_s, confidence)
            held = sums.get(key)
            if held is None:
                sums[key] = [received, sent, seconds]
            else:
                held[0] += received
                held[1] += sent
                held[2] += seconds
    return {key: Amounts(*held) for key, held in sums.items() if any(held)}


def difference(before: Iterable[Interval], after: Iterable[Interval]) -> tuple[Usage, ...]:
    """The rows that turn the sums of `before` into those of `after`."""
    old, new = by_quarter(before), by_quarter(after)
    rows = []
    for key in sorted({*old, *new}):
        was, is_ = old.get(key, NOTHING), new.get(key, NOTHING)
        if was != is_:
            rows.append(
                Usage(*key, is_[0] - was[0], is_[1] - was[1], is_[2] - was[2])
            )  # fmt: skip
    return tuple(rows)
