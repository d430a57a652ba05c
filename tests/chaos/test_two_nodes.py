"""One session's packets over two nodes before one database (fault D15): one row, right totals."""

import asyncio
import json
import random
import time

import pytest

from tests.chaos.boxes import Box, connected
from tests.chaos.comparing import compare
from tests.chaos.crowd import CHAOS_ISP, HOSTS
from tests.chaos.plan import sessions
from tests.chaos.trial import await_drained
from tests.scenarios.flows import sql
from tests.serving import SECRET, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

COUNT, AT_ONCE, INTERIMS = 1_000, 200, 4


def test_a_session_that_reports_now_here_now_there_is_one_session(fresh_database_url: str) -> None:
    planned = list(sessions(4, COUNT, len(HOSTS), INTERIMS, int(time.time())))
    chance = random.Random(4)
    with turnpike_process(serve=False, DATABASE_URL=fresh_database_url) as one:
        one.start()
        one.command("apply", "-", stdin=json.dumps(CHAOS_ISP))
        key = str(one.data_dir / "turnpike.key")
        with turnpike_process(DATABASE_URL=fresh_database_url, KEY_FILE=key) as other:
            one.settle()
            other.settle()

            async def play() -> list[Box]:
                nodes = [await connected(node.acct, HOSTS, SECRET) for node in (one, other)]
                gate = asyncio.Semaphore(AT_ONCE)

                async def tell(number: int) -> None:
                    session = planned[number]
                    async with gate:
                        # No pause: both nodes have packets of the session in one batch.
                        for report in session.reports:
                            await chance.choice(nodes)[session.nas].report(report)
                            if chance.random() < 0.25:
                                await chance.choice(nodes)[session.nas].report(report)

                await asyncio.gather(*(tell(number) for number in range(COUNT)))
                boxes = [box for node in nodes for box in node]
                for box in boxes:
                    box.close()
                return boxes

            boxes = asyncio.run(play())
            await_drained(one)
            await_drained(other)
    acknowledged = [packet for box in boxes for packet in box.acknowledged]
    verdict = compare(fresh_database_url, (session.expected for session in planned), acknowledged)
    assert verdict.is_clean, verdict
    nodes = sql(fresh_database_url, "SELECT count(DISTINCT node) AS count FROM spool_position")
    assert nodes[0]["count"] == 2
