"""Which points of a session's history count, and which may be forgotten at once.

Usage is summed by quarter of an hour, so of the Interims of one quarter the first, the last
and those with the most say it all.  What that is depends on the set of points alone, and
what was forgotten could not have been among them, so it is the same whether a point came in
order, or late, when those about it had long been forgotten.

Only Interims that are alike are compared: of one beginning, and from a box that sends
gigawords.  Of a counter that may go round each report is needed.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from accounting.points import GOES_ON, UNKNOWN, Point
from accounting.usage import QUARTER_S

_BEGAN_BITS: Final = 6  # about a minute: no clock and no counter of seconds is exact


def alike(a: Point, b: Point) -> bool:
    """Whether only one of them need be kept, if there are others before and after."""
    return (
        a[0] // QUARTER_S == b[0] // QUARTER_S
        and a[1] == b[1] == GOES_ON
        and a[2] > UNKNOWN
        and b[2] > UNKNOWN
        and (a[0] - a[2]) >> _BEGAN_BITS == (b[0] - b[2]) >> _BEGAN_BITS
        and a[7]
        and b[7]
        and a[6] == b[6]
        and a[8] == b[8]
        and a[9] == b[9]
        and a[10] == b[10]
    )


def thinned(points: Iterable[Point]) -> list[Point]:
    """Those that count, sorted.  Of what is left nothing can be left out."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered
    groups: dict[tuple[object, ...], list[Point]] = {}
    for p in ordered:
        if p.kind == GOES_ON and p.wide and p.session_time_s > UNKNOWN:
            key = (p.at_s // QUARTER_S, (p.at_s - p.session_time_s) >> _BEGAN_BITS, p[6:])
            groups.setdefault(key, []).append(p)
    needless: set[Point] = set()
    for group in groups.values():
        if len(group) > 2:
            needless.update(group)
            needless.difference_update((group[0], group[-1], *_with_the_most(group)))
    return [p for p in ordered if p not in needless] if needless else ordered


def _with_the_most(group: Sequence[Point]) -> tuple[Point, Point, Point]:
    """By session time and by each counter; of equal ones the last."""
    longest = received = sent = group[0]
    for p in group:
        if p.session_time_s >= longest.session_time_s:
            longest = p
        if p.input_octets >= received.input_octets:
            received = p
        if p.output_octets >= sent.output_octets:
            sent = p
    return longest, received, sent
