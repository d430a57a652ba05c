"""The demo's NAS against a server that says yes to everything."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import cast

import pytest_asyncio

from app.demo_day import START, STOP, moments
from app.demo_traffic import HISTORY_S, DemoTraffic
from app.simulator.simulation import Server
from core.clock import Clock
from core.radius.packet import Packet, parse
from tests.app.simulator.driving import SECRET, answer_to, number, told

USERS = ["home-02", "fast-01", "guest-01"]
NOW = 1_800_000_000.0


class StillClock(Clock):
    """A day that is always the same; only seconds for waiting go by."""

    def unix_s(self) -> float:
        return NOW


class YesMan(asyncio.DatagramProtocol):
    """Accepts every login, by PAP's password or not, and acknowledges every record."""

    def __init__(self) -> None:
        self.heard: list[Packet] = []
        self.hears = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.heard.append(parse(data))
        self.hears.set()
        is_login = data[0] == 1
        self.transport.sendto(answer_to(data, 2 if is_login else 5, signed=is_login), addr)

    def records(self, kind: int) -> list[dict[int, bytes]]:
        said = [told(one) for one in self.heard if one.code == 4]
        return [one for one in said if number(one[40]) == kind]


@pytest_asyncio.fixture
async def yes() -> AsyncIterator[YesMan]:
    loop = asyncio.get_running_loop()
    transport, one = await loop.create_datagram_endpoint(YesMan, local_addr=("127.0.0.1", 0))
    yield one
    transport.close()
    await asyncio.sleep(0)


async def test_the_demo_tells_the_sessions_of_its_day_that_are_over(yes: YesMan) -> None:
    port = yes.transport.get_extra_info("sockname")[1]
    server = Server("127.0.0.1", port, port)
    traffic = DemoTraffic(server, SECRET, "demo-password", USERS, coa_port=0, clock=StillClock())
    over = [
        one
        for one in moments(USERS, int(NOW) - HISTORY_S, int(NOW))
        if one.session.ends_s <= NOW and one.kind == STOP
    ]
    running = asyncio.create_task(traffic.run(replay_s=0.1))
    try:
        async with asyncio.timeout(10):
            while len(yes.records(STOP)) < len(over):
                yes.hears.clear()
                await yes.hears.wait()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    stops = {one[44].decode(): one for one in yes.records(STOP)}
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
