"""The simulation's time: the clock's, or faster, or begun in the past, or pushed on by a test.

Sessions, interims and timeouts live by it.  How long an answer may take does not: packets
travel in real time however fast the day goes.
"""

from core.clock import Clock


class Pace:
    """`speed` simulated seconds pass in one.  One that begins `behind_s` in the past catches
    up with the clock and then goes with it."""

    def __init__(self, clock: Clock, *, speed: float = 1.0, behind_s: float = 0.0) -> None:
        self._clock = clock
        self._speed = speed
        self._catches_up = behind_s > 0
        self._began_s = clock.unix_s() - behind_s
        self._began_at = clock.monotonic()
        self._skipped_s = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        elapsed_s = self._clock.monotonic() - self._began_at
        now = self._began_s + elapsed_s * self._speed + self._skipped_s
        return min(now, self._clock.unix_s()) if self._catches_up else now

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._skipped_s += seconds

    def wait_s(self, until_s: float) -> float:
        """Real seconds until then.  One that catches up slows down, so look again by then."""
        return max(0.0, until_s - self.now()) / self._speed

    def monotonic(self) -> float:
        """Real time, for answers."""
        return self._clock.monotonic()
