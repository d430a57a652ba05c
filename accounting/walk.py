"""A session's points and marks in the order of time, folded into generations.

Here are the cases of the lifecycle (domain: session lifecycle, identity §4): what a
report means to an open session, to a closed one, and when it begins the next.  The fold
sees its input sorted, so it cannot know in what order the network delivered it.

Three questions recur.  *Did it begin later?*  A report says how old its session is, hence
when it began; what began after this session ended and starts its counters over is another
session.  *Is it a straggler?*  Where the NAS sends no Event-Timestamp, a late or repeated
packet seems newer than it is; its session time gives it away.  *Was a clock set?*  Then
one session has two beginnings, its parts lie over or behind one another, and only its own
time tells their order: what began before this session was last heard is no other, for a
key is used by one session at a time; and with our Class it is one login, so that only a
Start or a Stop can tell of another.
"""

from typing import Final

from msgspec.structs import replace

from accounting.counters import GOOD, LOW, QUARANTINE, judged, too_long
from accounting.evidence import (
    began,
    described,
    exceeds,
    fell,
    goes_on,
    grew,
    is_back_at_nothing,
    is_blank,
    is_earlier,
    is_same_stop,
    larger,
    says_nothing,
)
from accounting.extending import extend
from accounting.generations import BY_NEXT, BY_STOP, OPEN, TOLERANCE_S, Generation
from accounting.pending import both, settled, untold
from accounting.points import (
    BEGINS,
    BY_ACCOUNTING_OFF,
    BY_ACCOUNTING_ON,
    BY_REAPER,
    BY_REDIAL,
    ENDS,
    UNKNOWN,
    Mark,
    Point,
)
from accounting.usage import Interval, bounded, taken_back

# Acct-Terminate-Cause (RFC 2866 §5.10) of a close that no Stop told.
LOST_CARRIER: Final = 2
LOST_SERVICE: Final = 3
NAS_REBOOT: Final = 11
_CAUSES: Final = {
    BY_ACCOUNTING_ON: NAS_REBOOT,
    BY_ACCOUNTING_OFF: NAS_REBOOT,
    BY_REAPER: LOST_SERVICE,
    BY_REDIAL: LOST_CARRIER,
}
_ROUNDING_S: Final = 2  # two whole seconds, each rounded, subtracted
_DAY_S: Final = 86_400


class Walk:
    """Feed it points and marks in order.  `finished` and `current` are the generations,
    `intervals` what they used; `plain` says that the last point was an ordinary one."""

    __slots__ = ("_heard", "current", "finished", "intervals", "plain", "previous")

    def __init__(self, previous: Generation | None, current: Generation | None) -> None:
        self.previous = previous
        self.current = current
        self.finished: list[Generation] = []
        self.intervals: list[Interval] = []
        self.plain = False
        self._heard: set[tuple[int, ...]] = set()

    def point(self, p: Point) -> None:
        """Take the next report."""
        g = self.current
        step = extend(g, p) if g is not None else None
        self.plain = step is not None
        if step is not None:
            self.current, interval = step
            self.intervals.append(interval)
        elif g is None:
            self._begin(p)
        elif g.closed_by:
            self._closed(g, p)
        else:
            self._open(g, p)
        if p.kind != BEGINS:
            self._heard.add(p[1:5])

    def mark(self, mark: Mark) -> None:
        """Take a mark that lies after every point so far."""
        g = self.current
        if g is None or g.closed_by:
            return
        if mark.kind == BY_REAPER:
            over = g.seen_s <= mark.basis_s  # else it was decided on half the evidence
        elif mark.kind == BY_REDIAL:
            over = g.seen_s <= mark.at_s
        else:
            over = g.seen_s < mark.at_s
        if over:
            self.current = replace(
                g,
                stopped_s=g.seen_s,
                closed_by=mark.kind,
                closed_at_s=mark.at_s,
                cause=_CAUSES[mark.kind],
                restart_s=-1,
            )

    # --- an open session

    def _open(self, g: Generation, p: Point) -> None:
        if p.kind == BEGINS:
            # A repetition, or the first sign of a reuse whose predecessor never stopped:
            # the session time of the next report will tell.
            later = p.at_s > g.started_s + TOLERANCE_S
            self.current = described(replace(g, restart_s=p.at_s) if later else g, p)
            return
        began_s = began(p)
        if g.restart_s >= 0 and began_s is not None:
            if began_s >= g.restart_s - TOLERANCE_S:
                if is_earlier(g, p):
                    return
                if not (p.one_login and goes_on(g, p)):
                    self._restart(g, p)
                    return
            g = replace(g, restart_s=-1)
        if self._strays(g, p):
            return
        if self._repeats(p):
            self.current = described(g, p)
            return
        if says_nothing(g, p):
            self.current = g
            return
        if is_blank(g, p):
            p = p._replace(session_time_s=UNKNOWN)
        older = UNKNOWN < p.session_time_s < g.session_time_s
        if older and (fell(g, p) or not (p.stamped or exceeds(g, p))):
            if fell(g, p) and self._starts_over(g, p):
                self._begin(p)
                return
            if p.kind != ENDS:  # late: it told nothing that later ones did not
                self.current = g
                return
        g = self._moved(self._started(g, p, began_s), p, older=older)
        if p.kind == ENDS:
            g = replace(g, stopped_s=p.at_s, closed_by=BY_STOP, closed_at_s=p.at_s, cause=p.cause)
        self.current = g

    def _starts_over(self, g: Generation, p: Point) -> bool:
        """Whether a report with less, in session time and octets, began after all others."""
        if is_earlier(g, p) or (p.one_login and p.kind != ENDS):
            return False
        began_s = p.at_s - p.session_time_s
        return began_s > g.started_s + TOLERANCE_S and began_s >= g.seen_s - (
            TOLERANCE_S if p.stamped else _ROUNDING_S
        )

    def _started(self, g: Generation, p: Point, began_s: int | None) -> Generation:
        """With an earlier start, if the Start was lost and this report knows of one."""
        if g.first is None or began_s is None or began_s >= g.started_s - TOLERANCE_S:
            return g
        if too_long(p.session_time_s - g.session_time_s, p.at_s - g.seen_s):
            return g
        moved = bounded(g.first._replace(from_s=self._not_before(began_s)))
        if moved != g.first:
            self.intervals += (taken_back(g.first), moved)
        return replace(g, started_s=self._not_before(began_s), first=moved)

    def _moved(self, g: Generation, p: Point, *, older: bool) -> Generation:
        """Totals after a report: the larger ones, and how sure."""
        if older:  # its octets are of another moment than its time
            totals, seconds = larger(g, p), 0
            received, sent = totals[0] - g.input_octets, totals[1] - g.output_octets
            confidence = judged(LOW, received, sent, p.line_bps, p.at_s - g.seen_s)
            used = [Interval(g.number, g.seen_s, p.at_s, received, sent, 0, confidence)]
            g = replace(g, input_octets=totals[0], output_octets=totals[1])
        else:
            seconds = p.session_time_s - g.session_time_s if p.session_time_s != UNKNOWN else 0
            doubt = LOW if is_back_at_nothing(g, p) else GOOD
            g = self._settled(g, p)
            g, used = both(g, p, seconds)
            confidence = max(doubt, *(interval.confidence for interval in used))
        for interval in used:
            self._use(interval)
        return described(
            replace(
                g,
                seen_s=p.at_s,
                session_time_s=g.session_time_s + seconds,
                confidence=max(g.confidence, confidence),
            ),
            p,
        )

    def _settled(self, g: Generation, p: Point) -> Generation:
        """Without what was guessed and this report decides."""
        if g.pending is None:
            return g
        g, back = settled(g, p)
        self.intervals += back
        return g

    # --- a closed session

    def _closed(self, g: Generation, p: Point) -> None:
        if p.kind == BEGINS:
            if p.at_s <= g.stopped_s:
                return
            if g.first is not None and (p.one_login or not _by_nas(g)):
                self.current = replace(g, restart_s=p.at_s)  # its own, if a clock was set
            else:
                self._begin(p)
            return
        if self._strays(g, p) or self._repeats(p) or says_nothing(g, p):
            return
        if self._is_another(g, p):
            if 0 <= g.restart_s <= p.at_s - p.session_time_s + TOLERANCE_S:
                self._restart(g, p)
            else:
                self._begin(p)
        elif p.kind == ENDS:
            self._stopped_again(g, p)
        elif p.at_s > g.stopped_s + TOLERANCE_S and grew(g, p):
            self.current = replace(
                g, stopped_s=0, closed_by=OPEN, closed_at_s=0, cause=0, reopened=g.reopened + 1
            )
            self._open(self.current, p)
        else:
            self.current = self._raised(g, p)

    def _is_another(self, g: Generation, p: Point) -> bool:
        """Whether a report after the close belongs to the next use of the key."""
        began_s = began(p)
        if _by_nas(g) and p.at_s > g.closed_at_s and not p.one_login:
            return began_s is None or began_s >= g.closed_at_s - _ROUNDING_S
        if began_s is None or p.at_s <= g.stopped_s:
            return False
        if goes_on(g, p):
            # After its Stop only one that is clearly younger is another; a close that was
            # inferred was wrong.
            return g.closed_by == BY_STOP and began_s > g.stopped_s + _ROUNDING_S
        if is_earlier(g, p) or is_same_stop(g, p) or (p.one_login and p.kind != ENDS):
            return False
        return began_s >= g.stopped_s - _ROUNDING_S

    def _stopped_again(self, g: Generation, p: Point) -> None:
        """Larger counters win; a close that was only inferred gives way to the Stop."""
        longer = p.session_time_s > g.session_time_s
        wrong = g.closed_by != BY_STOP
        g = self._raised(g, p)
        if wrong or longer:
            g = replace(
                g,
                seen_s=max(g.seen_s, p.at_s),
                stopped_s=p.at_s,
                closed_by=BY_STOP,
                closed_at_s=p.at_s,
                cause=p.cause,
                reopened=g.reopened + (wrong and longer),
            )
        self.current = g

    def _raised(self, g: Generation, p: Point) -> Generation:
        """A closed session with the larger of both counters: the difference is used, late."""
        if p.session_time_s >= g.session_time_s:
            g = self._settled(g, p)
        totals = larger(g, p)
        seconds = max(p.session_time_s - g.session_time_s, 0)
        received, sent = totals[0] - g.input_octets, totals[1] - g.output_octets
        elapsed_s = seconds or p.at_s - g.seen_s
        lower = p.kind == ENDS and fell(g, p)
        confidence = judged(LOW if lower else GOOD, received, sent, p.line_bps, elapsed_s)
        if too_long(seconds, p.at_s - g.seen_s):
            confidence = QUARANTINE
        self._use(Interval(g.number, g.seen_s, p.at_s, received, sent, seconds, confidence))
        return described(
            replace(
                g,
                session_time_s=g.session_time_s + seconds,
                input_octets=totals[0],
                output_octets=totals[1],
                confidence=max(g.confidence, confidence),
            ),
            p,
        )

    # --- the next generation

    def _begin(self, p: Point) -> None:
        """Open a generation with its first point; a lone Stop makes a closed one."""
        number = 0 if self.current is None else self.current.number + 1
        self._finish()
        if p.kind == BEGINS:
            self.current = described(Generation(number, p.at_s, True, p.at_s), p)
            return
        began_s = began(p)
        started_s = self._not_before(p.at_s if began_s is None else began_s)
        seconds = max(p.session_time_s, 0)
        received, sent = max(p.input_octets, 0), max(p.output_octets, 0)
        elapsed_s = _DAY_S if began_s is None else seconds
        confidence = judged(GOOD, received, sent, p.line_bps, elapsed_s)
        first = bounded(Interval(number, started_s, p.at_s, received, sent, seconds, confidence))
        self._use(first)
        g = Generation(
            number,
            started_s,
            False,
            p.at_s,
            seconds,
            received,
            sent,
            first=first,
            confidence=confidence,
            pending=untold(p, started_s),
        )
        if p.kind == ENDS:
            g = replace(g, stopped_s=p.at_s, closed_by=BY_STOP, closed_at_s=p.at_s, cause=p.cause)
        self.current = described(g, p)

    def _restart(self, g: Generation, p: Point) -> None:
        """Open a generation with the Start that waited for its first report."""
        number, started_s = g.number + 1, g.restart_s
        self._finish()
        self.current = described(Generation(number, started_s, True, started_s), p)
        self.point(p)

    def _finish(self) -> None:
        g = self.current
        if g is None:
            return
        if not g.closed_by:
            g = replace(
                g,
                stopped_s=g.seen_s,
                closed_by=BY_NEXT,
                closed_at_s=g.seen_s,
                cause=LOST_SERVICE,
            )
        if g.restart_s >= 0:
            g = replace(g, restart_s=-1)
        self.finished.append(g)
        self.previous, self.current = g, None
        self._heard.clear()

    def _not_before(self, started_s: int) -> int:
        """Generations do not overlap."""
        return started_s if self.previous is None else max(started_s, self.previous.stopped_s)

    # --- what a report may be, other than news

    def _strays(self, g: Generation, p: Point) -> bool:
        """It is older than this session: its predecessor's, which gets what is new in it."""
        before = self.previous
        if (
            before is None
            or p.session_time_s == UNKNOWN
            or p.at_s - p.session_time_s >= g.started_s - TOLERANCE_S
        ):
            return False
        if p.session_time_s <= before.session_time_s and not exceeds(before, p):
            return True
        if not g.start_seen:
            return False  # it may tell of an earlier start
        if p.session_time_s >= before.session_time_s and not fell(before, p):
            self.previous = self._raised(before, p)
            self.finished = [one for one in self.finished if one.number != before.number]
            self.finished.append(self.previous)
        return True

    def _repeats(self, p: Point) -> bool:
        """The very same was heard of this session, and no clock says that it is another."""
        return not p.stamped and p.session_time_s > 0 and p[1:5] in self._heard

    def _use(self, interval: Interval) -> None:
        if interval.input_octets or interval.output_octets or interval.session_time_s:
            self.intervals.append(bounded(interval))


def _by_nas(g: Generation) -> bool:
    """Whether an Accounting-On or -Off closed it."""
    return g.closed_by in (BY_ACCOUNTING_ON, BY_ACCOUNTING_OFF)
