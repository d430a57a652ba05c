"""The shell around the responder, on real sockets of the loopback."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_network

import pytest
from structlog.testing import capture_logs

from core.clock import Clock
from core.radius.clients import Clients
from core.radius.complaints import Complaints
from core.radius.responder import Reply
from core.radius.server import RadiusServer, tell
from core.radius.types import ACCESS_REJECT
from core.udp import AT_ONCE, Endpoint, bind
from tests.asking import pap_request, read, tlv
from tests.core.radius.answering import SECRET, STRICT, Bench

DELAY_S = 0.05


class Turns:
    """Counts what surrounds a batch."""

    def __init__(self) -> None:
        self.begun = self.ended = 0
        self.fails_at = -1

    def begin(self) -> None:
        self.begun += 1
        if self.begun == self.fails_at:
            raise RuntimeError("a bug")

    def end(self) -> None:
        self.ended += 1


class Served:
    """A bench behind a socket, and a NAS that asks it from an address of its own."""

    def __init__(self, bench: Bench, nas_host: str) -> None:
        self.bench = bench
        self.turns = Turns()
        self.sock = bind("127.0.0.1", 0, receive_buffer_octets=1 << 20)
        self.server = RadiusServer(Endpoint(self.sock), bench.responder, Clock(), turn=self.turns)
        self.nas = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.nas.bind((nas_host, 0))
        self.nas.connect(self.sock.getsockname())

    async def receive(self) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.nas, 4096)

    def burst(self, count: int) -> None:
        """Ask all at once, from some ports, before anything is served."""
        for first in range(0, count, 256):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nas:
                nas.bind(("127.0.0.1", 0))
                for identifier in range(min(256, count - first)):
                    nas.sendto(login(identifier), self.sock.getsockname())

    async def has_asked(self, count: int) -> bool:
        """Whether so many get as far as the handler, and not one more."""
        for _ in range(500):
            if len(self.bench.handler.asked) >= count:
                break
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        return len(self.bench.handler.asked) == count

    async def is_silent(self) -> bool:
        try:
            async with asyncio.timeout(DELAY_S / 2):
                await asyncio.get_running_loop().sock_recv(self.nas, 4096)
        except TimeoutError:
            return True
        return False


@asynccontextmanager
async def served(
    reply: Reply | None = None, *, known: bool = True, complaints: Complaints | None = None
) -> AsyncIterator[Served]:
    bench = Bench(reply=reply)
    if complaints is not None:
        bench.responder.complaints = complaints
    # The bench's clients live in 192.0.2.0/24; here one of them is on the loopback.
    here = ip_network("127.0.0.1/32")
    bench.responder.clients = Clients([(here, b"", bench.clients[STRICT])])
    both = Served(bench, "127.0.0.1" if known else "127.0.0.99")
    try:
        yield both
    finally:
        both.server.close()
        both.nas.close()
        both.sock.close()


def login(identifier: int = 7) -> bytes:
    return pap_request("nemo", "arctangent", secret=SECRET, identifier=identifier)


async def test_a_request_is_answered_where_it_came_from() -> None:
    async with served() as one:
        octets = login()
        one.nas.send(octets)
        assert read(await one.receive(), octets, SECRET).code == 2


async def test_many_datagrams_are_one_turn_and_none_is_left_behind() -> None:
    count = 2 * AT_ONCE - 1
    async with served() as one:
        for identifier in range(count):
            one.nas.send(login(identifier))
        replies = [await one.receive() for _ in range(count)]
        assert sorted(reply[1] for reply in replies) == list(range(count))
        assert one.turns.begun == one.turns.ended == 2


async def test_a_delayed_reject_leaves_in_time_and_holds_nothing_up() -> None:
    async with served(Reply(ACCESS_REJECT, tlv(18, "no"), "password", DELAY_S)) as one:
        one.nas.send(login(1))
        assert await one.is_silent()
        one.bench.handler.reply = Reply(2)
        one.nas.send(login(2))
        assert (await one.receive())[1] == 2
        began_at = asyncio.get_running_loop().time()
        assert (await one.receive())[1] == 1
        assert asyncio.get_running_loop().time() - began_at < DELAY_S


async def test_a_failing_request_is_logged_and_the_next_one_is_served() -> None:
    async with served() as one:
        one.bench.handler.fails = True
        with capture_logs() as logs:
            one.nas.send(login(1))
            assert await one.is_silent()
        assert [(line["event"], line["log_level"]) for line in logs] == [
            ("request_failed", "error")
        ]
        one.bench.handler.fails = False
        one.nas.send(login(2))
        assert (await one.receive())[1] == 2


async def test_strangers_get_silence_and_one_line_a_second_together() -> None:
    async with served(known=False) as one:
        with capture_logs() as logs:
            for identifier in range(200):
                one.nas.send(login(identifier))
                if identifier % 50 == 0:
                    await asyncio.sleep(0.001)
            assert await one.is_silent()
        assert len(logs) == 1
        assert (logs[0]["event"], logs[0]["source"]) == ("unknown_client", "127.0.0.99")
        assert one.bench.responder.unknown.drops == {"unknown-client": 200}


async def test_a_wrong_secret_is_told_with_the_name_of_the_nas() -> None:
    """All that the NAS itself hears is silence, so whoever set it up reads it here."""
    async with served() as one:
        with capture_logs() as logs:
            for identifier in range(3):
                one.nas.send(pap_request("nemo", "x", secret=b"typo", identifier=identifier))
            assert await one.is_silent()
            await asyncio.sleep(1.0)
            tell(one.bench.responder.complaints, Clock().monotonic())
        assert {(line["event"], line["nas"], line["source"]) for line in logs} == {
            ("bad_authenticator", "strict", "127.0.0.1")
        }
        assert sum(line["count"] for line in logs) == 3


async def test_what_two_sockets_drop_is_one_line_together() -> None:
    complaints = Complaints()
    async with (
        served(known=False, complaints=complaints) as one,
        served(known=False, complaints=complaints) as other,
    ):
        with capture_logs() as logs:
            for identifier in range(10):
                one.nas.send(login(identifier))
                other.nas.send(login(identifier))
                await asyncio.sleep(0.001)
        assert len(logs) == 1


BURST = 1_400  # fills more than a quarter of the receive buffer, and fits


async def test_a_burst_that_fits_is_served_whole_and_then_all_is_as_before() -> None:
    async with served() as one:
        one.burst(BURST)
        assert await one.has_asked(BURST)
        assert one.bench.drops() == {}
        one.nas.send(login(1))
        assert (await one.receive())[1] == 1


async def test_a_turn_that_fails_in_an_overload_is_not_the_last(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with served() as one:
        one.turns.fails_at = 20
        one.burst(BURST)
        assert await one.has_asked(BURST - AT_ONCE)
        assert "a bug" in caplog.text


async def test_draining_in_an_overload_serves_what_was_received_and_leaves_the_rest() -> None:
    async with served() as one:
        one.burst(BURST)
        # Turns of the loop, each of them one of ours: four until it is an overload, and the first
        # in it.  The next would receive for as long as that one took, which no test knows.
        for _ in range(6):
            await asyncio.sleep(0)
        one.server.stop_receiving()
        await one.server.drained()
        left = 0
        with suppress(BlockingIOError):
            while one.sock.recv(4096):
                left += 1
        assert left > 0
        assert await one.has_asked(BURST - left)


async def test_draining_sends_what_was_promised_and_takes_no_more() -> None:
    async with served(Reply(ACCESS_REJECT, tlv(18, "no"), "password", DELAY_S)) as one:
        one.nas.send(login(1))
        assert await one.is_silent()
        one.server.stop_receiving()
        one.nas.send(login(2))
        await one.server.drained()
        assert (await one.receive())[1] == 1
        one.server.close()
        assert len(one.bench.handler.asked) == 1
        assert one.sock.recv(4096)[1] == 2, "the second is left for a successor"


async def test_how_long_requests_took_is_counted_for_their_client() -> None:
    async with served() as one:
        for identifier in range(10):
            one.nas.send(login(identifier))
            await one.receive()
        counters = [client.counters for client in one.bench.clients.values()]
        assert sum(sum(each.latency_buckets) for each in counters) == 10
        assert sum(each.latency_sum_s for each in counters) > 0
