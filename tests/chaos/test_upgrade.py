"""Told to reload, stopped and started again under load (fault D14): what was acknowledged before,
between and after is in the database once, and nobody waits long."""

import asyncio
import random
import signal
import time

import pytest

from tests.chaos.boxes import Box, connected
from tests.chaos.comparing import compare
from tests.chaos.plan import sessions
from tests.chaos.trial import HOSTS, await_drained, house
from tests.scenarios.flows import private_url
from tests.serving import SECRET, eventually

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.long]

COUNT, AT_ONCE, INTERIMS, PACE_S = 1_200, 200, 2, 0.3
GAP_MAX_S = 2.0


def test_a_reload_and_a_restart_under_load_lose_nothing() -> None:
    planned = list(sessions(3, COUNT, len(HOSTS), INTERIMS, int(time.time())))
    chance = random.Random(3)
    with house() as one:

        async def play() -> tuple[list[Box], float]:
            boxes = await connected(one.acct, HOSTS, lambda: Box(SECRET.encode(), chance))
            gate = asyncio.Semaphore(AT_ONCE)

            async def tell(number: int) -> None:
                async with gate:
                    await boxes[planned[number].nas].tell(planned[number], 0.25, PACE_S)

            reports = asyncio.gather(*(tell(number) for number in range(COUNT)))
            await asyncio.sleep(1.0)
            one.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(eventually, lambda: "event=reloaded" in one.log, 30.0)
            await asyncio.sleep(1.0)
            reloaded_until = time.monotonic()
            assert await asyncio.to_thread(one.stop) == 0
            await asyncio.to_thread(one.start)
            ready_at = time.monotonic()
            while any(box.has_pending and box.answered_at < ready_at for box in boxes):
                assert time.monotonic() - ready_at < GAP_MAX_S
                await asyncio.sleep(0.01)
            await reports
            for box in boxes:
                box.close()
            return boxes, reloaded_until

        boxes, reloaded_until = asyncio.run(play())
        await_drained(one)
        acknowledged = [packet for box in boxes for packet in box.acknowledged]
        verdict = compare(private_url(one), planned, acknowledged)
    assert verdict.is_clean, verdict
    # A reload leaves no gap at all: the successor serves before its predecessor ends.
    waits = [wait for box in boxes for wait in box.waits]
    during = [wait.lasted_s for wait in waits if wait.began + wait.lasted_s < reloaded_until]
    assert len(during) > 200
    assert max(during) < GAP_MAX_S
