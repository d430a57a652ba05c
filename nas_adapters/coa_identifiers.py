"""Identifiers for the requests to one NAS: 256 a socket, each used again as late as possible.

An answer that comes late must not meet another request.  So an identifier whose request
may still be answered cools first, and the others are taken in turn, the longest unused
first.  Sans-IO; ``now`` is in seconds of any monotonic clock.
"""

from collections import deque
from heapq import heappop, heappush
from typing import Final

A_SOCKET: Final = 256  # RFC 2865 §3: one octet
SOCKETS_MAX: Final = 16


class Identifiers:
    """Hands out numbers: `number // 256` is the socket, `number % 256` the Identifier."""

    __slots__ = ("_cooling", "_free", "_sockets", "_sockets_max")

    def __init__(self, sockets_max: int = SOCKETS_MAX) -> None:
        assert sockets_max >= 1
        self._sockets_max = sockets_max
        self._sockets = 0
        self._free: deque[int] = deque()
        self._cooling: list[tuple[float, int]] = []  # a heap, by when it is cool

    def take(self, now: float) -> int | None:
        """One that no request uses; None: all sockets that there may be are used up."""
        cooling, free = self._cooling, self._free
        while cooling and cooling[0][0] <= now:
            free.append(heappop(cooling)[1])
        if not free:
            if self._sockets == self._sockets_max:
                return None
            first = self._sockets * A_SOCKET
            self._sockets += 1
            free.extend(range(first, first + A_SOCKET))
        return free.popleft()

    def give_back(self, number: int, cool_at: float | None) -> None:
        """`cool_at` is when its request can be answered no more; None: it was, for good."""
        if cool_at is None:
            self._free.append(number)
        else:
            heappush(self._cooling, (cool_at, number))

    @property
    def next_cool_at(self) -> float | None:
        """When `take` is worth another try, unless one is given back before."""
        return self._cooling[0][0] if self._cooling else None
