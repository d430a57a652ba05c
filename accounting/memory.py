"""What a group remembers: its points, thinned, the older ones sealed away in chunks.

What `thinning` does without is forgotten at once.  The latest points lie in `Hot`, which is
written with each record and so must stay short; older ones go into chunks, written once and
read only for a record that is older than what `Hot` holds.  A quarter of an hour is not torn
apart: which of its points count, only all of them tell.

Knows how it is stored, and of the rules only `derive`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from accounting.about import About
from accounting.generations import Generation
from accounting.hot import (
    Chunk,
    History,
    Hot,
    encode,
    read_abouts,
    read_history,
    read_points,
    read_state,
)
from accounting.points import BEGINS, Mark, Point
from accounting.sessions import derive
from accounting.state import BEGINNING, Derived, State
from accounting.usage import QUARTER_S

RECENT_MAX: Final = 24
CHUNK_POINTS: Final = 16
QUARTER_MAX: Final = 64  # a quarter with more points than that is nonsense, and may be torn
ABOUTS_MAX: Final = 32
MARKS_MAX: Final = 32  # a NAS that restarts more often is remembered for the latest


def _run_of(octets: bytes, count: int) -> list[Point]:
    """Points that were encoded one after the other: what they lack is an array's header."""
    return read_points(b"\xdd" + count.to_bytes(4, "big") + octets)


def points_of(hot: Hot) -> list[Point]:
    """Every point that is still in the group, in order."""
    points = _run_of(hot.recent, hot.recent_count)
    if hot.last is not None:
        points.append(hot.last)
    return points


def points_in(history: Iterable[bytes]) -> list[Point]:
    """The points of these chunks."""
    chunks = map(read_history, history)
    return [p for chunk in chunks for p in _run_of(chunk.points, chunk.count)]


def marks_in(history: Iterable[bytes]) -> list[Mark]:
    """The marks among them."""
    return [mark for chunk in map(read_history, history) for mark in chunk.marks]


def abouts_of(octets: bytes) -> dict[int, About]:
    """The descriptions that came with a group's points, by key."""
    return read_abouts(octets) if octets else {}


def remembered(octets: bytes, key: int, about: About, generations: Collection[Generation]) -> bytes:
    """With this description among the known ones."""
    known = abouts_of(octets)
    if key in known:
        return octets
    return encoded_abouts({**known, key: about}, generations)


def encoded_abouts(known: Mapping[int, About], generations: Collection[Generation]) -> bytes:
    """If they are too many, those of the latest generations: a box that numbers its sessions
    anew after each restart has one group for hundreds of subscribers."""
    if len(known) > ABOUTS_MAX:
        needed = (key for g in reversed([*generations]) for key in reversed(g.abouts))
        kept = list(dict.fromkeys(key for key in needed if key in known))[:ABOUTS_MAX]
        known = {key: known[key] for key in kept}
    return encode(dict(sorted(known.items())))


def rewound(hot: Hot, history: Sequence[bytes]) -> Hot:
    """The same group, remembering as far back as its chunks do.

    A chunk numbered beyond `sealed` is what a longer history left behind, and void.
    """
    chunks = [read_history(octets) for octets in history]
    chunks = [chunk for chunk in chunks if chunk.number < hot.sealed]
    if not chunks:
        return hot
    state = chunks[0].state
    return replace(
        hot,
        marks=tuple(sorted({*hot.marks, *(mark for chunk in chunks for mark in chunk.marks)})),
        recent=b"".join(chunk.points for chunk in chunks) + hot.recent,
        recent_count=hot.recent_count + sum(chunk.count for chunk in chunks),
        base=encode(state) if state != BEGINNING else b"",
        until_s=state.until_s,
        sealed=chunks[0].number,
    )


def rebuilt(hot: Hot, marks: tuple[Mark, ...], after: Derived) -> Hot:
    """The group after a derivation."""
    points, plain = after.points, after.plain
    kept = points[:-1]
    state = after.state
    return replace(
        hot,
        previous=state.previous,
        current=state.current,
        earliest_s=min(hot.earliest_s, points[0].at_s) if hot.base else points[0].at_s,
        latest_s=max(state.until_s, hot.latest_s),
        last=points[-1],
        kept=kept[-1] if kept else None,
        run=plain[-1],
        sure=bool(kept)
        and all(
            ordinary or p.kind == BEGINS
            for p, ordinary in zip(kept, plain, strict=False)
            if p.at_s // QUARTER_S == kept[-1].at_s // QUARTER_S
        ),
        recent=b"".join(encode(p) for p in kept),
        recent_count=len(kept),
        marks=marks,
    )


def sealed(hot: Hot) -> tuple[Hot, tuple[Chunk, ...]]:
    """The group with its oldest points in chunks, if it has too many of them or of marks."""
    chunks: list[Chunk] = []
    while hot.recent_count >= RECENT_MAX:
        points = _run_of(hot.recent, hot.recent_count)
        cut = CHUNK_POINTS
        quarter = points[cut - 1].at_s // QUARTER_S
        while cut < len(points) and points[cut].at_s // QUARTER_S == quarter:
            cut += 1
        if cut == len(points) and cut < QUARTER_MAX:
            break
        until_s = quarter * QUARTER_S + QUARTER_S - 1
        if cut > QUARTER_MAX or cut == len(points):
            cut = min(cut, QUARTER_MAX)
            until_s = points[cut - 1].at_s
        hot, chunk = _sealed_up_to(hot, points, cut, until_s)
        chunks.append(chunk)
    if len(hot.marks) > MARKS_MAX:
        hot, more = _without_old_marks(hot)
        chunks += more
    return hot, tuple(chunks)


def _sealed_up_to(hot: Hot, points: list[Point], cut: int, until_s: int) -> tuple[Hot, Chunk]:
    """The group without its first points, and these."""
    state = state_of(hot)
    marks = tuple(m for m in hot.marks if state.until_s < m.at_s <= until_s)
    after = derive(points[:cut], marks, state)
    octets = b"".join(encode(p) for p in points[:cut])
    chunk = Chunk(hot.sealed, encode(History(hot.sealed, state, cut, octets, marks)))
    return replace(
        hot,
        recent=b"".join(encode(p) for p in points[cut:]),
        recent_count=len(points) - cut,
        base=encode(replace(after.state, until_s=until_s)),
        until_s=until_s,
        sealed=hot.sealed + 1,
    ), chunk


def _without_old_marks(hot: Hot) -> tuple[Hot, list[Chunk]]:
    """The group with the latest marks.  What the others closed is sealed with them: worked out
    anew without them, it would be other sessions."""
    last = hot.last
    assert last is not None, "marks are taken with points"
    # Of those that no point follows, the first closes and the others change nothing.
    before = [m for m in hot.marks if m.at_s <= last.at_s]
    after = [m for m in hot.marks if m.at_s > last.at_s]
    half = MARKS_MAX // 2
    marks = before + (after if len(after) <= half else after[:1] + after[1 - half :])
    old = [m for m in marks[:-MARKS_MAX] if m.at_s < last.at_s]
    hot = replace(hot, marks=tuple(marks))
    if not old:
        return hot, []
    points = _run_of(hot.recent, hot.recent_count)
    until_s = old[-1].at_s
    cut = sum(p.at_s <= until_s for p in points)
    chunks: list[Chunk] = []
    if until_s > hot.until_s and (cut or hot.sealed):
        hot, chunk = _sealed_up_to(hot, points, cut, until_s)
        chunks.append(chunk)
    return replace(hot, marks=tuple(marks[len(old) :])), chunks


def state_of(hot: Hot) -> State:
    """The state that the group's points continue."""
    return read_state(hot.base) if hot.base else BEGINNING
