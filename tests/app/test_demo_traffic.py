"""The demo's NAS against a server that says yes to everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest_asyncio

from app.demo_day import START, STOP, moments
from app.demo_traffic import HISTORY_S, DemoTraffic
from core.clock import Clock
from tests.app.simulator.driving import SECRET, number
from tests.app.simulator.yes import YesMan, yes_man

USERS = ["home-02", "fast-01", "guest-01"]
NOW = 1_800_000_000.0


class StillClock(Clock):
    """A day that is always the same; only seconds for waiting go by."""

    def unix_s(self) -> float:
        return NOW


@pytest_asyncio.fixture
async def yes() -> AsyncIterator[YesMan]:
    async with yes_man() as one:
        yield one


def told(yes: YesMan) -> dict[str, dict[int, bytes]]:
    """The Stops, by Acct-Session-Id."""
    return {one[44].decode(): one for one in yes.records(STOP)}


async def test_the_demo_tells_the_sessions_of_its_day_that_are_over(yes: YesMan) -> None:
    traffic = DemoTraffic(
        yes.server, SECRET, "demo-password", USERS, coa_port=0, clock=StillClock()
    )
    over = [
        one
        for one in moments(USERS, int(NOW) - HISTORY_S, int(NOW))
        if one.session.ends_s <= NOW and one.kind == STOP
    ]
    running = asyncio.create_task(traffic.run(replay_s=0.1))
    try:
        async with asyncio.timeout(10):
            # By name: on a busy machine some are told twice.
            while not {one.session.acct_session_id for one in over} <= told(yes).keys():
                yes.hears.clear()
                await yes.hears.wait()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    stops = told(yes)
    assert len(over) > 1
    for moment in over:
        said = stops[moment.session.acct_session_id]
        seconds, received, sent = moment.session.counters(moment.at_s)
        assert number(said[46]) == seconds
        assert (number(said[52]) << 32 | number(said[42]), number(said[55])) == (
            received,
            moment.at_s,
        )
        assert number(said[53]) << 32 | number(said[43]) == sent
    assert {one[1].decode() for one in yes.records(START)} <= set(USERS)
