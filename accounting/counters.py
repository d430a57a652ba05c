"""How far one running total went from one report to the next, and how sure that is.

Counters of 32 bits wrap, boxes restart, packets lie (domain: counters).  The rules here
take one counter at a time, give a total that never falls, and say when they guessed.
"""

from typing import Final, NamedTuple

GOOD: Final = 0
LOW: Final = 1  # ambiguous: the least that is consistent; never billed as overage by itself
QUARANTINE: Final = 2  # more than the line carries: for a person to look at

WRAP: Final = 2**32
_DAY_S: Final = 86_400
# What a line carries at the very most where nobody has said: it stops nonsense only.
LINE_MAX_BPS: Final = 400_000_000_000


class Advance(NamedTuple):
    """A total after a report: `wraps` is how often the counter went round to reach it."""

    total: int
    wraps: int
    confidence: int


def advance(
    total: int, wraps: int, raw: int, *, wide: bool, line_bps: int, elapsed_s: int
) -> Advance:
    """The total once the NAS reports `raw`, `elapsed_s` of session time after `total`.

    A counter that fell is one wrap only if the line is too slow for two, and fast enough
    for one; if it may have gone round more often, once is the least.  Else it is the
    report that is wrong, and the most that was ever reported stands.  So it is with a
    counter that shows exactly 0: one wrap in four thousand million ends there, but boxes
    that forgot to fill it in do.
    """
    value = raw + wraps * WRAP
    if value >= total:
        return Advance(value, wraps, GOOD)
    last = total - wraps * WRAP
    kept = Advance(total, wraps, LOW)
    if wide or not raw or not WRAP // 2 < last < WRAP or elapsed_s <= 0:
        return kept  # nothing goes round from the lower half, or where gigawords count rounds
    once = WRAP + raw - last
    if line_bps and line_bps * elapsed_s < 8 * WRAP:
        if once * 80 <= line_bps * elapsed_s * 12:  # a fifth above the line's rate: bursts
            return Advance(total + once, wraps + 1, GOOD)
        return kept
    return Advance(total + once, wraps + 1, LOW)


def plausible(octets: int, line_bps: int, elapsed_s: int) -> bool:
    """Whether the line carries that much in one direction, half as much again allowed."""
    return octets * 16 <= 3 * (line_bps or LINE_MAX_BPS) * max(elapsed_s, 1)


def judged(
    confidence: int, input_octets: int, output_octets: int, line_bps: int, elapsed_s: int
) -> int:
    """The confidence of an interval, given that of its counters."""
    most = max(input_octets, output_octets)
    return confidence if plausible(most, line_bps, elapsed_s) else QUARANTINE


def too_long(session_time_s: int, elapsed_s: int) -> bool:
    """A session time that grew by a day more than any clock saw pass."""
    return session_time_s > elapsed_s + _DAY_S
