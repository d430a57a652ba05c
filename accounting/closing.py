"""Sessions that end without a Stop: the device dialled again, or nothing is heard any more.

Pure rules for the shell that holds the rows: from what it knows of open sessions to the
marks that close them, always at their last update (domain: identity §5, stale sessions).
A mark is no verdict: what is heard later re-opens a session.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from accounting.points import BY_REDIAL, Mark

STALE_MIN_S: Final = 15 * 60
STALE_INTERVALS: Final = 3
INTERVAL_DEFAULT_S: Final = 300
# Two reports that lie closer together are no interval of reporting (RFC 2869 §5.16), but an
# extra one, such as that of an address that came late.
INTERVAL_MIN_S: Final = 60
TOGETHER_MAX_S: Final = 6 * 3600

# Of one box with a single session nobody can tell a dead link from a dead session.
BLACKOUT_MIN: Final = 2

# Nothing is unknown for ever.  A box that was never heard to report within a session may be
# one that does not; a link that is down for a week is a box that was taken away.
NEVER_REPORTED_MAX_S: Final = 24 * 3600
UNKNOWN_MAX_S: Final = 7 * 24 * 3600


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
    """Open sessions of a box that were last heard of at the same time."""

    last_seen_s: int
    interval_s: int  # between their reports as observed; 0: never
    sessions: int = 1


class Swept(NamedTuple):
    """Which sessions are over, and which nobody can tell of."""

    closed: list[Silence]
    unknown: list[Silence]
    is_blackout: bool = False


def sweep(
    sessions: Iterable[Silence],
    now_s: int,
    deaf: Iterable[tuple[int, int]] = (),
    *,
    count: int | None = None,
    usual_s: int = 0,
) -> Swept:
    """Judge the open sessions of one box; those that were heard of lately may be left out,
    where `count` says how many there are in all.

    `deaf` are the times, from and to, when we ourselves could not hear or had not yet
    caught up; they do not count as silence.  `usual_s` is what the box's other sessions
    observe, for those that have observed nothing yet (`usual_interval_s`).

    If more than half of the sessions fell silent together, it is the link that is down:
    they are unknown and stay open.  Asked are all that are overdue, not only those that
    are stale: they become so one by one, as they had reported.
    """
    periods = merged(deaf)
    overdue: list[Silence] = []
    stale: list[tuple[Silence, int, int]] = []
    total = 0
    for one in sessions:
        total += one.sessions
        interval_s = expected_s(one.interval_s, usual_s)
        silence_s = now_s - one.last_seen_s - _deaf_s(periods, one.last_seen_s, now_s)
        if 2 * silence_s > 3 * (interval_s or INTERVAL_DEFAULT_S):
            overdue.append(one._replace(interval_s=interval_s))
        if silence_s > stale_after_s(interval_s):
            stale.append((one, interval_s, silence_s))
    first_s, last_s, together = _together(overdue)
    is_blackout = together >= BLACKOUT_MIN and 2 * together > (total if count is None else count)
    closed: list[Silence] = []
    unknown: list[Silence] = []
    for one, interval_s, silence_s in stale:
        known_s = 0 if interval_s else NEVER_REPORTED_MAX_S
        if is_blackout and first_s <= one.last_seen_s <= last_s:
            known_s = UNKNOWN_MAX_S
        (unknown if silence_s <= known_s else closed).append(one)
    return Swept(closed, unknown, is_blackout and bool(unknown))


def stale_after_s(interval_s: int) -> int:
    """How long a session may be silent: three of its own intervals, or a quarter of an hour."""
    return max(STALE_INTERVALS * interval_s, STALE_MIN_S)


def expected_s(interval_s: int, usual_s: int) -> int:
    """The interval to expect of a session that observed this one, in a box with that usual one."""
    return interval_s if interval_s >= INTERVAL_MIN_S else usual_s


def usual_interval_s(observed: Iterable[tuple[int, int]]) -> int:
    """The median of (interval, how many sessions); 0 if no session has reported twice."""
    counted = sorted(one for one in observed if one[0] >= INTERVAL_MIN_S)
    half = sum(count for _, count in counted) / 2
    for interval_s, count in counted:
        half -= count
        if half <= 0:
            return interval_s
    return 0


def merged(periods: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same times, in order and without overlaps."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(periods):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _together(silent: list[Silence]) -> tuple[int, int, int]:
    """The most sessions whose last reports lie within one reporting interval of each other:
    the first and the last of these moments, and how many sessions."""
    ordered = sorted(silent)
    span_s = min(max((one.interval_s for one in silent), default=0), TOGETHER_MAX_S)
    span_s = span_s or INTERVAL_DEFAULT_S
    best = (0, 0, 0)
    first = 0
    count = 0
    for one in ordered:
        count += one.sessions
        while one.last_seen_s - ordered[first].last_seen_s > span_s:
            count -= ordered[first].sessions
            first += 1
        if count > best[2]:
            best = (ordered[first].last_seen_s, one.last_seen_s, count)
    return best


def _deaf_s(periods: list[tuple[int, int]], from_s: int, to_s: int) -> int:
    return sum(max(0, min(end, to_s) - max(begin, from_s)) for begin, end in periods)
