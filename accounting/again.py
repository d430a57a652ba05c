"""Work that is done again and again beside the drain, and waits out a database that is away."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from accounting.trouble import in_a_line, is_the_worlds

log = structlog.get_logger()


async def again(name: str, work: Callable[[], Awaitable[object]], every_s: float) -> None:
    """Until cancelled.  What passes is logged when it begins; a bug ends it."""
    is_failing = False
    while True:
        try:
            await work()
            is_failing = False
        except Exception as error:
            if not is_the_worlds(error):
                raise
            if not is_failing:
                log.warning("waits_for_database", work=name, error=in_a_line(error))
            is_failing = True
        await asyncio.sleep(every_s)
