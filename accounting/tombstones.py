"""Groups of sessions that are long over, emptied but for what refuses a duplicate.

A group is all that knows of a record whether it was counted, so none is ever deleted.  Where
its raw packets are gone, only records that come later still are left to judge, and for those
the totals are enough: a report that says no more than them tells nothing.  So the points are
given up but for those of the last quarter of an hour that was reported, and who and where: the
session's own row says that.

Only groups of one login (our Class came back) and one generation.  Without that a key is used
again, and what its former sessions had told can only be known by their points: a very late
repetition without a time of its own would else begin a session, and be billed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
from msgspec.structs import replace

from accounting import staging
from accounting.hot import Hot, decode_hot, encode
from accounting.memory import points_of, state_of
from accounting.sessions import derive
from accounting.two_clocks import agreed
from accounting.usage import QUARTER_S
from core.clock import Clock
from core.db import NodeDatabase
from core.deadlines import within

KEPT_DAYS_MIN: Final = 30
DAYS_LATE: Final = 3  # by which a day of raw packets may be dropped later than it should
PAGE: Final = 2_000  # ten million groups are looked at within four days
TIMEOUT_S: Final = 60.0

# By the key, for there is no index by age: who was written within the time is passed over.
_PAGE: Final = """
SELECT key FROM session_group WHERE key > $1 ORDER BY key LIMIT $2
"""
_LONG_OVER: Final = """
SELECT key, state FROM session_group
 WHERE key = ANY ($1::bytea[]) AND updated_at < to_timestamp($2) AND abouts <> ''
 ORDER BY key FOR UPDATE SKIP LOCKED
"""
_EMPTY: Final = """
UPDATE session_group AS g SET state = s.state, abouts = ''
  FROM unnest($1::bytea[], $2::bytea[]) AS s (key, state) WHERE g.key = s.key
"""


def emptied(hot: Hot) -> Hot | None:
    """What is left of the group; None: it is not one to be emptied."""
    g = hot.current
    if g is None or not g.closed_by or g.number or hot.previous is not None:
        return None
    if hot.last is None or not hot.last.one_login:
        return None
    # Any mark in the time that is kept is kept with it.
    begins_s = (hot.kept or hot.last).at_s // QUARTER_S * QUARTER_S
    until_s = begins_s - 1
    points = points_of(hot)
    old = [p for p in points if p.at_s < begins_s]
    left = points[len(old) :]
    if not old or until_s <= hot.until_s:
        return hot
    state = state_of(hot)
    past = tuple(m for m in hot.marks if state.until_s < m.at_s <= until_s)
    known = replace(derive(old, past, state).state, until_s=until_s)
    if derive(left, hot.marks, known).state.current != g:
        return hot  # its last points are not enough to tell the same
    return replace(
        hot,
        recent=b"".join(encode(p) for p in left[:-1]),
        recent_count=len(left) - 1,
        base=encode(known),
        until_s=until_s,
        sealed=hot.sealed + 1,
    )


@dataclass(slots=True)
class Tombstones:
    """Goes round all groups, a page a `step`, for as long as the process lives."""

    database: NodeDatabase
    clock: Clock
    keep_raw_days: int
    page: int = PAGE
    after: bytes = b""  # where to begin; any will do

    async def step(self) -> int:
        """Look at the next page; returns how many groups were emptied."""
        async with within(TIMEOUT_S, "emptying groups"), self.database.transaction() as tx:
            connection = await staging.begin(tx)
            now_s = await agreed(connection, self.clock.unix_s())
            if now_s is None:
                return 0
            page = [row["key"] for row in await connection.fetch(_PAGE, self.after, self.page)]
            emptied_ones = await _empty(connection, page, now_s - self._kept_s())
        self.after = page[-1] if len(page) == self.page else b""
        return emptied_ones

    def _kept_s(self) -> float:
        days = max(self.keep_raw_days, KEPT_DAYS_MIN) + DAYS_LATE
        return timedelta(days=days).total_seconds()


async def _empty(connection: asyncpg.Connection, keys: Sequence[bytes], before_s: float) -> int:
    found = await connection.fetch(_LONG_OVER, keys, before_s)
    done = {
        key: encode(hot) for key, state in found if (hot := emptied(decode_hot(state))) is not None
    }
    if done:
        await connection.execute(_EMPTY, list(done), list(done.values()))
    return len(done)
