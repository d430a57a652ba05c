"""What accounting may forget: it served records that were late, and none comes so late.

Raw packets have days of their own (`partitions`), sessions and usage are never deleted.

- Accounting-Ons and -Offs, for records of before them that come after: an event may be as
  old as the clocks may differ, and wait in a spool for as long as a database is away.
- Sealed points of sessions, to divide what a late record tells among its quarters.  Later
  still, it counts as of the oldest moment that its group remembers: totals stay right.
  Nothing else reads them, a rebuild begins with the raw packets.
- When nodes heard, and whom, once it explains no silence any more (`hearing`, `hearers`).

Nothing is forgotten by one clock alone (`two_clocks`).
"""

from typing import Final

import asyncpg

from accounting import hearers, hearing
from accounting.two_clocks import agreed

MARKS_KEPT_S: Final = 7 * 24 * 3600
HISTORY_KEPT_S: Final = 3 * 24 * 3600
PAGE: Final = 10_000
TIMEOUT_S: Final = 60.0

_MARKS: Final = "DELETE FROM nas_mark WHERE received_at < to_timestamp($1)"
# A group that an ingest is working on just now keeps its points until the next time.
_HISTORY: Final = """
DELETE FROM session_history WHERE ctid = ANY (ARRAY (
    SELECT ctid FROM session_history WHERE sealed_at < to_timestamp($1)
     LIMIT $2 FOR UPDATE SKIP LOCKED
))
"""


async def prune(connection: asyncpg.Connection, now_s: float) -> None:
    """All of it, in small transactions; `connection` is in none, `now_s` by this node's clock."""
    agreed_s = await agreed(connection, now_s)
    if agreed_s is None:
        return
    now_s = agreed_s
    await hearing.prune(connection, now_s)
    await hearers.prune(connection, now_s)
    await connection.execute(_MARKS, now_s - MARKS_KEPT_S, timeout=TIMEOUT_S)
    while True:
        told = await connection.execute(_HISTORY, now_s - HISTORY_KEPT_S, PAGE, timeout=TIMEOUT_S)
        if int(told.rpartition(" ")[2]) < PAGE:
            return
