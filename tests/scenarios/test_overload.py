"""Five times more than can be served: everybody gets a share, and little is wasted (fault P15).

What the server is capable of is made small by a handler that works for long, so that one
machine has the strength to overload it.  What is wasted is measured in the processor's time
of its own thread, which is the same however busy the machine is.
"""

import asyncio
import multiprocessing
import time
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
import uvloop

from core.clock import Clock
from core.radius.authenticity import SharedSecret
from core.radius.clients import Client, Clients
from core.radius.counters import Counters
from core.radius.dedup import DuplicateCache
from core.radius.packet import Packet
from core.radius.responder import Port, Reply, Responder, Source
from core.radius.server import RadiusServer
from core.radius.types import ACCESS_ACCEPT, ACCOUNTING_RESPONSE
from core.udp import Endpoint, bind
from tests.scenarios.storm import Told, storm

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

SECRET = b"xyzzy5461"
COST_S = 0.002
QUIET = ("127.0.0.11", "127.0.0.12", "127.0.0.13")
MAD = "127.0.0.66"
QUIET_PART = 1 / 16  # each, of what is possible: far less than a quarter
MAD_TIMES = 16
STORM_S = 3.0


class Slow:
    """Decides all alike, and with much ado."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.decided = 0

    def handle(self, packet: Packet, client: Client, source: Source, now: float) -> Reply:
        until = time.thread_time() + COST_S
        while time.thread_time() < until:
            pass
        self.decided += 1
        return self._reply


class Turns:
    def begin(self) -> None: ...

    def end(self) -> None: ...


class Overloaded:
    def __init__(self, port: Port, pool: ProcessPoolExecutor) -> None:
        code = ACCESS_ACCEPT if port is Port.AUTH else ACCOUNTING_RESPONSE
        self._port = port
        self._pool = pool
        self._handler = Slow(Reply(code))
        self.clients = {
            host: Client(number, f"nas-{number}", SharedSecret(SECRET), True, Counters())
            for number, host in enumerate((*QUIET, MAD))
        }
        self.sock = bind("127.0.0.1", 0, receive_buffer_octets=1 << 20)
        self.server = RadiusServer(
            Endpoint(self.sock),
            Responder(
                port,
                self._handler,
                DuplicateCache(),
                clients=Clients((ip_network(host), b"", c) for host, c in self.clients.items()),
            ),
            Clock(),
            turn=Turns(),
        )

    async def asked(
        self, rates: dict[str, int], seconds: float, *, listen_s: float
    ) -> dict[str, Told]:
        loop, is_auth = asyncio.get_running_loop(), self._port is Port.AUTH
        server = self.sock.getsockname()
        return await loop.run_in_executor(
            self._pool, storm, server, SECRET, is_auth, rates, seconds, listen_s
        )

    async def decided_a_second(self, begin_s: float, seconds: float) -> tuple[float, float]:
        """By the clock, and of the time that the processor had for this thread."""
        await asyncio.sleep(begin_s)
        before, began, had = self._handler.decided, time.monotonic(), time.thread_time()
        await asyncio.sleep(seconds)
        decided = self._handler.decided - before
        return decided / (time.monotonic() - began), decided / (time.thread_time() - had)


@asynccontextmanager
async def overloaded(port: Port) -> AsyncIterator[Overloaded]:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        one = Overloaded(port, pool)
        # The first call starts the process.
        await one.asked({QUIET[0]: 100}, 0.1, listen_s=1.0)
        try:
            yield one
        finally:
            one.server.close()
            one.sock.close()


@pytest.mark.parametrize("port", list(Port), ids=lambda port: port.value)
def test_a_nas_gone_mad_starves_no_other_and_the_server_works_on(port: Port) -> None:
    uvloop.run(_story(port))  # the loop that login workers have


async def _story(port: Port) -> None:
    async with overloaded(port) as one:
        # What can be done: all ask alike, and together little more than that.
        async with asyncio.TaskGroup() as group:
            group.create_task(one.asked(dict.fromkeys(one.clients, 250), 2.0, listen_s=2.0))
            peak = group.create_task(one.decided_a_second(0.5, 1.4))
        for client in one.clients.values():
            client.counters.drops.clear()

        possible, peak_of_ours = peak.result()
        quiet_rate = int(possible * QUIET_PART)
        rates = {MAD: int(possible * MAD_TIMES), **dict.fromkeys(QUIET, quiet_rate)}
        async with asyncio.TaskGroup() as group:
            told = group.create_task(one.asked(rates, STORM_S, listen_s=2.0))
            during = group.create_task(one.decided_a_second(0.5, STORM_S - 0.6))
        mad = told.result()[MAD]
        assert mad.asked > 5 * mad.answered > 0, "no strength for a storm"
        assert during.result()[1] >= 0.8 * peak_of_ours > 0
        for host in QUIET:
            quiet = told.result()[host]
            # What is lost is lost before the storm is noticed, on a machine busy elsewhere.
            assert quiet.answered >= 0.8 * quiet.asked > 0
            assert not one.clients[host].counters.drops
        assert one.clients[MAD].counters.drops["overload"] > 0

        # Two of the five seconds have passed.  For the mad one, too, it is as if nothing had been.
        after = await one.asked(dict.fromkeys(one.clients, quiet_rate), 1.0, listen_s=2.0)
        for host, each in after.items():
            assert each.answered == each.asked > 0, host
