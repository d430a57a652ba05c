"""Work that is done again and again beside the drain, and survives whatever goes wrong with it.

A database that is away is waited out.  A bug is told of loudly and stops this work alone,
until it is tried once more: records are counted and NASes answered whether or not days are
summed, and a process that ended for it would find the same bug after each restart.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from accounting.trouble import in_a_line, is_the_worlds

log = structlog.get_logger()


async def again(name: str, work: Callable[[], Awaitable[object]], every_s: float) -> None:
    """Until cancelled.  What fails is logged when it begins, and when it is over."""
    failing: type[Exception] | None = None
    while True:
        try:
            await work()
        except Exception as error:
            # Whatever it is, it is tried again.
            is_news = failing is not type(error)
            failing = type(error)
            if is_news and is_the_worlds(error):
                log.warning("waits_for_database", work=name, error=in_a_line(error))
            elif is_news:
                log.exception("work_paused_by_bug", work=name, error=in_a_line(error))
        else:
            if failing is not None:
                log.info("work_done_again", work=name)
            failing = None
        await asyncio.sleep(every_s)
