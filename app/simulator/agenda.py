"""What is to be done later, in order of time.  No clock: `now` is an argument."""

import heapq
from collections.abc import Callable

Action = Callable[[float], None]  # gets the time at which it was due


class Agenda:
    """Things of one moment are done in the order in which they were planned."""

    def __init__(self) -> None:
        self._entries: list[tuple[float, int, Action]] = []
        self._count = 0

    def plan(self, at_s: float, action: Action) -> None:
        """Have something done later."""
        self._count += 1
        heapq.heappush(self._entries, (at_s, self._count, action))

    def due_s(self) -> float | None:
        """When there is something to do; None: never."""
        return self._entries[0][0] if self._entries else None

    def run(self, now: float) -> None:
        """Do what is due by now, each thing at its own time; what that plans, too."""
        while self._entries and self._entries[0][0] <= now:
            at_s, _, action = heapq.heappop(self._entries)
            action(at_s)

    def clear(self) -> None:
        """Do none of it."""
        self._entries.clear()
