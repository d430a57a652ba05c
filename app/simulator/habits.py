"""How people and their devices behave: how long they stay, and when they dial again.

Pure: the random numbers come as an argument.
"""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Habits:
    """Seconds, on average.  A `session_s` of 0 stays until something else ends it."""

    session_s: float = 0.0
    pause_s: float = 30.0  # between the end of a session and the next dial
    reject_pause_s: float = 60.0  # after a refusal, and after silence

    def stay_s(self, chance: random.Random) -> float | None:
        """How long a session lasts if nobody interferes; None: for good."""
        return chance.expovariate(1 / self.session_s) if self.session_s else None

    def until_redial_s(self, chance: random.Random, *, was_refused: bool) -> float:
        """Devices do not all come back in the same moment: half to one and a half of the mean."""
        mean_s = self.reject_pause_s if was_refused else self.pause_s
        return mean_s * (0.5 + chance.random())
