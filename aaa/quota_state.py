"""What logins are told of a quota, and when telling it anew is worth it.

What is told goes to every node (`aaa.replicator`), so it isn't told with each Interim: only
when a hundredth of the quota has gone by, a threshold lies between, or the window or the
quota is another.  The same step finds the thresholds that were crossed, and whether full
speed has to come back by itself.  No database, no clock.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from aaa.quota import FULL, NOTHING, Allowance, Amount, has_moved, percent_used
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


QUIET: Final = Verdict((), False, False)


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
    percent = percent_used(now.used, allowance)
    if told is None or told.allowance != allowance:
        return Verdict(_between(0, percent, thresholds), True, _ends(now, percent))
    if told.window.ends_s is None or now_s < told.window.ends_s:
        before = Amount(told.used.octets * ORDINARY, told.used.time_s * ORDINARY)
        known = percent_used(before, allowance)
    else:  # logins took it for nothing from then on, and gave full speed
        before = floor
        known = min(percent_used(floor, allowance), FULL - 1)
    is_moved = told.window != now.window or has_moved(before, now.used, allowance)
    if known == percent and not is_moved:
        return QUIET  # the ordinary Interim
    crossed = _between(known, percent, thresholds)
    return Verdict(
        crossed,
        is_to_tell=is_moved or bool(crossed) or bool(_between(percent, known, thresholds)),
        ends_anew=_ends(now, percent) and (known < FULL or told.window.ends_s != now.window.ends_s),
    )


def _between(before: int, now: int, thresholds: Iterable[int]) -> tuple[int, ...]:
    """Those that lie above the one and not above the other; to use all is one of them."""
    if now <= before:
        return ()
    return tuple(level for level in sorted({*thresholds, FULL}) if before < level <= now)


def _ends(now: State, percent: int) -> bool:
    """Whether all is used, and that comes to an end by itself."""
    return percent >= FULL and now.window.ends_s is not None
