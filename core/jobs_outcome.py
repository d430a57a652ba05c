"""What becomes of a job that was run: the rule, without clock or database.

What the world did (a NAS is silent, the database is away) is tried again, later and later,
for some hours.  All else (a refusal, a bug) would fail again, so the job is held for people
to see, with its error, and so is one that the world has failed too often.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from core.trouble import in_a_line, is_the_worlds

ATTEMPTS_MAX: Final = 12
FIRST_DELAY: Final = timedelta(seconds=5)
DELAY_MAX: Final = timedelta(hours=1)
_SPREAD: Final = 16


@dataclass(frozen=True, slots=True)
class Done:
    """It did what it should."""


@dataclass(frozen=True, slots=True)
class Again:
    """It waits for another attempt."""

    delay: timedelta
    error: str


@dataclass(frozen=True, slots=True)
class Held:
    """It waits for people."""

    error: str


@dataclass(frozen=True, slots=True)
class Released:
    """It was not run to its end, and not for a fault of its own: this process stops."""


Outcome = Done | Again | Held | Released


def judge(error: Exception, *, job_id: int, attempts: int) -> Again | Held:
    """What `error` means for a job that had failed `attempts` times before."""
    if not is_the_worlds(error) or attempts + 1 >= ATTEMPTS_MAX:
        return Held(in_a_line(error))
    return Again(delay_of(job_id, attempts), in_a_line(error))


def delay_of(job_id: int, attempts: int) -> timedelta:
    """Twice as long each time; spread by id, so that many that failed at once do not return so."""
    delay: timedelta = min(FIRST_DELAY * 2**attempts, DELAY_MAX)
    return delay * (1 + (job_id % _SPREAD) / _SPREAD / 4)
