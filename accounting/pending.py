"""What a counter has not told yet: what it did not show, and a wrap that was guessed.

A report without a counter, or with one that is back at nothing, says that its session
lives and no more; what the counter shows next was used since it was last told.  And a
wrap that was a guess never was, if what the counter shows next is at least what it showed
before it fell.

One counter at a time, in the order of the session's reports.
"""

from typing import Final, NamedTuple

from msgspec.structs import replace

from accounting.counters import GOOD, LOW, QUARANTINE, WRAP, advance, judged, too_long
from accounting.generations import Generation, Pending
from accounting.points import UNKNOWN, Point
from accounting.usage import Interval, bounded, taken_back

_NONE: Final = (None, None)


class Counted(NamedTuple):
    """One counter after a report: its total, and since when and how surely it was used."""

    total: int
    wraps: int
    octets: int
    from_s: int
    confidence: int
    pending: Pending | None
    guessed: bool  # that it went round


def settled(g: Generation, p: Point) -> tuple[Generation, list[Interval]]:
    """The session without the guesses that this report confirms or proves wrong, and what
    takes the wrong ones back."""
    into, out = g.pending or _NONE
    back: list[Interval] = []
    if into is not None and into.guess is not None:
        once = into.guess.input_octets
        shown = g.input_octets - g.input_wraps * WRAP
        if p.input_octets >= shown + WRAP - once:
            back.append(taken_back(into.guess))
            g = replace(g, input_octets=g.input_octets - once, input_wraps=g.input_wraps - 1)
        if p.input_octets > shown:
            into = into._replace(guess=None)
    if out is not None and out.guess is not None:
        once = out.guess.output_octets
        shown = g.output_octets - g.output_wraps * WRAP
        if p.output_octets >= shown + WRAP - once:
            back.append(taken_back(out.guess))
            g = replace(g, output_octets=g.output_octets - once, output_wraps=g.output_wraps - 1)
        if p.output_octets > shown:
            out = out._replace(guess=None)
    return replace(g, pending=None if into is None and out is None else (into, out)), back


def counted(
    g: Generation, p: Point, total: int, wraps: int, raw: int, pending: Pending | None
) -> Counted:
    """A counter after a report that is not older than its session."""
    told_s, age_s, guess = pending or (g.seen_s, g.session_time_s, None)
    if raw == UNKNOWN or (raw == 0 and total):
        return Counted(total, wraps, 0, p.at_s, GOOD, Pending(told_s, age_s, guess), False)
    known = p.session_time_s != UNKNOWN
    by_nas_s = p.session_time_s - age_s if known else 0
    after = advance(total, wraps, raw, wide=p.wide, line_bps=p.line_bps, elapsed_s=by_nas_s)
    octets = after.total - total
    elapsed_s = by_nas_s if known else p.at_s - told_s
    still = None
    if guess is not None and after.wraps == wraps:  # not settled: it shows what it fell to, or less
        still = Pending(p.at_s, max(p.session_time_s, g.session_time_s), guess)
    return Counted(
        after.total,
        after.wraps,
        octets,
        told_s,
        judged(after.confidence, octets, 0, p.line_bps, elapsed_s),
        still,
        after.wraps > wraps and after.confidence == LOW,
    )


def untold(p: Point, started_s: int) -> tuple[Pending | None, Pending | None] | None:
    """What the first report of a session did not have: nothing was used when it began."""
    if p.input_octets >= 0 and p.output_octets >= 0:
        return None
    began = Pending(started_s, 0)
    return began if p.input_octets < 0 else None, began if p.output_octets < 0 else None


def both(g: Generation, p: Point, seconds: int) -> tuple[Generation, list[Interval]]:
    """The session's counters after that report, and what they and its time went on."""
    into, out = g.pending or _NONE
    received = counted(g, p, g.input_octets, g.input_wraps, p.input_octets, into)
    sent = counted(g, p, g.output_octets, g.output_wraps, p.output_octets, out)
    at_s, number = p.at_s, g.number
    sure = QUARANTINE if too_long(seconds, at_s - g.seen_s) else GOOD
    if received.from_s == sent.from_s == g.seen_s:
        sure = max(sure, received.confidence, sent.confidence)
        used = [Interval(number, g.seen_s, at_s, received.octets, sent.octets, seconds, sure)]
    else:  # each counter since it was told
        used = [
            Interval(number, g.seen_s, at_s, 0, 0, seconds, sure),
            Interval(number, received.from_s, at_s, received.octets, 0, 0, received.confidence),
            Interval(number, sent.from_s, at_s, 0, sent.octets, 0, sent.confidence),
        ]
    age_s = g.session_time_s + seconds
    into, out = received.pending, sent.pending
    if received.guessed:
        guess = used[-2 if len(used) > 1 else 0]._replace(output_octets=0, session_time_s=0)
        into = Pending(at_s, age_s, bounded(guess))
    if sent.guessed:
        guess = used[-1]._replace(input_octets=0, session_time_s=0)
        out = Pending(at_s, age_s, bounded(guess))
    return replace(
        g,
        input_octets=received.total,
        output_octets=sent.total,
        input_wraps=received.wraps,
        output_wraps=sent.wraps,
        pending=None if into is None and out is None else (into, out),
    ), used
