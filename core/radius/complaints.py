"""What the log hears of datagrams that were dropped: enough to mend it, never a flood.

A wrong secret is the commonest mistake with a new NAS, and silence is all that the NAS
gets, so the log has to say it.  Whoever floods us must not fill a disk that way: all the
workers of a node together say one line a second, each in the seconds that are its own,
and a line counts what came since the last of its kind.

Pure: ``now`` is in seconds of the machine's monotonic clock, which the workers share.
"""

from dataclasses import dataclass

LINES_EVERY_S = 1.0


@dataclass(slots=True)
class Complaint:
    """`count` datagrams were dropped for `reason`, the last of them from `source`."""

    reason: str
    nas: str  # empty when we know none that it could be
    source: str
    count: int = 0


class Complaints:
    """Of one worker, `number` of `workers`, whatever the number of its sockets."""

    def __init__(self, number: int = 0, workers: int = 1) -> None:
        self._number = number
        self._workers = workers
        self._said_at = float("-inf")
        # The longest waiting first.  Strangers share an entry, so that what is kept is bounded
        # by the NASes that we know.
        self._waiting: dict[tuple[str, int | None], Complaint] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def note(
        self, reason: str, source: str, nas_id: int | None = None, nas: str = "", count: int = 1
    ) -> None:
        """A datagram was dropped, or `count` of them."""
        key = (reason, nas_id)
        complaint = self._waiting.get(key)
        if complaint is None:
            complaint = self._waiting[key] = Complaint(reason, nas, source)
        complaint.source = source
        complaint.count += count

    def due(self, now: float) -> Complaint | None:
        """What may be said now, once; the next has to wait."""
        if (
            not self._waiting
            or int(now) % self._workers != self._number % self._workers
            or now - self._said_at < LINES_EVERY_S
        ):
            return None
        self._said_at = now
        return self._waiting.pop(next(iter(self._waiting)))
