"""What a simulation came to, counted as it happens; what the summary at the end is made of.

Pure.  Sessions are remembered whole: their counters are the truth that a server's books
are compared with.
"""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from app.simulator.events import Happened, Record, What
from app.simulator.session import Session

_ANSWERED = frozenset((What.ACCEPTED, What.REJECTED))


@dataclass(slots=True)
class Told:
    """A session and the last of its records that the server acknowledged."""

    nas: str
    session: Session
    acknowledged: Record | None = None


@dataclass(slots=True)
class Tally:
    """Of all NASes together."""

    counts: Counter[What] = field(default_factory=Counter)
    error_causes: Counter[int] = field(default_factory=Counter)  # of our NAKs
    rejections: Counter[str] = field(default_factory=Counter)  # by the server's words
    login_s: "array[float]" = field(default_factory=lambda: array("d"))
    record_s: "array[float]" = field(default_factory=lambda: array("d"))
    sessions: dict[Session, Told] = field(default_factory=dict)

    def note(self, nas: str, happened: Happened) -> None:
        """One event of this NAS."""
        self.counts[happened.what] += 1
        if happened.what in _ANSWERED:
            self.login_s.append(happened.took_s)
        if happened.what is What.REJECTED:
            self.rejections[happened.detail] += 1
        if happened.error_cause is not None:
            self.error_causes[happened.error_cause] += 1
        session = happened.session
        if session is None:
            return
        told = self.sessions.setdefault(session, Told(nas, session))
        if happened.what is What.ACKNOWLEDGED and happened.record is not None:
            self.record_s.append(happened.took_s)
            last = told.acknowledged
            if last is None or last.session_time_s <= happened.record.session_time_s:
                told.acknowledged = happened.record


def quantile_s(sample: "array[float]", part: float) -> float:
    """The value that `part` of the sample does not exceed; 0 of an empty one."""
    if not sample:
        return 0.0
    ordered = sorted(sample)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]
