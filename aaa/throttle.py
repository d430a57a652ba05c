"""Slows down whoever guesses passwords (fault P6).

Counted by who asks, the Calling-Station-Id on a NAS, never by the name that is asked for:
otherwise anybody could lock anybody out.  Where a NAS reports no station, the name stands
in for it, so that one guesser does not shut the whole NAS.  A lock has a fixed end and
asking does not prolong it, so the real user waits `lock_s` at most.

Pure, bounded: the oldest is forgotten when `stations_max` is reached.
"""

from dataclasses import dataclass

Station = tuple[int, bytes]  # NAS id, Calling-Station-Id or name


@dataclass(slots=True)
class _Record:
    failures: int
    window_ends: float
    locked_until: float


class Throttle:
    """At most `guesses_max` failures within `window_s`, then silence of `lock_s`."""

    def __init__(
        self,
        *,
        guesses_max: int = 10,
        window_s: float = 60.0,
        lock_s: float = 30.0,
        stations_max: int = 65_536,
    ) -> None:
        assert lock_s <= 60.0
        self._guesses_max = guesses_max
        self._window_s = window_s
        self._lock_s = lock_s
        self._stations_max = stations_max
        self._records: dict[Station, _Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    def is_locked(self, station: Station, now: float) -> bool:
        """Whether this station is to be refused without looking at its proof."""
        record = self._records.get(station)
        return record is not None and now < record.locked_until

    def failed(self, station: Station, now: float) -> None:
        """Count a wrong proof."""
        record = self._records.get(station)
        if record is None or now >= record.window_ends:
            self._records.pop(station, None)
            while len(self._records) >= self._stations_max:
                del self._records[next(iter(self._records))]
            record = self._records[station] = _Record(0, now + self._window_s, 0.0)
        record.failures += 1
        if record.failures >= self._guesses_max:
            record.failures = 0
            record.window_ends = record.locked_until = now + self._lock_s

    def succeeded(self, station: Station) -> None:
        """A right proof clears the record: people mistype."""
        if self._records:
            self._records.pop(station, None)
