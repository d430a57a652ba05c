"""All sessions of one key as ingest keeps them: two short values and a tail of history.

`add` takes a record and says what changed: sessions, and the signed usage to append.  The
ordinary record (the next report of an open session) costs a comparison of counters and a
few tuples, whatever the session's age; every other is worked out from the kept points by
`sessions.derive`, and both give the same (tests hold it).

Three values are stored (`memory`): `encode()` changes with each record, `abouts` seldom,
chunks are added.  A record that is older than the group remembers needs its chunks
(`NeedsHistory`); where they are gone, it counts as of the moment up to which the group
remembers: totals stay right, and only its quarter is that of the oldest memory.
"""

from collections.abc import Sequence
from typing import NamedTuple

from accounting.about import About
from accounting.evidence import exceeds
from accounting.extending import extend
from accounting.generations import Generation
from accounting.hot import NEW, Chunk, Hot, decode_hot, encode
from accounting.memory import (
    MARKS_MAX,
    RECENT_MAX,
    abouts_of,
    points_of,
    rebuilt,
    remembered,
    rewound,
    sealed,
    state_of,
)
from accounting.points import BEGINS, GOES_ON, Mark, Point, point
from accounting.records import Record
from accounting.sessions import derive, described
from accounting.thinning import alike
from accounting.usage import QUARTER_S, Interval, Usage, difference, rows_of


class NeedsHistory:
    """The record is older than what the group holds: come again with its chunks."""


class Change(NamedTuple):
    """What one record did."""

    group: "Group"
    sessions: tuple[Generation, ...] = ()  # new or changed
    gone: tuple[int, ...] = ()  # generations that later evidence joined to another: now void
    usage: tuple[Usage, ...] = ()  # to append
    sealed: tuple[Chunk, ...] = ()  # to store
    described: bool = False  # `abouts`, and what `Group.about` says, changed


class Group:
    """An immutable value; `abouts` is the second of its stored parts."""

    __slots__ = ("abouts", "hot")

    def __init__(self, hot: Hot = NEW, abouts: bytes = b"") -> None:
        self.hot = hot
        self.abouts = abouts

    @staticmethod
    def decode(octets: bytes, abouts: bytes) -> "Group":
        return Group(decode_hot(octets), abouts)

    def encode(self) -> bytes:
        return encode(self.hot)

    @property
    def interval_s(self) -> int:
        """Between its last two ordinary reports, 0 if there were none: for the sweeper."""
        return self.hot.interval_s

    def about(self, g: Generation) -> About:
        """Who and where the session is, gaps filled from all its records."""
        return described(g, abouts_of(self.abouts))

    def knows(self, g: Generation) -> bool:
        """Whether `about` says all that was told of this session, and nothing is forgotten."""
        return not set(g.abouts) - abouts_of(self.abouts).keys()

    def add(
        self,
        record: Record,
        marks: Sequence[Mark] = (),
        history: Sequence[bytes] | None = None,
    ) -> Change | NeedsHistory:
        """Take a Start, Interim or Stop.

        `marks` are the Accounting-Ons and -Offs of its NAS that are still remembered: one
        may have come before the records that it closes.  `history` are the octets of the
        group's chunks by number, when `NeedsHistory` asked for them.
        """
        p = point(record, record.about_key)
        hot = self.hot
        if marks:
            earliest_s = min(hot.earliest_s, p.at_s) if hot.last is not None else p.at_s
            if len(hot.marks) >= MARKS_MAX:  # older ones were taken, and have done their work
                earliest_s = max(earliest_s, hot.marks[0].at_s)
            marks = [m for m in marks if m.at_s >= earliest_s and m not in hot.marks]
        if not marks:
            if p.at_s > hot.latest_s:
                g = hot.current
                step = extend(g, p) if g is not None else None
                if step is not None:
                    needless = self._needless(p)
                    if needless is not None:
                        return self._extended(p, step[0], step[1], needless)
            elif self._knows(p):
                return Change(self)
        return self._rederived(p, marks, record, history)

    def mark(self, mark: Mark, history: Sequence[bytes] | None = None) -> Change | NeedsHistory:
        """Take what closes its open session (see `closing`)."""
        if self.hot.last is None or mark in self.hot.marks:
            return Change(self)
        return self._rederived(None, (mark,), None, history)

    # --- the ordinary record

    def _needless(self, p: Point) -> bool | None:
        """Whether the last point is not needed any more after this ordinary one; None: that
        changes what was worked out with it."""
        hot = self.hot
        last, kept = hot.last, hot.kept
        assert last is not None
        quarter = p[0] // QUARTER_S
        if last[0] // QUARTER_S != quarter:
            return False
        if not hot.run and last[1] == GOES_ON:
            return None
        if kept is None or kept[0] // QUARTER_S != quarter:
            return False
        if not hot.sure or (hot.marks and any(mark[0] >= kept[0] for mark in hot.marks)):
            return None
        return alike(last, p) and alike(kept, last)

    def _extended(self, p: Point, g: Generation, interval: Interval, needless: bool) -> Change:
        hot = self.hot
        last, kept, recent, count, sure = hot.last, hot.kept, hot.recent, hot.recent_count, hot.sure
        assert last is not None
        from_s, at_s = interval.from_s, interval.to_s
        if not needless:
            recent += encode(last)
            count += 1
            whole = kept is None or kept[0] // QUARTER_S != last[0] // QUARTER_S
            kept, sure = last, (whole or sure) and (hot.run or last[1] == BEGINS)
        new = Hot(
            hot.previous,
            g,
            hot.earliest_s,
            at_s,
            p,
            kept,
            True,
            sure,
            recent,
            count,
            hot.base,
            hot.until_s,
            hot.sealed,
            hot.marks,
            at_s - from_s,
        )
        usage = rows_of(interval)
        if count < RECENT_MAX:
            return Change(Group(new, self.abouts), (g,), (), usage)
        new, chunks = sealed(new)
        return Change(Group(new, self.abouts), (g,), (), usage, chunks)

    def _knows(self, p: Point) -> bool:
        """It is the last point again, or lies between two that do without it."""
        hot = self.hot
        last, kept = hot.last, hot.kept
        if p == last:
            return True
        return (
            last is not None
            and kept is not None
            and kept[0] < p[0] < last[0]
            and p[2] < last[2]
            and p[3] <= last[3]
            and p[4] <= last[4]
            and alike(kept, p)
            and alike(p, last)
        )

    # --- every other

    def _rederived(
        self,
        p: Point | None,
        marks: Sequence[Mark],
        record: Record | None,
        history: Sequence[bytes] | None,
    ) -> Change | NeedsHistory:
        hot = self.hot if history is None else rewound(self.hot, history)
        state = state_of(hot)
        if min((m.at_s for m in marks), default=state.until_s + 1) <= state.until_s or (
            p is not None and p.at_s <= state.until_s
        ):
            if history is None and hot.sealed:
                return NeedsHistory()
            marks = [m for m in marks if m.at_s > state.until_s]  # its session went on since
            if p is not None and p.at_s <= state.until_s:
                if _tells_nothing(state.current, p):
                    return Change(self)
                p = p._replace(at_s=state.until_s + 1, stamped=False)
        points = points_of(hot)
        known = points if p is None or p in points else [*points, p]
        all_marks = tuple(sorted({*hot.marks, *marks}))
        if known is points and all_marks == hot.marks:
            return Change(self)
        before = derive(points, hot.marks, state)
        after = derive(known, all_marks, state)
        abouts, described_anew = self.abouts, False
        if p is not None and record is not None:
            abouts = remembered(abouts, p.about, record.about, after.generations)
            described_anew = abouts != self.abouts
        # One that a straggler had raised, and does not any more, is as it was.
        sealed_ones = {g.number: g for g in (state.previous, state.current) if g is not None}
        old = sealed_ones | {g.number: g for g in before.generations}
        new = sealed_ones | {g.number: g for g in after.generations}
        changed = tuple(g for g in new.values() if old.get(g.number) != g)
        described_anew |= any(
            g.abouts != (old[g.number].abouts if g.number in old else ()) for g in changed
        )
        anew = rebuilt(hot, all_marks, after)
        if anew == hot:
            return Change(self)  # thinned away again
        thinned, chunks = sealed(anew)
        return Change(
            Group(thinned, abouts),
            changed,
            tuple(number for number in old if number not in new),
            difference(before.intervals, after.intervals),
            chunks,
            described_anew,
        )


def _tells_nothing(g: Generation | None, p: Point) -> bool:
    """Of what is older than all memory, only more than is known counts."""
    return p.kind == BEGINS or (
        g is not None and p.session_time_s <= g.session_time_s and not exceeds(g, p)
    )
