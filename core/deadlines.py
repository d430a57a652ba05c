"""Deadlines that say what was waited for.

`asyncio.timeout` raises a TimeoutError without a word; whoever reads the log at night needs
to hear what took too long.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


@asynccontextmanager
async def within(timeout_s: float, what: str) -> AsyncIterator[None]:
    """Cancel the block after so many seconds.

    Raises:
        TimeoutError: naming `what`, which was cancelled.
    """
    deadline = asyncio.timeout(timeout_s)
    try:
        async with deadline:
            yield
    except TimeoutError as error:
        if deadline.expired() and not str(error):
            raise TimeoutError(f"{what} took more than {timeout_s:g} s") from None
        raise
