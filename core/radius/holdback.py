"""Which part of what a host sends need not even be received, while too much comes (fault P15).

A `Ration` refuses what exceeds a host's share, but what it refuses was received, at a tenth of
the price of a login; at five times what can be served that is a third of all work.  So of each
host as much is let in as keeps its queue from running dry, and the kernel drops the rest.

Counts a period at a time: what comes now says what is let in next.  Sans-IO.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from core.radius.responder import Source

PERIOD_S: Final = 0.1
LET_IN: Final = 1.5  # so many times what is served of a host: its share may grow meanwhile
PART_MIN: Final = 0.25  # less is not worth it
HOSTS_MAX: Final = 64  # those who send most


class Holdback:
    """Of one socket, for as long as it is overloaded."""

    def __init__(self, now: float) -> None:
        self._until = now + PERIOD_S
        self._served: Counter[str] = Counter()
        self._shed: Counter[str] = Counter()
        self._parts: dict[str, float] = {}

    def note(self, served: Iterable[tuple[bytes, Source]], shed: Mapping[str, int]) -> None:
        """What one turn served, and of whom it refused how many."""
        self._served.update([source[0] for _, source in served])
        if shed:
            self._shed.update(shed)

    def parts(self, now: float) -> Mapping[str, float] | None:
        """The part of each host's datagrams that is to be dropped from now on; None: as before."""
        if now < self._until:
            return None
        self._until = now + PERIOD_S
        before, self._parts = self._parts, {}
        sent = {
            # Of a host that is held back, what was seen is what was let in.
            host: (self._served[host] + self._shed[host]) / (1.0 - before.get(host, 0.0))
            for host in self._shed.keys() | before.keys()
        }
        for host in sorted(sent, key=sent.__getitem__, reverse=True)[:HOSTS_MAX]:
            if sent[host]:
                part = 1.0 - LET_IN * max(self._served[host], 1) / sent[host]
                if part >= PART_MIN:
                    self._parts[host] = part
        self._served.clear()
        self._shed.clear()
        return None if self._parts == before else self._parts
