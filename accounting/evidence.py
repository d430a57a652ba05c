"""What one report says about one session: older or younger, more or less, who and where.

Plain comparisons, so that `walk` can read like the rules it follows.
"""

from typing import Final

from msgspec.structs import replace

from accounting.counters import WRAP
from accounting.generations import TOLERANCE_S, Generation
from accounting.points import ENDS, UNKNOWN, Point

ABOUTS_MAX: Final = 8  # a session that changes its description more often is nonsense


def began(p: Point) -> int | None:
    """When the session of this report began, by its own account."""
    return None if p.session_time_s == UNKNOWN else p.at_s - p.session_time_s


def fell(g: Generation, p: Point) -> bool:
    """Whether a counter is lower than it was; one that was not sent is not."""
    return (
        UNKNOWN < p.input_octets < g.input_octets - g.input_wraps * WRAP
        or UNKNOWN < p.output_octets < g.output_octets - g.output_wraps * WRAP
    )


def is_back_at_nothing(g: Generation, p: Point) -> bool:
    """Whether a counter shows nothing that has shown something."""
    return p.input_octets == 0 < g.input_octets or p.output_octets == 0 < g.output_octets


def is_blank(g: Generation, p: Point) -> bool:
    """Whether a box has not filled in the session time, and of the octets only those that go
    on from where they were.

    A session that begins anew may show the same for a moment: its next report tells.
    """
    return (
        p.session_time_s == 0 < g.session_time_s
        and (p.input_octets <= 0 or p.input_octets >= g.input_octets - g.input_wraps * WRAP)
        and (p.output_octets <= 0 or p.output_octets >= g.output_octets - g.output_wraps * WRAP)
    )


def says_nothing(g: Generation, p: Point) -> bool:
    """Whether it is a blank form in the midst of a session, or after it."""
    return p.kind != ENDS and is_blank(g, p) and not exceeds(g, p)


def exceeds(g: Generation, p: Point) -> bool:
    """Whether a counter is higher than any before, wraps aside."""
    return p.input_octets > g.input_octets or p.output_octets > g.output_octets


def grew(g: Generation, p: Point) -> bool:
    """Whether a session goes on: more session time, or, untold, more octets."""
    if p.session_time_s == UNKNOWN:
        return exceeds(g, p)
    return p.session_time_s > g.session_time_s


def goes_on(g: Generation, p: Point) -> bool:
    """Whether it continues the counters: more session time, and nothing that fell."""
    return p.session_time_s > g.session_time_s and not fell(g, p)


def is_earlier(g: Generation, p: Point) -> bool:
    """Whether it may lie before all that is known of a session whose Start was lost, by a
    clock that was set since: its numbers are not above the first that were heard."""
    first = g.first
    return (
        first is not None
        and p.kind != ENDS
        and UNKNOWN < p.session_time_s <= first.session_time_s
        and (
            p.one_login
            or (p.input_octets <= first.input_octets and p.output_octets <= first.output_octets)
        )
    )


def is_same_stop(g: Generation, p: Point) -> bool:
    """Whether a Stop has the very numbers that a session ended with, by another clock.

    That it has none at all says nothing, except within one login; and what began where the
    session ended is the next one, however equal.
    """
    return (
        p.kind == ENDS
        and p.session_time_s == g.session_time_s
        and p.input_octets == g.input_octets - g.input_wraps * WRAP
        and p.output_octets == g.output_octets - g.output_wraps * WRAP
        and (p.one_login or p.input_octets > 0 or p.output_octets > 0)
        and abs(p.at_s - p.session_time_s - g.stopped_s) > TOLERANCE_S
    )


def larger(g: Generation, p: Point) -> tuple[int, int]:
    """The larger totals; of an old report nobody knows in which round its counter was."""
    received = p.input_octets + g.input_wraps * WRAP
    sent = p.output_octets + g.output_wraps * WRAP
    if p.session_time_s < g.session_time_s:
        received = 0 if g.input_wraps else received
        sent = 0 if g.output_wraps else sent
    return max(g.input_octets, received), max(g.output_octets, sent)


def described(g: Generation, p: Point) -> Generation:
    """With the description that came along, as the latest one."""
    if g.abouts and g.abouts[-1] == p.about:
        return g
    others = [about for about in g.abouts if about != p.about]
    return replace(g, abouts=(*others, p.about)[-ABOUTS_MAX:])
