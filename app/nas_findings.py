"""What a check of a box found, one line a way."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What came of a way."""

    OK = "ok"
    FAILS = "fails"
    DIFFERS = "differs"  # it answers, and not as we would have it
    UNKNOWN = "unknown"  # it cannot be told from here
    ABSENT = "not configured"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    what: str
    state: State
    told: str
    remedy: str = ""


def failed(findings: Collection[Finding]) -> bool:
    """Whether something that is configured does not answer."""
    return any(finding.state is State.FAILS for finding in findings)
