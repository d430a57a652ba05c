"""What the tables hold of a group against what its raw packets give: differences, and rows
to write that undo them.

Pure.  Never claims what it cannot know: a group whose oldest packets are gone is skipped
and not corrected to less, and so is one with a record that came after its time had been
forgotten (`groups`), which was counted as well as could be.

Which marks close a session is in no packet of its own: a redial and the sweeper's verdict
are only in what the group remembers, and a late Accounting-On is taken by a closed group's
next record.  So what is stored is right if the packets give it with the marks that the group
took, or with all that are known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_interface
from typing import Any, Final, NamedTuple

import msgspec

from accounting import memory
from accounting.event_time import MAX_SKEW_AHEAD_S
from accounting.folded import Folded
from accounting.generations import Generation
from accounting.hot import Hot, decode_hot
from accounting.identity import SessionKey
from accounting.memory import MARKS_MAX
from accounting.points import BY_REAPER, BY_REDIAL, Mark, Point
from accounting.pruning import HISTORY_KEPT_S
from accounting.rederived import Rederived, Told, rederived
from accounting.rows import session_row
from accounting.usage import NOTHING, Amounts, Bucket

# What `rows.session_row` says of a session and packets decide.  Its subscriber is looked up when it
# begins, and between which reports it was last heard of is for the sweeper.
FIELDS: Final = (
    "id", "tenant_id", "nas_id", "nas_reported", "acct_session_id", "class_nonce", "generation",
    "subscriber_id", "username", "calling_station", "mac", "circuit_id", "nas_identifier",
    "nas_address", "nas_port", "nas_port_id", "framed_ip", "framed_ipv6", "delegated_ipv6",
    "multi_session_id", "started_at", "last_seen_at", "stopped_at", "terminate_cause",
    "closed_by", "session_time_s", "input_octets", "output_octets", "confidence",
)  # fmt: skip
_NOT_COMPARED: Final = frozenset(("subscriber_id",))
_ADDRESSES: Final = frozenset(("framed_ip", "framed_ipv6", "delegated_ipv6"))
_AMOUNTS: Final = Amounts._fields
_ID, _SUBSCRIBER = FIELDS.index("id"), FIELDS.index("subscriber_id")
_STARTED, _STOPPED = FIELDS.index("started_at"), FIELDS.index("stopped_at")
_CLOSED_BY: Final = FIELDS.index("closed_by")
_UNREMEMBERED: Final = {"redial": BY_REDIAL, "reaper": BY_REAPER}

# Why a group is left as it is.
GONE: Final = "its oldest packets are gone"
LATE: Final = "a record came after its time had been forgotten"
STATELESS: Final = "its group is lost: rebuild without --from and --to"

Row = tuple[Any, ...]
"""A session's, its columns as in FIELDS."""

UsageKey = tuple[int, int, int]
"""(session, the quarter's first second, confidence)."""


@dataclass(slots=True)
class Kept:
    """What the tables hold of a group."""

    name: bytes
    key: SessionKey
    sessions: list[tuple[int, int]] = field(default_factory=list)  # (id, subscriber)
    state: bytes | None = None
    abouts: bytes = b""
    history: dict[int, bytes] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)  # by generation: FIELDS
    usage: dict[UsageKey, Amounts] = field(default_factory=dict)  # sums

    def session_ids(self) -> set[int]:
        return {one[0] for one in self.sessions} | {_id(row) for row in self.rows.values()}


class Difference(NamedTuple):
    """One fact that is not as the packets have it: of a session, of its usage in a quarter
    of an hour, or of what its group remembers."""

    session_id: int  # 0: it has none yet
    field: str
    stored: Any
    derived: Any
    begins_s: int | None = None  # the quarter, if it is of usage
    confidence: int | None = None


@dataclass(slots=True)
class Verdict:
    """On one group."""

    key: SessionKey
    told: Told
    generations: int = 0
    differences: list[Difference] = field(default_factory=list)
    skipped: str = ""
    rederived: Rederived | None = None


def judge(
    kept: Kept, told: Told, box_marks: Sequence[Mark], whole_since_s: int, *, is_part: bool = False
) -> Verdict:
    """Compare.  `box_marks` are the Accounting-Ons and -Offs of the group's box; all packets
    since `whole_since_s` are there; `is_part`: only those of a range were looked for."""
    verdict = Verdict(kept.key, told)
    hot = _hot(kept)
    if not told.points:
        verdict.skipped = GONE
        return verdict
    if _is_incomplete(kept, hot, told, whole_since_s):
        verdict.skipped = GONE
        return verdict
    if hot is None and is_part:
        verdict.skipped = STATELESS
        return verdict
    for marks in _candidates(kept, hot, told, box_marks):
        one = rederived(told, marks, hot.interval_s if hot else 0)
        verdict.rederived = one
        verdict.generations = len(one.derived.generations)
        verdict.differences = list(_differences(kept, hot, told, one))
        if not verdict.differences:
            return verdict
    if hot is not None and _was_late(kept, hot, told, verdict):
        verdict.skipped, verdict.differences = LATE, []
    return verdict


def corrected(kept: Kept, verdict: Verdict, numbers: Iterator[int]) -> Folded:
    """What to write so that there is no difference; `numbers` are for sessions without any."""
    one = verdict.rederived
    assert one is not None
    ids = _numbered(kept, verdict.told, verdict.generations)
    fresh = [number for number, session_id in enumerate(ids) if not session_id]
    for number in fresh:
        ids[number] = next(numbers)
    missing = [g.number for g in one.derived.generations if g.number not in kept.rows]
    folded = Folded(
        kept.name,
        kept.key,
        one.group,
        ids,
        _subscribers(kept, ids),
        kept.state is None,
        min(missing, default=len(ids)),
        described=True,
    )
    derived = {g.number: g for g in one.derived.generations}
    rows = {number: session_row(folded, g) for number, g in derived.items()}
    folded.changed = {
        number: g for number, g in derived.items() if any(_unlike(kept, number, rows[number]))
    }
    folded.gone = kept.rows.keys() - derived.keys()
    folded.usage = {key: list(amounts) for key, amounts in _missing(kept, one, ids)}
    folded.chunks = {chunk.number: chunk.octets for chunk in one.chunks}
    return folded


# --- may it be judged at all


def _hot(kept: Kept) -> Hot | None:
    """What the group remembers; None if it is lost."""
    if kept.state is None:
        return None
    try:
        memory.abouts_of(kept.abouts)
        hot = decode_hot(kept.state)
        memory.points_of(hot)
        memory.state_of(hot)
    except msgspec.DecodeError:
        return None
    return hot


def _is_incomplete(kept: Kept, hot: Hot | None, told: Told, whole_since_s: int) -> bool:
    """Whether packets are gone that were counted.

    The group's points are the evidence.  It keeps the first and the last of any quarter, so
    no day can be missing without one of them; but old ones it forgets, and all if it is lost:
    then only sessions count that began when packets are known to be whole.
    """
    points, is_whole = _remembered(kept, hot)
    known = {_evidence(p) for p in told.points}
    moved = {_evidence(p)[1:] for p in told.points}
    if any(
        _evidence(p) not in known and (p.stamped or _evidence(p)[1:] not in moved) for p in points
    ):
        return True
    if is_whole:
        return False
    began = [row[_STARTED] for row in kept.rows.values()]
    if hot is not None:
        began.append(hot.earliest_s)
    # What was received before may say that it happened after.
    return bool(began) and min(began) < whole_since_s + MAX_SKEW_AHEAD_S


def _remembered(kept: Kept, hot: Hot | None) -> tuple[list[Point], bool]:
    """The points that the group still has, and whether they reach back to its beginning."""
    if hot is None:
        return memory.points_in(filter(_is_readable, kept.history.values())), False
    chunks = _chunks(kept, hot)
    points = memory.points_in(chunks.values()) + memory.points_of(hot)
    return points, len(chunks) == hot.sealed


def _chunks(kept: Kept, hot: Hot) -> dict[int, bytes]:
    """Those that are still there, can be read, and are not void."""
    return {
        number: one
        for number, one in kept.history.items()
        if number < hot.sealed and _is_readable(one)
    }


def _is_readable(chunk: bytes) -> bool:
    try:
        memory.points_in((chunk,))
    except msgspec.DecodeError:
        return False
    return True


def _was_late(kept: Kept, hot: Hot, told: Told, verdict: Verdict) -> bool:
    """Whether what differs is that a record was counted when its quarter had been forgotten."""
    if len(_chunks(kept, hot)) == hot.sealed:
        return False
    if told.late_s > HISTORY_KEPT_S:
        return True
    # Or it waited elsewhere, as dead letters do: then only the quarters are others.
    sums: dict[tuple[int, str], int] = {}
    for one in verdict.differences:
        if one.begins_s is not None:
            place = (one.session_id, one.field)
            sums[place] = sums.get(place, 0) + one.derived - one.stored
        elif not one.field.startswith("group"):
            return False
    return bool(sums) and not any(sums.values())


def _evidence(p: Point) -> tuple[int, ...]:
    """A point without what a correction of its NAS's settings may have changed."""
    octets = sorted((p.input_octets, p.output_octets))
    return (p.at_s, p.kind, p.session_time_s, *octets, p.cause, p.about)


# --- with which marks


def _candidates(
    kept: Kept, hot: Hot | None, told: Told, box_marks: Sequence[Mark]
) -> Iterator[set[Mark]]:
    """Sets of marks of which one must give what is stored."""
    first_s = min(p.at_s for p in told.points)
    last_s = max(p.at_s for p in told.points)
    later = [m for m in box_marks if m.at_s > last_s]
    of_box = {m for m in box_marks if first_s <= m.at_s <= last_s} | set(sorted(later)[:1])
    if hot is None:
        yield of_box | _from_rows(kept, None)
        return
    taken = set(hot.marks) | set(memory.marks_in(_chunks(kept, hot).values()))
    if len(hot.marks) >= MARKS_MAX and len(_chunks(kept, hot)) < hot.sealed:
        oldest_s = min(m.at_s for m in taken)  # the group has forgotten older ones
        taken |= {m for m in of_box if m.at_s < oldest_s} | _from_rows(kept, oldest_s)
    yield taken
    if not of_box <= taken:
        yield taken | of_box


def _from_rows(kept: Kept, before_s: int | None) -> set[Mark]:
    """Marks that only their effect is left of."""
    marks = set()
    for row in kept.rows.values():
        kind = _UNREMEMBERED.get(str(row[_CLOSED_BY]))
        stopped_s = row[_STOPPED]
        if kind is None or stopped_s is None:
            continue
        at_s = stopped_s
        if before_s is None or at_s < before_s:
            marks.add(Mark(at_s, kind, at_s if kind == BY_REAPER else 0))
    return marks


# --- what differs


def _differences(kept: Kept, hot: Hot | None, told: Told, one: Rederived) -> Iterator[Difference]:
    ids = _numbered(kept, told, len(one.derived.generations))
    subscribers = _subscribers(kept, ids)
    folded = Folded(kept.name, kept.key, one.group, ids, subscribers, False, len(ids))
    for g in one.derived.generations:
        yield from _unlike(kept, g.number, session_row(folded, g))
    derived = {g.number for g in one.derived.generations}
    for number in sorted(kept.rows.keys() - derived):
        yield Difference(_id(kept.rows[number]), "session", f"generation {number}", None)
    for (number, begins_s, confidence), amounts in _missing(kept, one, ids):
        held = kept.usage.get((ids[number], begins_s, confidence), NOTHING)
        for name, stored, difference in zip(_AMOUNTS, held, amounts, strict=True):
            if difference:
                yield Difference(
                    ids[number], name, stored, stored + difference, begins_s, confidence
                )
    current = ids[len(one.derived.generations) - 1]
    if kept.state is None or hot is None:
        yield Difference(current, "group", "lost" if kept.state is None else "unreadable", "there")
        return
    for name, stored_g, derived_g in (
        ("previous", hot.previous, one.derived.state.previous),
        ("current", hot.current, one.derived.state.current),
    ):
        if stored_g != derived_g:
            yield Difference(current, f"group {name}", _brief(stored_g), _brief(derived_g))
    listed = [session_id for session_id, _ in kept.sessions]
    if listed != ids:
        yield Difference(current, "group sessions", listed, ids)


def _unlike(kept: Kept, number: int, row: Row) -> Iterator[Difference]:
    """What is wrong about the row of a session."""
    stored = kept.rows.get(number)
    session_id = _id(row)
    if stored is None:
        yield Difference(session_id, "session", None, f"generation {number}")
        return
    for name, was, is_ in zip(FIELDS, stored, row, strict=False):
        if name in _NOT_COMPARED or was == is_:
            continue
        if name in _ADDRESSES and was and is_ and ip_interface(was) == ip_interface(is_):
            continue
        yield Difference(session_id, name, was, is_)


def _missing(kept: Kept, one: Rederived, ids: Sequence[int]) -> Iterator[tuple[Bucket, Amounts]]:
    """The signed usage to append, by (place in `ids`, quarter, confidence)."""
    places = {session_id: number for number, session_id in enumerate(ids) if session_id}
    stored = {
        Bucket(places[session_id], begins_s, confidence): amounts
        for (session_id, begins_s, confidence), amounts in kept.usage.items()
        if session_id in places
    }
    for key in sorted({*stored, *one.usage}):
        was, is_ = stored.get(key, NOTHING), one.usage.get(key, NOTHING)
        if was != is_:
            yield key, Amounts(*(b - a for a, b in zip(was, is_, strict=True)))


def _brief(g: Generation | None) -> str:
    """Enough of it to see what is different."""
    if g is None:
        return "none"
    return " ".join(f"{name}={getattr(g, name)}" for name in g.__struct_fields__)


# --- whose numbers


def _numbered(kept: Kept, told: Told, generations: int) -> list[int]:
    """The session ids by generation, then those that are void; 0: it has none yet.

    A session's row says its number.  Where it is lost, the group's list does, and where that
    is lost as well, the raw records: they tell which session they were counted to.
    """
    ids = [0] * max([generations, *(number + 1 for number in kept.rows)])
    for number, row in kept.rows.items():
        ids[number] = _id(row)
    taken = set(ids)
    listed = [session_id for session_id, _ in kept.sessions]
    ids += [0] * (len(listed) - len(ids))
    for number, session_id in enumerate(listed):
        if not ids[number] and session_id not in taken:
            ids[number] = session_id
            taken.add(session_id)
    lineage = sorted(told.lineage.items(), key=lambda one: (one[1], one[0]))
    left = [one for one in (*listed, *(number for number, _ in lineage)) if one not in taken]
    for session_id in dict.fromkeys(left):
        if 0 in ids:
            ids[ids.index(0)] = session_id
        else:
            ids.append(session_id)
    return ids


def _subscribers(kept: Kept, ids: Sequence[int]) -> list[int]:
    """Whose they are, as far as it is stored."""
    known = {session_id: subscriber for session_id, subscriber in kept.sessions if subscriber}
    for row in kept.rows.values():
        if row[_SUBSCRIBER]:
            known[_id(row)] = int(row[_SUBSCRIBER])
    return [known.get(session_id, 0) for session_id in ids]


def _id(row: Row) -> int:
    number: int = row[_ID]
    return number
