"""When this installation heard its NASes, and when it was deaf.

A node that is down, or that has not yet counted what it heard, must not take the silence
for the end of a session.  So each says in the database, every few seconds, up to when it
has counted everything; what lies between two runs of a node, and behind the last word of
each, was heard by nobody.

A node that is deaf keeps the sessions of the NASes that speak to it open (`hearers`), until it
has been gone for a day: then it is gone for good.  A NAS of which nobody knows to whom it speaks
may speak to any.  But as long as some node hears, what is silent is in doubt, or a node that is
down for a night would count dead sessions as devices all night.
"""

from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Final, NamedTuple

import asyncpg

from accounting.closing import merged
from accounting.hearers import Hearer, charges

FORGOTTEN_S: Final = 24 * 3600
KEPT_S: Final = 8 * 24 * 3600  # longer than anything stays unknown
# Ticks of one process that lie further apart than this were not ticks: the machine slept.
PAUSE_MAX_S: Final = 90.0

# A clock that was ahead leaves no future behind.
_SET_BACK: Final = (
    "DELETE FROM hearing WHERE node = $1 AND since_at > to_timestamp($2)",
    "UPDATE hearing SET until_at = to_timestamp($2)"
    " WHERE node = $1 AND until_at > to_timestamp($2)",
)
_TELL: Final = """
INSERT INTO hearing AS h (node, since_at, until_at)
VALUES ($1, to_timestamp($2), to_timestamp($3))
    ON CONFLICT (node, since_at) DO UPDATE SET until_at = greatest(h.until_at, excluded.until_at)
"""
_HEARD: Final = """
SELECT node, floor(extract(epoch FROM since_at))::bigint AS since_s,
       floor(extract(epoch FROM until_at))::bigint AS until_s FROM hearing
"""
# A gap is told by what comes after it, so a row is needed for as long as the next one.
_PRUNE: Final = """
DELETE FROM hearing AS h
 WHERE until_at < to_timestamp($1)
   AND NOT EXISTS (
    SELECT FROM hearing AS n
     WHERE n.node = h.node AND n.since_at > h.since_at
     GROUP BY n.node HAVING min(n.since_at) >= to_timestamp($1)
   )
"""


class Deaf(NamedTuple):
    """Times, from and to, in order, in Unix seconds."""

    one: list[tuple[int, int]]  # who should have did not hear: no silence is an end
    all: list[tuple[int, int]]  # nobody did: no silence is a silence


class Heard(NamedTuple):
    """A time in which a node heard, and all of it is counted.  Unix seconds."""

    node: str
    since_s: int
    until_s: int


class Deafness:
    """When each node, and when everybody, was deaf."""

    def __init__(self, heard: Iterable[Heard], now_s: int) -> None:
        runs: dict[str, list[tuple[int, int]]] = {}
        for node, since_s, until_s in heard:
            runs.setdefault(node, []).append((since_s, until_s))
        self._now_s = now_s
        self._gaps: dict[str, list[tuple[int, int]]] = {}
        for node, spans in runs.items():
            until_s = max(until_s for _, until_s in spans)
            is_gone = until_s < now_s - FORGOTTEN_S
            self._gaps[node] = [] if is_gone else [*_between(spans), (until_s, now_s)]
        # A node that came back under another name is a new one: what nobody heard, nobody heard.
        spoken = merged(span for spans in runs.values() for span in spans)
        self._unheard = [*_between(spoken), *((until_s, now_s) for _, until_s in spoken[-1:])]

    def of(self, hearers: Collection[Hearer]) -> Deaf:
        """For a NAS with these hearers; with none, it may speak to any node."""
        gaps = list(self._unheard)
        for hearer, ends_s in charges(hearers, self._now_s):
            gaps += _until(self._gaps_of(hearer), ends_s)
        if not hearers:
            gaps += (gap for each in self._gaps.values() for gap in each)
        return Deaf(_real(gaps), _real(self._unheard))

    def _gaps_of(self, hearer: Hearer) -> list[tuple[int, int]]:
        found = self._gaps.get(hearer.node)
        if found is not None:
            return found
        # It has not yet counted all that waited when it began, so it has not said anything.
        is_gone = hearer.until_s < self._now_s - FORGOTTEN_S
        return [] if is_gone else [(hearer.until_s, self._now_s)]


def _until(periods: Iterable[tuple[int, int]], ends_s: int | None) -> Iterable[tuple[int, int]]:
    return periods if ends_s is None else ((begin, min(end, ends_s)) for begin, end in periods)


def _real(periods: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    return merged((begin, end) for begin, end in periods if begin < end)


def _between(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(before[1], after[0]) for before, after in pairwise(merged(spans))]


class Hearing:
    """What one node has to say of itself."""

    def __init__(self, node: str) -> None:
        self._node = node
        self._since_s = 0.0
        self._ticked_s = 0.0
        self._is_told = False
        self._hears = True

    def tick(self, now_s: float, *, hears: bool = True) -> None:
        """Call it every few seconds, whatever else works: it is how a sleep is noticed.

        Who sends records away (not `hears`) is as deaf as who sleeps.
        """
        if not (hears and self._hears and 0 <= now_s - self._ticked_s <= PAUSE_MAX_S):
            self._since_s = now_s
            self._is_told = False
        self._hears = hears
        self._ticked_s = now_s

    async def tell(self, connection: asyncpg.Connection, counted_s: float) -> bool:
        """Say that everything up to `counted_s` is counted; False: not even this run's first."""
        if not self._hears or counted_s < self._since_s:
            return False
        if not self._is_told:
            for statement in _SET_BACK:
                await connection.execute(statement, self._node, self._since_s)
        await connection.execute(_TELL, self._node, self._since_s, counted_s)
        self._is_told = True
        return True


async def deafness(connection: asyncpg.Connection, now_s: int) -> Deafness:
    """By what all nodes said."""
    return Deafness([Heard(*row) for row in await connection.fetch(_HEARD)], now_s)


async def prune(connection: asyncpg.Connection, now_s: float) -> None:
    """Forget what is too old to explain any silence."""
    await connection.execute(_PRUNE, now_s - KEPT_S)
