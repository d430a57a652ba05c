"""Sessions that end without a Stop: the device dialled again, or nothing is heard any more.

Pure rules for the shell that holds the rows: from what it knows of open sessions to the
marks that close them, always at their last update (domain: identity §5, stale sessions).
A mark is no verdict: what is heard later re-opens a session.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from accounting.points import BY_REAPER, BY_REDIAL, Mark

STALE_MIN_S: Final = 15 * 60
STALE_INTERVALS: Final = 3
INTERVAL_DEFAULT_S: Final = 300

# Of one box with a single session nobody can tell a dead link from a dead session.
BLACKOUT_MIN: Final = 2


class Dialled(NamedTuple):
    """What tells whether two sessions are the same device on the same port."""

    tenant_id: int
    nas_id: int
    mac: str  # or the Calling-Station-Id where it is none
    nas_port_id: str
    multi_session_id: str
    started_s: int


def superseded(older: Dialled, newer: Dialled) -> Mark | None:
    """The mark for `older` if `newer` is the same device that dialled again.

    Links of one multi-session belong together and supersede nothing.
    """
    same = (
        older.mac
        and older[:4] == newer[:4]
        and older.started_s < newer.started_s
        and not (older.multi_session_id and older.multi_session_id == newer.multi_session_id)
    )
    return Mark(newer.started_s, BY_REDIAL) if same else None


class Silence(NamedTuple):
    """An open session of a NAS, to the sweeper.  `ref` is the caller's."""

    ref: int
    last_seen_s: int
    interval_s: int  # between its reports as observed; 0: never


class Swept(NamedTuple):
    """Which sessions are over, by their `ref`, and which nobody can tell of."""

    closed: list[tuple[int, Mark]]
    unknown: list[int]


def stale_after_s(interval_s: int) -> int:
    """How long a session may be silent: three of its own intervals, or a quarter of an hour."""
    return max(STALE_INTERVALS * interval_s, STALE_MIN_S)


def sweep(sessions: Iterable[Silence], now_s: int, deaf: Iterable[tuple[int, int]] = ()) -> Swept:
    """Judge the open sessions of one NAS.

    `deaf` are the times, from and to, when we ourselves could not hear or had not yet
    caught up; they do not count as silence.  If more than half of the sessions fell
    silent together, it is the link that is down: they are unknown and stay open.
    """
    periods = _merged(deaf)
    silent = []
    count = 0
    for one in sessions:
        count += 1
        silence_s = now_s - one.last_seen_s - _deaf_s(periods, one.last_seen_s, now_s)
        if silence_s > stale_after_s(one.interval_s):
            silent.append(one)
    together = _together(silent)
    blackout = len(together) >= BLACKOUT_MIN and 2 * len(together) > count
    unknown = [one.ref for one in together] if blackout else []
    spared = set(unknown)
    return Swept(
        [
            (one.ref, Mark(now_s, BY_REAPER, one.last_seen_s))
            for one in silent
            if one.ref not in spared
        ],
        unknown,
    )


def _together(silent: list[Silence]) -> list[Silence]:
    """The most sessions whose last reports lie within one reporting interval of each other."""
    ordered = sorted(silent, key=lambda one: one.last_seen_s)
    span_s = max((one.interval_s for one in silent), default=0) or INTERVAL_DEFAULT_S
    best: tuple[int, int] = (0, 0)
    first = 0
    for last, one in enumerate(ordered):
        while one.last_seen_s - ordered[first].last_seen_s > span_s:
            first += 1
        if last + 1 - first > best[1] - best[0]:
            best = (first, last + 1)
    return ordered[best[0] : best[1]]


def _merged(periods: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for begin, end in sorted(periods):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _deaf_s(periods: list[tuple[int, int]], from_s: int, to_s: int) -> int:
    return sum(max(0, min(end, to_s) - max(begin, from_s)) for begin, end in periods)
