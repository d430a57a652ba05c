"""One session of a key: what is known of it.

A key may be reused; each use is a generation.  Its ordinary next step is `extending`'s, every
other is `walk`'s.
"""

from typing import Final, NamedTuple

import msgspec

from accounting.counters import GOOD
from accounting.usage import Interval

# How far apart two clocks, or a packet and its repetition, may be and still mean the same.
TOLERANCE_S: Final = 60

OPEN: Final = 0
BY_STOP: Final = 1
BY_NEXT: Final = 2  # the key was used again, and no Stop ever came
# ... and the kinds of `points.Mark`.

CLOSED_BY: Final = {
    OPEN: "",
    BY_STOP: "stop",
    BY_NEXT: "next-generation",
    7: "accounting-on",
    8: "accounting-off",
    20: "reaper",
    21: "redial",
}


class Pending(NamedTuple):
    """A counter that has more to say (see `accounting.pending`)."""

    told_s: int  # by the last report that had it; what it shows next was used since
    session_time_s: int  # of that report
    guess: Interval | None = None  # what was counted because it may have gone round


class Generation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A session as its points and marks so far have it."""

    number: int
    started_s: int
    start_seen: bool  # else `started_s` is worked out from a session time
    seen_s: int  # of the latest report that told something new
    session_time_s: int = 0
    input_octets: int = 0  # totals: they never fall
    output_octets: int = 0
    input_wraps: int = 0
    output_wraps: int = 0
    stopped_s: int = 0  # never without `closed_by`
    closed_by: int = OPEN
    closed_at_s: int = 0  # when it was found to be over; `stopped_s` may be long before
    cause: int = 0  # Acct-Terminate-Cause
    reopened: int = 0  # how often a close was proved wrong
    confidence: int = GOOD  # the worst of its intervals
    restart_s: int = -1  # a Start that came while it was open, until it is known whose
    first: Interval | None = None  # where the Start was lost: it moves with `started_s`
    abouts: tuple[int, ...] = ()  # the latest last
    pending: tuple[Pending | None, Pending | None] | None = None  # input, output
