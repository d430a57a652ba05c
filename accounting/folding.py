"""A batch, put through the rules: stored groups and what arrived in, rows to write out.

Pure: the database's answers come as arguments, and so do the numbers that new sessions
get.  Groups that need their history to take a record are named and left alone; called
again with it, they are folded like the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from struct import unpack

from accounting.folded import Folded, Stored
from accounting.groups import Change, Group, NeedsHistory
from accounting.identity import SessionKey
from accounting.points import Mark
from accounting.reading import SESSION_AT, Arrivals, RawRow
from accounting.records import Record


def opened(name: bytes, key: SessionKey, stored: Stored | None) -> Folded:
    """A group as it was stored, or a new one, ready for its records."""
    if stored is None:
        return Folded(name, key, Group(), [], [], True, 0)
    state, abouts, sessions, version = stored
    group = Group.decode(state, abouts)
    numbers = unpack(f">{len(sessions) // 8}q", sessions)
    ids = list(numbers[::2])
    return Folded(name, key, group, ids, list(numbers[1::2]), False, len(ids), version)


def fold(
    name: bytes,
    arrivals: Arrivals,
    stored: Stored | None,
    marks: Sequence[Mark],
    history: Mapping[int, bytes] | None,
    ids: Iterator[int],
) -> Folded | NeedsHistory:
    """All records of one group, in order.  Raw rows learn which session they count to."""
    folded = opened(name, arrivals.key, stored)
    for record, row in zip(arrivals.records, arrivals.raw, strict=True):
        change = _add(folded, record, marks, history)
        if isinstance(change, NeedsHistory):
            return change
        took(folded, change, ids)
        _count_to(folded, change, row)
    return folded


def close(
    folded: Folded, mark: Mark, history: Mapping[int, bytes] | None, ids: Iterator[int]
) -> Folded | NeedsHistory:
    """Close what the mark closes."""
    change = folded.group.mark(mark)
    if isinstance(change, NeedsHistory):
        if history is None:
            return change
        change = folded.group.mark(mark, _ordered(folded, history))
        assert isinstance(change, Change)
    took(folded, change, ids)
    return folded


def took(folded: Folded, change: Change, ids: Iterator[int]) -> None:
    """Note what a step changed, and give new generations their numbers."""
    hot = folded.group.hot
    before = hot.current
    is_odd = bool(change.gone)
    folded.group = change.group
    for generation in change.sessions:
        number = generation.number
        if generation.closed_by or generation.reopened:
            is_odd = True
        if generation.reopened and (before is None or before.closed_by or before.number != number):
            folded.reopened |= {number}
        folded.changed[number] = generation
        if folded.gone:
            folded.gone -= {number}
        while len(folded.session_ids) <= number:
            folded.session_ids.append(next(ids))
            folded.subscribers.append(0)
    for number in change.gone:
        folded.changed.pop(number, None)
        folded.gone |= {number}
    usage = folded.usage
    for number, begins_s, confidence, received, sent, seconds in change.usage:
        if confidence:
            is_odd = True
        held = usage.get((number, begins_s, confidence))
        if held is None:
            usage[number, begins_s, confidence] = [received, sent, seconds]
        else:
            held[0] += received
            held[1] += sent
            held[2] += seconds
    if change.sealed:
        folded.chunks = {**folded.chunks, **{one.number: one.octets for one in change.sealed}}
    if change.described:
        folded.described = True
    if is_odd and not folded.is_odd:
        folded.is_odd = True
        folded.before = hot


def _add(
    folded: Folded, record: Record, marks: Sequence[Mark], history: Mapping[int, bytes] | None
) -> Change | NeedsHistory:
    change = folded.group.add(record, marks)
    if isinstance(change, NeedsHistory) and history is not None:
        change = folded.group.add(record, marks, _ordered(folded, history))
        assert isinstance(change, Change)
    return change


def _ordered(folded: Folded, history: Mapping[int, bytes]) -> list[bytes]:
    """The chunks by number; those of this batch are newer than what was read.

    A group that was worked out anew may have fewer than before: what lies above is void.
    """
    chunks = {**history, **folded.chunks}
    return [chunks[number] for number in sorted(chunks) if number < folded.group.hot.sealed]


def _count_to(folded: Folded, change: Change, row: RawRow) -> None:
    if change.sessions:
        number = change.sessions[-1].number
    else:  # a repetition
        folded.repeated += 1
        current = folded.group.hot.current
        number = current.number if current is not None else -1
    if 0 <= number < len(folded.session_ids):
        row[SESSION_AT] = folded.session_ids[number]
