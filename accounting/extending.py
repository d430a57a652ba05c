"""The ordinary next step of a session, which nearly every record is.

`extend` takes the next report of an open session, in time and with nothing fallen.  It answers
None to everything else, which is `walk`'s to think about.
"""

from accounting.counters import GOOD, WRAP, plausible, too_long
from accounting.generations import BY_STOP, OPEN, TOLERANCE_S, Generation
from accounting.points import BEGINS, ENDS, Point
from accounting.usage import SPREAD_MAX_S, Interval


def extend(g: Generation, p: Point) -> tuple[Generation, Interval] | None:
    """The session after its next report, and what was used since the last; None if anything
    about it is out of the ordinary."""
    at_s, kind, session_time_s, received, sent, cause, _, _, line_bps, about, _ = p
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
