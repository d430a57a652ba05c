"""Slows down whoever guesses passwords (fault P6).

Two counts.  A *pair* is one name asked for from one station, the Calling-Station-Id on a
NAS; a *station* is all names from it, with a coarser limit that spares names which have
lately proven themselves there.  So whoever guesses at a name shuts it for his own station
alone, and whoever tries many names from a station that he shares does not shut out those
who live there.  What is left: who guesses at your very name from your very station keeps
you waiting, though each lock has a fixed end, `lock_s`, that asking does not prolong.
Where a NAS reports no station, the pair is the name on that NAS, and no station is counted.

Pure, bounded: the oldest is forgotten when there are too many.
"""

from dataclasses import dataclass

STATION_FACTOR = 5  # a family's names, or a hotspot's, mistyped in one window

_Pair = tuple[int, bytes, bytes]  # NAS id, Calling-Station-Id or nothing, name
_Station = tuple[int, bytes]


@dataclass(slots=True)
class _Record:
    failures: int
    window_ends: float
    locked_until: float


class Throttle:
    """At most `guesses_max` failures of a pair within `window_s`, then silence of `lock_s`.

    A proof is remembered for `proof_s` at least and twice that at most, unless there are
    more than `records_max`: a line that redials once a day stays known.
    """

    def __init__(
        self,
        *,
        guesses_max: int = 10,
        window_s: float = 60.0,
        lock_s: float = 30.0,
        proof_s: float = 86_400.0,
        records_max: int = 65_536,
    ) -> None:
        assert lock_s <= 60.0
        self._guesses_max = guesses_max
        self._window_s = window_s
        self._lock_s = lock_s
        self._proof_s = proof_s
        self._records_max = records_max
        self._pairs: dict[_Pair, _Record] = {}
        self._stations: dict[_Station, _Record] = {}
        # Two generations instead of a time per proof: dropping one whole costs a login nothing.
        self._proven: set[_Pair] = set()
        self._proven_before: set[_Pair] = set()
        self._proven_until = 0.0

    def __len__(self) -> int:
        """How much is remembered, of all kinds."""
        proven = len(self._proven) + len(self._proven_before)
        return len(self._pairs) + len(self._stations) + proven

    def is_locked(self, nas_id: int, station: bytes, name: bytes, now: float) -> bool:
        """Whether this login is to be refused without looking at its proof."""
        if not self._pairs and not self._stations:
            return False
        pair = (nas_id, station, name)
        record = self._pairs.get(pair)
        if record is not None and now < record.locked_until:
            return True
        if not station:
            return False
        record = self._stations.get((nas_id, station))
        if record is None or now >= record.locked_until:
            return False
        self._forget_old_proofs(now)
        return pair not in self._proven and pair not in self._proven_before

    def failed(self, nas_id: int, station: bytes, name: bytes, now: float) -> None:
        """Count a wrong proof."""
        pair = (nas_id, station, name)
        record = self._pairs.get(pair)
        if record is None or now >= record.window_ends:
            self._pairs.pop(pair, None)
            while len(self._pairs) >= self._records_max:
                del self._pairs[next(iter(self._pairs))]
            record = self._pairs[pair] = _Record(0, now + self._window_s, 0.0)
        self._count(record, self._guesses_max, now)
        if not station:
            return
        place = (nas_id, station)
        record = self._stations.get(place)
        if record is None or now >= record.window_ends:
            self._stations.pop(place, None)
            while len(self._stations) >= self._records_max:
                del self._stations[next(iter(self._stations))]
            record = self._stations[place] = _Record(0, now + self._window_s, 0.0)
        self._count(record, self._guesses_max * STATION_FACTOR, now)

    def succeeded(self, nas_id: int, station: bytes, name: bytes, now: float) -> None:
        """A right proof clears the pair, because people mistype, but not its station: else
        whoever has one account could guess at others without end."""
        pair = (nas_id, station, name)
        if self._pairs:
            self._pairs.pop(pair, None)
        if not station:
            return
        self._forget_old_proofs(now)
        if pair not in self._proven:
            if len(self._proven) >= self._records_max // 2:
                self._proven_before, self._proven = self._proven, set()
            self._proven.add(pair)

    def _count(self, record: _Record, failures_max: int, now: float) -> None:
        if now < record.locked_until:
            return  # a name that is spared may fail meanwhile; the lock ends when it was to end
        record.failures += 1
        if record.failures >= failures_max:
            record.failures = 0
            record.window_ends = record.locked_until = now + self._lock_s

    def _forget_old_proofs(self, now: float) -> None:
        if now >= self._proven_until:
            is_recent = now < self._proven_until + self._proof_s
            self._proven_before = self._proven if is_recent else set()
            self._proven = set()
            self._proven_until = now + self._proof_s
