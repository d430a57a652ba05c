"""Whose turn it is at one NAS: so many requests at once at most, and so many a second.

Both limits are arguments of every call, because an operator may change them at any time.
Who waits is served in order.  Those who wait are the queue: whoever starts them limits them.
"""

import asyncio
from collections import deque
from typing import Final

BURST_S: Final = 0.02  # what a timer that rings late may catch up with


class Turns:
    """Belongs to one event loop."""

    def __init__(self) -> None:
        self._limit = 1
        self.running = 0
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        return len(self._queue)

    async def take(self, limit: int) -> None:
        """Wait until fewer than `limit` are running, and run; then call `give_back`."""
        assert limit >= 1
        self._limit = limit
        self._call()
        if self.running < limit:
            self.running += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # called and cancelled in one turn of the loop
                self.give_back()
            else:
                self._queue.remove(turn)
            raise

    def give_back(self) -> None:
        self.running -= 1
        self._call()

    def _call(self) -> None:
        while self._queue and self.running < self._limit:
            turn = self._queue.popleft()
            if not turn.done():
                self.running += 1
                turn.set_result(None)


class Pace:
    """Spreads beginnings evenly.  ``now`` is in seconds of any monotonic clock."""

    def __init__(self) -> None:
        self._next_at = float("-inf")

    def wait_s(self, now: float, per_s: float) -> float:
        """Takes the next place, and says how long it is until then."""
        assert per_s > 0
        at = max(self._next_at, now - BURST_S)
        self._next_at = at + 1 / per_s
        return max(0.0, at - now)
