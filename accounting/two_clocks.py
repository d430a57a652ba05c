"""What is old, by two clocks that agree: this node's and the database's.

What was forgotten does not come back, and a clock that is wrong for an hour (fault D9) would
forget all of it.  So nobody goes by his own alone; where the two are of one machine, each
keeps to small steps besides.
"""

from typing import Final

import asyncpg
import structlog

log = structlog.get_logger()

APART_MAX_S: Final = 3600

_THEIRS: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"


async def agreed(connection: asyncpg.Connection, now_s: float) -> float | None:
    """The earlier of the two, Unix seconds; None: they differ, so nothing may be forgotten."""
    theirs_s: float = await connection.fetchval(_THEIRS)
    if abs(theirs_s - now_s) > APART_MAX_S:
        log.warning("clocks_apart", database_ahead_s=round(theirs_s - now_s))
        return None
    return min(theirs_s, now_s)
