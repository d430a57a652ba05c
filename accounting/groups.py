"""All sessions of one key as ingest keeps them: two short values and a tail of history.

`add` takes a record and says what changed: sessions, and the signed usage to append.  The
ordinary record (the next report of an open session) costs a comparison of counters and a
few tuples, whatever the session's age; every other is worked out from the kept points by
`sessions.derive`, and both give the same (tests hold it).

What is kept.  Within an hour, of ordinary reports only the first and the last: usage is
summed by hour, so those between change no sum.  The latest points lie in the group; older
ones are sealed in chunks that are written once and read only when a record comes that is
older than the group remembers (`NeedsHistory`).  Where their chunks are gone, such a record
counts as of the moment up to which the group remembers: totals stay right, and only its
hour is that of the oldest memory.

Three values are stored: `encode()` changes with each record, `abouts` seldom, chunks
are added.
"""

from collections.abc import Sequence
from typing import Final
from zlib import crc32

import msgspec
from msgspec.structs import replace

from accounting.counters import plausible
from accounting.generations import Generation, extend
from accounting.points import GOES_ON, UNKNOWN, Mark, Point, point
from accounting.records import About, Record
from accounting.sessions import BEGINNING, Derived, State, derive, described
from accounting.usage import HOUR_S, Interval, Usage, difference

RECENT_MAX: Final = 24
CHUNK_POINTS: Final = 16
ABOUTS_MAX: Final = 32


class Chunk(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Points that have left the group: to be stored under their number, replacing any."""

    number: int
    octets: bytes


class Hot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What `encode` writes.  `last` is the latest point, `kept` the one before it that was
    kept, `run` whether all since `kept` were ordinary steps."""

    previous: Generation | None = None
    current: Generation | None = None
    earliest_s: int = 0
    latest_s: int = -1
    last: Point | None = None
    kept: Point | None = None
    run: bool = False
    sure: bool = False  # `kept` was one itself
    recent: bytes = b""  # points up to `kept`, encoded one after the other
    recent_count: int = 0
    base: bytes = b""  # the State that `recent` continues, encoded
    until_s: int = -1  # of that state
    sealed: int = 0  # how many chunks lie behind it
    marks: tuple[Mark, ...] = ()
    interval_s: int = 0  # between the last two ordinary reports: for the sweeper


class NeedsHistory(msgspec.Struct, frozen=True, gc=False):
    """The record is older than what the group holds: come again with its chunks."""


class Change(msgspec.Struct, frozen=True, gc=False):
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

    def __init__(self, hot: Hot | None = None, abouts: bytes = b"") -> None:
        self.hot = hot if hot is not None else _NEW
        self.abouts = abouts

    @staticmethod
    def decode(octets: bytes, abouts: bytes) -> "Group":
        return Group(_read_hot(octets), abouts)

    def encode(self) -> bytes:
        return _write(self.hot)

    def about(self, g: Generation) -> About:
        """Who and where the session is, gaps filled from all its records."""
        return described(g, _abouts(self.abouts))

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
        key = crc32(_write(record.about))
        p = point(record, key)
        hot = self.hot
        if marks:
            earliest_s = min(hot.earliest_s, p.at_s) if hot.last is not None else p.at_s
            marks = [m for m in marks if m.at_s > earliest_s and m not in hot.marks]
        if not marks:
            if p.at_s > hot.latest_s:
                g = hot.current
                step = extend(g, p) if g is not None else None
                if step is not None:
                    return self._extended(p, *step)
            elif self._knows(p):
                return Change(self)
        group = self if history is None else self._rewound(history)
        return group._rederived(p, marks, record.about, oldest=history is not None)

    def mark(self, mark: Mark, history: Sequence[bytes] | None = None) -> Change | NeedsHistory:
        """Take what closes its open session (see `closing`)."""
        if self.hot.last is None or mark in self.hot.marks:
            return Change(self)
        group = self if history is None else self._rewound(history)
        return group._rederived(None, (mark,), None, oldest=history is not None)

    # --- the ordinary record

    def _extended(self, p: Point, g: Generation, interval: Interval) -> Change:
        hot = self.hot
        last, kept, recent, count, sure = hot.last, hot.kept, hot.recent, hot.recent_count, hot.sure
        assert last is not None
        _, from_s, at_s, received, sent, seconds, confidence = interval
        if not (
            hot.run
            and last[1] == GOES_ON
            and kept is not None
            and kept[0] // HOUR_S == at_s // HOUR_S
            and p[2] - kept[2] <= _DAY_S
        ):
            recent += _write(last)
            count += 1
            kept, sure = last, hot.run
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
        hour_s = from_s - from_s % HOUR_S
        if at_s <= hour_s + HOUR_S:
            usage: tuple[Usage, ...] = (
                Usage(g.number, hour_s, confidence, received, sent, seconds),
            )
        else:
            usage = difference((), (interval,))
        if count < RECENT_MAX:
            return Change(Group(new, self.abouts), (g,), (), usage)
        new, chunks = _sealed(new)
        return Change(Group(new, self.abouts), (g,), (), usage, chunks)

    def _knows(self, p: Point) -> bool:
        """It is the last point again, or lies between two that say all that it could."""
        hot = self.hot
        last, kept = hot.last, hot.kept
        if p == last:
            return True
        return (
            hot.run
            and hot.sure
            and last is not None
            and kept is not None
            and kept[0] < p[0] < last[0]
            and kept[0] // HOUR_S == last[0] // HOUR_S
            and p[1] == GOES_ON
            and UNKNOWN < kept[2] < p[2] < last[2]
            and last[2] - kept[2] <= _DAY_S
            and kept[3] <= p[3] <= last[3]
            and kept[4] <= p[4] <= last[4]
            and kept[8] == p[8] == last[8]
            and plausible(max(p[3] - kept[3], p[4] - kept[4]), p[8], p[2] - kept[2])
            and plausible(max(last[3] - p[3], last[4] - p[4]), p[8], last[2] - p[2])
            and kept[9] == p[9] == last[9]
            and not any(kept[0] <= mark[0] <= last[0] for mark in hot.marks)
        )

    # --- every other

    def _rederived(
        self, p: Point | None, marks: Sequence[Mark], about: About | None, *, oldest: bool
    ) -> Change | NeedsHistory:
        hot = self.hot
        state = _read_state(hot.base) if hot.base else BEGINNING
        if min((m.at_s for m in marks), default=state.until_s + 1) <= state.until_s or (
            p is not None and p.at_s <= state.until_s
        ):
            if not oldest and hot.sealed:
                return NeedsHistory()
            marks = [m._replace(at_s=max(m.at_s, state.until_s + 1)) for m in marks]
            if p is not None:
                p = p._replace(at_s=max(p.at_s, state.until_s + 1))
        points = _points(hot)
        known = points if p is None or p in points else [*points, p]
        all_marks = tuple(sorted({*hot.marks, *marks}))
        if known is points and all_marks == hot.marks:
            return Change(self)
        before = derive(points, hot.marks, state)
        after = derive(known, all_marks, state)
        abouts, described_anew = self.abouts, False
        if p is not None and about is not None:
            abouts = _remembered(abouts, p.about, about)
            described_anew = abouts != self.abouts
        old = {g.number: g for g in before.generations}
        new = {g.number: g for g in after.generations}
        changed = tuple(g for g in after.generations if old.get(g.number) != g)
        described_anew |= any(
            g.abouts != (old[g.number].abouts if g.number in old else ()) for g in changed
        )
        rebuilt, chunks = _sealed(_rebuilt(hot, sorted(set(known)), all_marks, after))
        return Change(
            Group(rebuilt, abouts),
            changed,
            tuple(number for number in old if number not in new),
            difference(before.intervals, after.intervals),
            chunks,
            described_anew,
        )

    def _rewound(self, history: Sequence[bytes]) -> "Group":
        """The same group, remembering as far back as its chunks do."""
        if not history:
            return self
        chunks = [_read_history(octets) for octets in history]
        recent = b"".join(chunk.points for chunk in chunks) + self.hot.recent
        state = chunks[0].state
        return Group(
            replace(
                self.hot,
                recent=recent,
                recent_count=self.hot.recent_count + sum(chunk.count for chunk in chunks),
                base=_write(state) if state != BEGINNING else b"",
                until_s=state.until_s,
                sealed=chunks[0].number,
            ),
            self.abouts,
        )


class _History(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What lies in a chunk: the state before it, and its points."""

    number: int
    state: State
    count: int
    points: bytes


_DAY_S: Final = 86_400
_NEW: Final = Hot()
_write = msgspec.msgpack.Encoder().encode
_read_hot = msgspec.msgpack.Decoder(Hot).decode
_read_state = msgspec.msgpack.Decoder(State).decode
_read_history = msgspec.msgpack.Decoder(_History).decode
_read_points = msgspec.msgpack.Decoder(list[Point]).decode
_read_abouts = msgspec.msgpack.Decoder(dict[int, About]).decode


def _run_of(octets: bytes, count: int) -> list[Point]:
    """Points that were encoded one after the other: what they lack is an array's header."""
    return _read_points(b"\xdd" + count.to_bytes(4, "big") + octets)


def _points(hot: Hot) -> list[Point]:
    points = _run_of(hot.recent, hot.recent_count)
    if hot.last is not None:
        points.append(hot.last)
    return points


def _abouts(octets: bytes) -> dict[int, About]:
    return _read_abouts(octets) if octets else {}


def _remembered(octets: bytes, key: int, about: About) -> bytes:
    """With this description among the known ones."""
    known = _abouts(octets)
    if key in known or len(known) >= ABOUTS_MAX:
        return octets
    known[key] = about
    return _write(dict(sorted(known.items())))


def _rebuilt(hot: Hot, points: list[Point], marks: tuple[Mark, ...], after: Derived) -> Hot:
    """The group after a derivation, thinned."""
    kept: list[Point] = []
    sure = []  # of each kept: was it an ordinary step?
    for at, p in enumerate(points):
        plain = after.plain[at]
        following = points[at + 1] if at + 1 < len(points) else None
        if following is None:
            break
        if (
            kept
            and plain
            and after.plain[at + 1]
            and p.kind == GOES_ON
            and kept[-1].at_s // HOUR_S == following.at_s // HOUR_S
            and following.session_time_s - kept[-1].session_time_s <= _DAY_S
            and not any(kept[-1].at_s <= mark.at_s <= following.at_s for mark in marks)
        ):
            continue
        kept.append(p)
        sure.append(plain)
    state = after.state
    return replace(
        hot,
        previous=state.previous,
        current=state.current,
        earliest_s=min(hot.earliest_s, points[0].at_s) if hot.base else points[0].at_s,
        latest_s=max(state.until_s, hot.latest_s),
        last=points[-1],
        kept=kept[-1] if kept else None,
        run=after.plain[-1],
        sure=sure[-1] if sure else False,
        recent=b"".join(_write(p) for p in kept),
        recent_count=len(kept),
        marks=marks,
    )


def _sealed(hot: Hot) -> tuple[Hot, tuple[Chunk, ...]]:
    """The group with its oldest points in chunks, if it has too many."""
    chunks: list[Chunk] = []
    while hot.recent_count >= RECENT_MAX:
        points = _run_of(hot.recent, hot.recent_count)
        cut = CHUNK_POINTS
        while cut < len(points) and points[cut].at_s == points[cut - 1].at_s:
            cut += 1  # one second is not torn apart: its order is not that of arrival
        if cut == len(points):
            break
        state = _read_state(hot.base) if hot.base else BEGINNING
        until_s = points[cut - 1].at_s
        after = derive(points[:cut], [m for m in hot.marks if m.at_s <= until_s], state)
        octets = b"".join(_write(p) for p in points[:cut])
        chunks.append(Chunk(hot.sealed, _write(_History(hot.sealed, state, cut, octets))))
        hot = replace(
            hot,
            recent=b"".join(_write(p) for p in points[cut:]),
            recent_count=len(points) - cut,
            base=_write(after.state),
            until_s=until_s,
            sealed=hot.sealed + 1,
        )
    return hot, tuple(chunks)
