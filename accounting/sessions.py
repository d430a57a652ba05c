"""The sessions of one key, as a function of the set of its accepted points and marks.

`derive` sorts, so the order of arrival cannot matter, and takes a set, so duplicates
cannot; nor can what was forgotten, for it looks at no point that `thinning` does without.
It is what a rebuild runs; `groups` gives the same result a record at a time.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from accounting.about import About
from accounting.generations import CLOSED_BY, Generation
from accounting.points import Mark, Point
from accounting.state import BEGINNING, Derived, State
from accounting.thinning import thinned
from accounting.walk import Walk

_ABOUT_FIELDS: Final = About.__struct_fields__
_NOTHING_TOLD: Final = About()


def derive(
    points: Collection[Point], marks: Iterable[Mark] = (), state: State = BEGINNING
) -> Derived:
    """Generations and usage of these points and marks, in whatever order they are given."""
    walk = Walk(state.previous, state.current)
    until_s = state.until_s
    waiting = sorted(mark for mark in set(marks) if mark.at_s > until_s)
    waiting.reverse()
    plain = []
    counting = thinned(points)
    for p in counting:
        # What happened within a mark's second belongs before it.
        while waiting and waiting[-1].at_s < p.at_s:
            walk.mark(waiting.pop())
        walk.point(p)
        plain.append(walk.plain)
        until_s = p.at_s
    while waiting:
        mark = waiting.pop()
        walk.mark(mark)
        until_s = max(until_s, mark.at_s)
    generations = walk.finished if walk.current is None else [*walk.finished, walk.current]
    state = State(walk.previous, walk.current, until_s)
    return Derived(tuple(generations), walk.intervals, state, counting, plain)


def closed_by(g: Generation) -> str:
    """``stop``, ``reaper``, ...; empty while it is open."""
    return CLOSED_BY[g.closed_by]


def described(g: Generation, abouts: Mapping[int, About]) -> About:
    """Who and where: of each attribute the latest that was told, gaps filled by earlier ones."""
    told = [abouts[key] for key in g.abouts if key in abouts]
    if len(told) == 1:
        return told[0]
    fields = []
    for name in _ABOUT_FIELDS:
        nothing = getattr(_NOTHING_TOLD, name)
        values = [getattr(about, name) for about in reversed(told)]
        fields.append(next((value for value in values if value != nothing), nothing))
    return About(*fields)
