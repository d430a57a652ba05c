"""How well a NAS reports: what was seen of it, a score, and what the score was taken away for.

Bad accounting is seldom ours to mend: a box without a clock, one that sends no Stops, a
link that falls silent every night.  Whoever runs it needs to hear which, in a sentence.

Pure; `accounting.quality_sums` asks the database for what is judged here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

SWAPPED_TIMES: Final = 3
"""A median upload above so many times the median download is the wrong way round."""

SEEN_MIN: Final = 20  # sessions or stamps: of fewer nobody takes a median, or a share
SKEW_TOLERATED_S: Final = 5


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a NAS within some days; sums of nas_day, and of its latest sessions."""

    records: int = 0
    repeated: int = 0
    unreadable: int = 0
    odd_stamps: int = 0
    ambiguous: int = 0
    implausible: int = 0
    stops: int = 0
    reaped: int = 0
    redialled: int = 0
    restarted: int = 0
    reused: int = 0
    silent_gaps: int = 0
    silent_s: int = 0
    skew_s: int | None = None
    sessions: int = 0  # the latest, of which these are the medians
    upload_octets: int = 0
    download_octets: int = 0

    @property
    def missing_stops(self) -> int:
        """Sessions that something else than their Stop ended."""
        return self.reaped + self.redialled + self.restarted + self.reused

    @property
    def missing_stop_share(self) -> float:
        return _share(self.missing_stops, self.missing_stops + self.stops)

    @property
    def repeated_share(self) -> float:
        return _share(self.repeated, self.records)

    @property
    def is_swapped(self) -> bool:
        """Suspected: it counts from its own side, or its subscribers run servers."""
        return (
            self.sessions >= SEEN_MIN and self.upload_octets > SWAPPED_TIMES * self.download_octets
        )


class Objection(NamedTuple):
    """Points that are taken away, and what for: a word for programs, a sentence for people."""

    points: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Quality:
    """0 to 100; None where nothing was heard."""

    score: int | None
    objections: tuple[Objection, ...]


Rule = Callable[[Seen], Objection | None]


def judge(seen: Seen) -> Quality:
    """The score of what was seen."""
    if not seen.records:
        return Quality(None, ())
    objections = tuple(found for rule in RULES if (found := rule(seen)) is not None)
    return Quality(max(0, 100 - sum(one.points for one in objections)), objections)


def missing_stops(seen: Seen) -> Objection | None:
    share = seen.missing_stop_share
    if share < 0.01:
        return None
    ends = (
        ("fell silent", seen.reaped),
        ("dialled again", seen.redialled),
        ("ended with a restart", seen.restarted),
        ("gave their id to the next", seen.reused),
    )
    how = ", ".join(f"{count} {text}" for text, count in ends if count > 0)
    return Objection(
        _points(share, 0.5, 40), "missing-stops", f"{share:.0%} of sessions had no Stop: {how}"
    )


def repeated(seen: Seen) -> Objection | None:
    share = seen.repeated_share
    if share < 0.02:
        return None
    return Objection(
        _points(share, 0.5, 15), "repeated", f"{share:.0%} of records told nothing new"
    )


def unreadable(seen: Seen) -> Objection | None:
    share = _share(seen.unreadable, seen.records)
    if not seen.unreadable:
        return None
    return Objection(
        _points(share, 0.2, 30), "unreadable", f"{seen.unreadable} records could not be counted"
    )


def clock(seen: Seen) -> Objection | None:
    skew_s = seen.skew_s or 0
    if abs(skew_s) <= SKEW_TOLERATED_S or seen.records < SEEN_MIN:
        return None
    points = next(points for above_s, points in _SKEW_POINTS if abs(skew_s) > above_s)
    way = "ahead" if skew_s > 0 else "behind"
    return Objection(points, "clock", f"its clock is {abs(skew_s)} s {way}")


_SKEW_POINTS: Final = ((3600, 20), (300, 15), (60, 8), (SKEW_TOLERATED_S, 3))


def odd_stamps(seen: Seen) -> Objection | None:
    if not seen.odd_stamps:
        return None
    share = _share(seen.odd_stamps, seen.records)
    text = f"{seen.odd_stamps} records bear a time that cannot be, and count as of their arrival"
    return Objection(_points(share, 0.5, 20), "odd-stamps", text)


def ambiguous(seen: Seen) -> Objection | None:
    if not seen.ambiguous:
        return None
    share = _share(seen.ambiguous, seen.records)
    text = f"of {seen.ambiguous} intervals nobody can tell how often a counter went round"
    return Objection(_points(share, 0.1, 20), "ambiguous", text)


def implausible(seen: Seen) -> Objection | None:
    if not seen.implausible:
        return None
    share = _share(seen.implausible, seen.records)
    text = f"{seen.implausible} intervals or counters tell more than the line carries"
    return Objection(_points(share, 0.1, 20), "implausible", text)


def swapped(seen: Seen) -> Objection | None:
    if not seen.is_swapped:
        return None
    text = "upload is more than three times the download: does it count from its own side?"
    return Objection(20, "swapped", text)


def silent(seen: Seen) -> Objection | None:
    if not seen.silent_gaps and not seen.silent_s:
        return None
    text = f"most of its sessions fell silent together {seen.silent_gaps} times,"
    text += f" for {seen.silent_s // 60} minutes in all"
    return Objection(min(30, 5 * max(seen.silent_gaps, 1)), "silent", text)


RULES: Final[tuple[Rule, ...]] = (
    missing_stops,
    repeated,
    unreadable,
    clock,
    odd_stamps,
    ambiguous,
    implausible,
    swapped,
    silent,
)


def _share(part: int, whole: int) -> float:
    return max(part, 0) / whole if whole > 0 else 0.0


def _points(share: float, worst: float, points: int) -> int:
    """In proportion, all of them from the share `worst` on; at least one."""
    return max(1, round(points * min(share / worst, 1.0)))
