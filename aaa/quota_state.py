"""What logins are told of a quota, and when telling it anew is worth it.

What is told goes to every node (`aaa.replicator`), so it isn't told with each Interim: only
when a hundredth of the quota has gone by, a threshold lies between, or the window or the
quota is another.  The same step finds the thresholds that were crossed, and whether full
speed has to come back by itself.  No database, no clock.
"""

from collections.abc import Iterable
from typing import NamedTuple

from aaa.quota import FULL, NOTHING, Allowance, Amount, has_moved, reached
from aaa.quota_windows import Window
from aaa.zones import ORDINARY


class State(NamedTuple):
    """As it was told last: whole octets and seconds, and the quota that they are part of."""

    window: Window
    used: Amount
    allowance: Allowance


class Verdict(NamedTuple):
    """What follows from what is used now."""

    crossed: tuple[int, ...]  # per cent, rising
    is_to_tell: bool
    ends_anew: bool  # all is used, and nobody has yet been told to restore him at its end


def judge(
    told: State | None,
    now: State,
    thresholds: Iterable[int],
    now_s: int,
    *,
    floor: Amount = NOTHING,
) -> Verdict:
    """Compare what is used with what was told; only amounts of `told` are whole.

    `floor` is what was used when the window began: nothing, but where it rolls.
    """
    allowance = now.allowance
    levels = sorted({*thresholds, FULL})
    before = NOTHING
    known: set[int] = set()
    if told is not None and told.allowance == allowance:
        if told.window.ends_s is None or now_s < told.window.ends_s:
            before = Amount(told.used.octets * ORDINARY, told.used.time_s * ORDINARY)
            known = _reached(before, allowance, levels)
        else:  # logins took it for nothing from then on, and gave full speed
            before = floor
            known = {level for level in _reached(floor, allowance, levels) if level < FULL}
    reached_now = _reached(now.used, allowance, levels)
    is_same = told is not None and told.allowance == allowance
    return Verdict(
        crossed=tuple(level for level in levels if level in reached_now - known),
        is_to_tell=not is_same
        or (told is not None and told.window != now.window)
        or known != reached_now
        or has_moved(before, now.used, allowance),
        ends_anew=FULL in reached_now
        and now.window.ends_s is not None
        and not (FULL in known and told is not None and told.window.ends_s == now.window.ends_s),
    )


def _reached(used: Amount, allowance: Allowance, levels: Iterable[int]) -> set[int]:
    return {level for level in levels if reached(used, allowance, level)}
