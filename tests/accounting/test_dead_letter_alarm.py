"""Dead letters are never dropped for being many: they are told of."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from structlog.testing import capture_logs

from accounting.dead_letter_alarm import DeadLetterAlarm
from tests.accounting.ingesting import Node, packet, rows
from tests.conftest import execute


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[Node]:
    one = Node(fresh_database_url)
    yield one
    await one.database.dispose()


async def test_so_many_are_an_alarm_once_and_all_of_them_stay(node: Node, tmp_path: Path) -> None:
    alarm = DeadLetterAlarm(node.database, alarm_at=3)

    async def looked() -> tuple[int, bool, list[str]]:
        with capture_logs() as log:
            await alarm.look()
        return alarm.kept, alarm.is_on, [line["event"] for line in log]

    assert await looked() == (0, False, [])
    await node.tell(tmp_path, *((at, packet(None, at)) for at in range(2)))
    assert await looked() == (2, False, [])
    await node.tell(tmp_path, *((at, packet(99, at)) for at in range(3)))
    with capture_logs() as log:
        await alarm.look()
    assert log == [
        {
            "event": "dead_letters_many",
            "log_level": "error",
            "kept": 5,
            "reasons": ["status-type", "no-status-type"],
        }
    ]
    assert await looked() == (5, True, [])
    assert await rows(node.url, "SELECT count(*) FROM dead_letter") == [{"count": 5}]
    await execute(node.url, "DELETE FROM dead_letter WHERE reason = 'status-type'")
    assert await looked() == (2, False, ["dead_letters_few_again"])
