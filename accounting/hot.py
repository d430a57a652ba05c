"""The parts of a group as they are stored: structs, and the octets of each.

Apart from `memory`, which has the rules, because structs cannot be compiled with them.
"""

from typing import Final

import msgspec

from accounting.about import About
from accounting.generations import Generation
from accounting.points import Mark, Point
from accounting.state import State


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
    sure: bool = False  # so was every Interim of its quarter up to `kept`
    recent: bytes = b""  # points up to `kept`, encoded one after the other
    recent_count: int = 0
    base: bytes = b""  # the State that `recent` continues, encoded
    until_s: int = -1  # of that state
    sealed: int = 0  # how many chunks lie behind it
    marks: tuple[Mark, ...] = ()
    interval_s: int = 0  # between the last two ordinary reports: for the sweeper


class History(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What lies in a chunk: the state before it, its points, and the marks among them."""

    number: int
    state: State
    count: int
    points: bytes
    marks: tuple[Mark, ...] = ()


NEW: Final = Hot()
encode = msgspec.msgpack.Encoder().encode
decode_hot = msgspec.msgpack.Decoder(Hot).decode
read_state = msgspec.msgpack.Decoder(State).decode
read_history = msgspec.msgpack.Decoder(History).decode
read_points = msgspec.msgpack.Decoder(list[Point]).decode
read_abouts = msgspec.msgpack.Decoder(dict[int, About]).decode
