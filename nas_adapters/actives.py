"""Who is online, as a box itself says: to find one session there, and to compare it with us.

Pure, and the same for every box that has an API.  A session is found by its id; by name
and place only where the box tells no id, because a name that is online again is not the
session that was to be ended.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Final

from nas_adapters.base import SessionRef
from nas_adapters.mac import normalise

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Active:
    """One session in the words of the box."""

    row: str  # by which the box wants it named
    service: str  # "pppoe", "hotspot", ...
    name: str
    address: str = ""
    calling_station: str = ""
    session_id: str = ""
    uptime_s: int | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """One session, with another address here than there."""

    ours: SessionRef
    theirs: Active


@dataclass(frozen=True, slots=True)
class Comparison:
    """How our open sessions of a box differ from its own."""

    missing_there: tuple[SessionRef, ...]  # open here, and the box knows nothing of them
    missing_here: tuple[Active, ...]  # online there, and we were never told, or told of an end
    moved: tuple[Moved, ...]

    @property
    def is_equal(self) -> bool:
        return not (self.missing_there or self.missing_here or self.moved)


def find(session: SessionRef, actives: Iterable[Active]) -> Active | None:
    """The session on the box, or None: then it has ended there, whoever else has its name."""
    wanted = session_id(session.acct_session_id)
    nameless = []
    for active in actives:
        if not active.session_id:
            nameless.append(active)
        elif wanted and session_id(active.session_id) == wanted:
            return active
    same = [a for a in nameless if _place(a) == _our_place(session)]
    return same[0] if len(same) == 1 else None


def compare(ours: Collection[SessionRef], theirs: Collection[Active]) -> Comparison:
    """Each of theirs stands for one of ours at most, by the surest evidence there is.

    Where not one id of the box is one of ours, it writes them in another way, and names and
    places decide.  What began or ended between the two readings is told as a difference,
    too: look again before anything is done about it.
    """
    pairs, left, there = _paired(
        ours, theirs, lambda s: _id_key(s.acct_session_id), lambda a: _id_key(a.session_id)
    )
    # An id that is ours is believed, so the rest of those with an id are other sessions.
    known_by_id = [a for a in there if a.session_id] if pairs else []
    there = [a for a in there if not (pairs and a.session_id)]
    for of_ours, of_theirs in _EVIDENCE:
        more, left, there = _paired(left, there, of_ours, of_theirs)
        pairs += more
    moved = (Moved(s, a) for s, a in pairs if s.framed_ip and a.address not in ("", s.framed_ip))
    return Comparison(tuple(left), (*known_by_id, *there), tuple(moved))


def session_id(written: str) -> str:
    """``81500012`` for `0x81500012`: RouterOS says it differently over its API.

    Third-party code only, so it is no more than a way to compare.
    """
    return written.strip().lower().removeprefix("0x").lstrip("0")


def _paired(
    ours: Collection[SessionRef],
    theirs: Collection[Active],
    of_ours: Callable[[SessionRef], Key | None],
    of_theirs: Callable[[Active], Key | None],
) -> tuple[list[tuple[SessionRef, Active]], list[SessionRef], list[Active]]:
    """Those with one key, then what is left of each."""
    by_key: dict[Key, list[Active]] = {}
    rest = []
    for active in theirs:
        key = of_theirs(active)
        if key is None:
            rest.append(active)
        else:
            by_key.setdefault(key, []).append(active)
    pairs = []
    left = []
    for session in ours:
        key = of_ours(session)
        if key is not None and (waiting := by_key.get(key)):
            pairs.append((session, waiting.pop(0)))
        else:
            left.append(session)
    return pairs, left, [*rest, *(active for each in by_key.values() for active in each)]


def _id_key(written: str) -> Key | None:
    return (found,) if (found := session_id(written)) else None


def _our_place(session: SessionRef) -> Key:
    return (session.user_name, _station(session.calling_station), session.framed_ip)


def _place(active: Active) -> Key:
    return (active.name, _station(active.calling_station), active.address)


def _station(written: str) -> str:
    return normalise(written) or written


_EVIDENCE: Final[
    tuple[tuple[Callable[[SessionRef], Key | None], Callable[[Active], Key | None]], ...]
] = (
    (_our_place, _place),
    (lambda s: _our_place(s)[:2], lambda a: _place(a)[:2]),
    # A box that knows devices and no names.
    (lambda s: _our_place(s)[1:2], lambda a: None if a.name else _place(a)[1:2]),
)
