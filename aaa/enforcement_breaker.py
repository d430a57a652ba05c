"""Which NASes are silent, so that nobody waits for them again and again.  Pure.

After a few requests in a row without an answer only one is sent at a time, later and later,
until one is answered.  ``now`` is in seconds of any monotonic clock.
"""

from dataclasses import dataclass
from typing import Final

SILENT_MAX: Final = 3
WAIT_S: Final = 30.0
WAIT_S_MAX: Final = 600.0
# Without another request, who was silent is no news any more.  Longer than until all of it is
# tried once more (`enforcement_ladder.SILENCE_AGAIN_S`).
TOLD_S: Final = 4500.0


@dataclass(slots=True)
class _Silence:
    requests: int = 0
    waits: int = 0  # since it was found silent
    until: float = 0.0
    last: float = 0.0


class Breaker:
    """By NAS."""

    def __init__(self) -> None:
        self._silent: dict[int, _Silence] = {}

    def at_once(self, nas_id: int, most: int, now: float) -> int:
        """How many requests may be on their way to it."""
        silence = self._silent.get(nas_id)
        if silence is None or silence.requests < SILENT_MAX:
            return most
        return 1 if now >= silence.until else 0

    def answered(self, nas_id: int) -> None:
        self._silent.pop(nas_id, None)

    def was_silent(self, nas_id: int, now: float) -> bool:
        """One request was not answered; whether that makes it a silent NAS."""
        silence = self._silent.setdefault(nas_id, _Silence())
        silence.requests += 1
        silence.last = now
        if silence.requests < SILENT_MAX or now < silence.until:
            return False
        silence.until = now + min(WAIT_S * 2**silence.waits, WAIT_S_MAX)
        silence.waits += 1
        return silence.waits == 1

    def silent(self, now: float) -> list[int]:
        """Those that are silent, as far as was asked lately."""
        return [
            nas
            for nas, one in self._silent.items()
            if one.requests >= SILENT_MAX and now - one.last < TOLD_S
        ]
