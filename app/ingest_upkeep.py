"""What ingest does beside the drain so that its tables stay fit: days for raw packets are made
and dropped, positions of segments long gone forgotten, usage summed by the day.
"""

import asyncio
from typing import Final

import structlog

from accounting import partitions, usage_days
from accounting.again import again
from accounting.drain import Drain
from accounting.trouble import in_a_line, is_the_worlds
from core.clock import Clock
from core.config import Settings
from core.db import NodeDatabase, connect
from core.deadlines import within

log = structlog.get_logger()

EVERY_S: Final = 3600.0
RETRY_S: Final = 30.0
SUM_EVERY_S: Final = 300.0
TIMEOUT_S: Final = 600.0


async def sum_days(database: NodeDatabase) -> None:
    """Sum usage by the day until cancelled; what one turn leaves is the next one's."""
    await again("usage_days", lambda: usage_days.keep_up(database), SUM_EVERY_S)


async def keep_up(settings: Settings, drain: Drain, clock: Clock) -> None:
    """Partitions and positions until cancelled; sooner again if it could not be done."""
    while True:
        wait_s = EVERY_S
        try:
            if not await _step(settings, drain, clock):
                wait_s = RETRY_S
        except Exception as error:
            if not is_the_worlds(error):
                raise
            log.warning("upkeep_failed", error=in_a_line(error))
            wait_s = RETRY_S
        await asyncio.sleep(wait_s)


async def _step(settings: Settings, drain: Drain, clock: Clock) -> bool:
    # First, whatever keeps us from the days: other nodes go by what we say of our segments.
    await drain.prune()
    owner = await connect(str(settings.database_url), None)
    try:
        async with within(TIMEOUT_S, "the days of raw packets"):
            kept = await partitions.keep_up(owner, clock.now(), settings.accounting.keep_raw_days)
    finally:
        owner.terminate()
    if kept.made or kept.dropped or kept.late or kept.forgotten:
        log.info(
            "partitions",
            made=len(kept.made),
            dropped=len(kept.dropped),
            late=len(kept.late),
            forgotten=kept.forgotten,
        )
    return not kept.late
