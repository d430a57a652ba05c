"""Who is served while more comes than can be served: every host as much as the next.

A full socket buffer drops in proportion to who sends most, so one NAS gone mad would
starve all others.  So while we are overloaded what waits is kept here instead, a queue
for each host, and served one of each in turn: whoever asks for less than its share gets
all it asks for, and what it leaves is shared by the rest (max-min fairness).  When there
is no room for a burst, whoever keeps most of it loses its oldest, which its NAS gives up
first; and from then on no queue gets longer than that, until few wait.

Nothing has to be known of what we are capable of: nothing is refused before its time,
so nothing is left idle.  What waited too long is dropped too, for whoever asked has
asked again meanwhile.

Sans-IO: no socket, no clock.  ``now`` is in seconds of any monotonic clock.
"""

from collections import deque
from collections.abc import Callable, Iterable

from core.radius.responder import Source

ROOM_OCTETS = 8 * 2**20  # about 18 000 logins
DATAGRAM_EXTRA_OCTETS = 256  # what keeping one takes beyond its own
# What did not fit is no burst.  A short queue answers while the NAS still listens, and what
# is refused on arrival costs a third of what is kept, forgotten and dropped.
CUT_TO = 1 / 4
LIFTED_AT = 1 / 8
PATIENCE_S = 2.0  # shorter than most NASes wait, so their copy is behind it in the queue


class _Queue:
    """What waits of one host, the oldest first, with its time of arrival."""

    __slots__ = ("octets", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[tuple[float, bytes, Source]] = deque()
        self.octets = 0


class Ration:
    """What one socket has received and not served yet."""

    def __init__(
        self,
        is_known: Callable[[str], bool],
        *,
        room_octets: int = ROOM_OCTETS,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """`is_known` tells hosts that may have a queue: others could pretend to be many."""
        self._is_known = is_known
        self._room_octets = room_octets
        self._patience_s = patience_s
        self._queues: dict[str, _Queue] = {}  # of those that wait; none is empty
        self._turns: deque[str] = deque()  # their hosts, whose turn it is first
        self._octets = 0
        self._octets_each_max = 0  # 0: as much as there is room for
        self._waiting = 0
        self._shed: dict[str, int] = {}

    def __len__(self) -> int:
        return self._waiting

    def take(
        self, received: Iterable[tuple[bytes, Source]], now: float
    ) -> list[tuple[bytes, Source]]:
        """Keep what was received; returns what came from hosts that nobody knows."""
        queues, strangers = self._queues, []
        for datagram, source in received:
            host = source[0]
            queue = queues.get(host)
            if queue is None:
                if not self._is_known(host):
                    strangers.append((datagram, source))
                    continue
                queue = queues[host] = _Queue()
                self._turns.append(host)
            elif 0 < self._octets_each_max <= queue.octets:
                self._shed[host] = self._shed.get(host, 0) + 1
                continue
            octets = len(datagram) + DATAGRAM_EXTRA_OCTETS
            queue.waiting.append((now, datagram, source))
            queue.octets += octets
            self._octets += octets
            self._waiting += 1
        if self._octets > self._room_octets:
            self._make_room()
        return strangers

    def portion(self, count: int, now: float) -> list[tuple[bytes, Source]]:
        """What is to be served next: up to `count`, one of each host in turn."""
        queues, turns, oldest = self._queues, self._turns, now - self._patience_s
        chosen: list[tuple[bytes, Source]] = []
        while turns and len(chosen) < count:
            host = turns.popleft()
            queue = queues[host]
            while queue.waiting and queue.waiting[0][0] < oldest:
                self._drop(host, queue)
            if queue.waiting:
                chosen.append(self._remove(queue))
            if queue.waiting:
                turns.append(host)
            else:
                del queues[host]
        if self._octets <= self._room_octets * LIFTED_AT:
            self._octets_each_max = 0
        return chosen

    def shed(self) -> dict[str, int]:
        """How many were dropped, by host, since this was asked last."""
        shed, self._shed = self._shed, {}
        return shed

    def _make_room(self) -> None:
        """Cut the longest queues to one length, at which there is room (water-filling)."""
        room = int(self._room_octets * CUT_TO)
        by_length = sorted(self._queues.items(), key=_octets)
        left = room
        for index, (_, queue) in enumerate(by_length):
            level = left // (len(by_length) - index)
            if queue.octets > level:
                self._octets_each_max = max(level, 1)
                for host, longer in by_length[index:]:
                    while longer.octets > level and len(longer.waiting) > 1:
                        self._drop(host, longer)
                break
            left -= queue.octets
        while self._octets > room:  # more hosts than there is room for: the last come lose
            host = self._turns.pop()
            queue = self._queues.pop(host)
            while queue.waiting:
                self._drop(host, queue)

    def _drop(self, host: str, queue: _Queue) -> None:
        self._remove(queue)
        self._shed[host] = self._shed.get(host, 0) + 1

    def _remove(self, queue: _Queue) -> tuple[bytes, Source]:
        _, datagram, source = queue.waiting.popleft()
        octets = len(datagram) + DATAGRAM_EXTRA_OCTETS
        queue.octets -= octets
        self._octets -= octets
        self._waiting -= 1
        return datagram, source


def _octets(entry: tuple[str, _Queue]) -> int:
    return entry[1].octets
