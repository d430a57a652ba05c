"""What is done again and again survives the world, and not a bug."""

import asyncio

import pytest

from accounting.again import again


async def test_a_database_that_is_away_is_no_reason_to_stop() -> None:
    done = asyncio.Event()
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ConnectionRefusedError
        done.set()

    task = asyncio.create_task(again("test", work, 0.0))
    async with asyncio.timeout(5.0):
        await done.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


async def test_a_bug_ends_it() -> None:
    async def work() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await again("test", work, 0.0)
