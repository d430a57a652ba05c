"""What folding a key's points and marks has come to.

Apart from the rules, because structs cannot be compiled with them.
"""

from typing import Final

import msgspec

from accounting.generations import Generation
from accounting.points import Point
from accounting.usage import Interval


class State(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """How far the fold has come: all of it up to `until_s`, inclusive."""

    previous: Generation | None = None
    current: Generation | None = None
    until_s: int = -1


BEGINNING: Final = State()


class Derived(msgspec.Struct, frozen=True):
    """What points and marks amount to, since the state that they continue."""

    generations: tuple[Generation, ...]
    intervals: list[Interval]
    state: State
    points: list[Point]  # those that count, sorted
    plain: list[bool]  # of each of them: an ordinary next step?
