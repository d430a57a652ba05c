"""What is done again and again survives the world and its own bugs, and tells once of either."""

import asyncio

import pytest
from structlog.testing import capture_logs

from accounting.again import again


async def fails(error: Exception, times: int) -> list[dict[str, object]]:
    """What is logged of work that fails so often, and then twice does not."""
    done = asyncio.Event()
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        if len(tries) <= times:
            raise error
        if len(tries) > times + 1:
            done.set()

    with capture_logs() as told:
        task = asyncio.create_task(again("test", work, 0.0))
        async with asyncio.timeout(5.0):
            await done.wait()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    return [dict(line) for line in told]


@pytest.mark.parametrize(
    ("error", "event", "level"),
    [
        pytest.param(
            ConnectionRefusedError("away"), "waits_for_database", "warning", id="the database"
        ),
        pytest.param(LookupError("bug"), "work_paused_by_bug", "error", id="a bug"),
    ],
)
async def test_what_fails_is_tried_again_and_told_of_once(
    error: Exception, event: str, level: str
) -> None:
    first, last = await fails(error, 3)
    assert (first["event"], first["log_level"]) == (event, level)
    assert bool(first.get("exc_info")) is (level == "error"), "a bug with where it is"
    assert last["event"] == "work_done_again"


async def test_a_bug_is_told_of_also_where_the_database_was_away_just_before() -> None:
    errors = iter([ConnectionRefusedError(), ConnectionRefusedError(), LookupError()])
    done = asyncio.Event()

    async def work() -> None:
        if (error := next(errors, None)) is not None:
            raise error
        done.set()

    with capture_logs() as told:
        task = asyncio.create_task(again("test", work, 0.0))
        async with asyncio.timeout(5.0):
            await done.wait()
        task.cancel()
        await asyncio.wait([task])
    assert [line["event"] for line in told][:2] == ["waits_for_database", "work_paused_by_bug"]
