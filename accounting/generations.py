"""One session of a key: what is known of it, and its ordinary next step.

A key may be reused; each use is a generation.  `extend` is the step that nearly every
record takes: the next report of an open session, in time and with nothing fallen.  It
answers None to everything else, which is `walk`'s to think about.
"""

from typing import Final, NamedTuple

import msgspec

from accounting.counters import GOOD, WRAP, plausible, too_long
from accounting.points import BEGINS, ENDS, Point
from accounting.usage import SPREAD_MAX_S, Interval

# How far apart two clocks, or a packet and its repetition, may be and still mean the same.
TOLERANCE_S: Final = 60

OPEN: Final = 0
BY_STOP: Final = 1
BY_NEXT: Final = 2  # the key was used again, and no Stop ever came
# ... and the kinds of `points.Mark`.

CLOSED_BY: Final = {
    OPEN: "",
    BY_STOP: "stop",
    BY_NEXT: "next-generation",
    7: "accounting-on",
    8: "accounting-off",
    20: "reaper",
    21: "redial",
}


class Pending(NamedTuple):
    """A counter that has more to say (see `accounting.pending`)."""

    told_s: int  # by the last report that had it; what it shows next was used since
    session_time_s: int  # of that report
    guess: Interval | None = None  # what was counted because it may have gone round


class Generation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A session as its points and marks so far have it."""

    number: int
    started_s: int
    start_seen: bool  # else `started_s` is worked out from a session time
    seen_s: int  # of the latest report that told something new
    session_time_s: int = 0
    input_octets: int = 0  # totals: they never fall
    output_octets: int = 0
    input_wraps: int = 0
    output_wraps: int = 0
    stopped_s: int = 0  # never without `closed_by`
    closed_by: int = OPEN
    closed_at_s: int = 0  # when it was found to be over; `stopped_s` may be long before
    cause: int = 0  # Acct-Terminate-Cause
    reopened: int = 0  # how often a close was proved wrong
    confidence: int = GOOD  # the worst of its intervals
    restart_s: int = -1  # a Start that came while it was open, until it is known whose
    first: Interval | None = None  # where the Start was lost: it moves with `started_s`
    abouts: tuple[int, ...] = ()  # the latest last
    pending: tuple[Pending | None, Pending | None] | None = None  # input, output


def extend(g: Generation, p: Point) -> tuple[Generation, Interval] | None:
    """The session after its next report, and what was used since the last; None if anything
    about it is out of the ordinary."""
    at_s, kind, session_time_s, received, sent, cause, _, _, line_bps, about = p
    seconds = session_time_s - g.session_time_s
    if (
        seconds <= 0
        or g.closed_by
        or kind == BEGINS
        or at_s < g.seen_s
        or at_s - session_time_s < g.started_s - TOLERANCE_S
        or g.restart_s >= 0
        or g.pending is not None
    ):
        return None
    if g.input_wraps or g.output_wraps:
        received += g.input_wraps * WRAP
        sent += g.output_wraps * WRAP
    input_octets = received - g.input_octets
    output_octets = sent - g.output_octets
    elapsed_s = at_s - g.seen_s
    if (
        input_octets < 0
        or output_octets < 0
        or too_long(seconds, elapsed_s)
        or elapsed_s > SPREAD_MAX_S
        or not plausible(
            input_octets if input_octets > output_octets else output_octets,
            line_bps,
            seconds,
        )
    ):
        return None
    abouts = g.abouts
    if not abouts or abouts[-1] != about:
        return None
    number = g.number
    ended = kind == ENDS
    return Generation(
        number,
        g.started_s,
        g.start_seen,
        at_s,
        session_time_s,
        received,
        sent,
        g.input_wraps,
        g.output_wraps,
        at_s if ended else 0,
        BY_STOP if ended else OPEN,
        at_s if ended else 0,
        cause if ended else 0,
        g.reopened,
        g.confidence,
        -1,
        g.first,
        abouts,
    ), Interval(number, g.seen_s, at_s, input_octets, output_octets, seconds, GOOD)
