"""NASes that report over real sockets and do not give up, as RFC 2866 §2 wants them.

A report that is not acknowledged is sent again, byte for byte at first, later as a new
packet with a longer Acct-Delay-Time.  What was acknowledged is remembered octet for
octet: it is what must be in the database.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from hashlib import md5
from typing import NamedTuple, TypeVar, cast

from tests.asking import (
    ACCESS_ACCEPT,
    ACCOUNTING_REQUEST,
    ACCOUNTING_RESPONSE,
    Address,
    accounting_request,
    pap_request,
    read,
    tlv,
)
from tests.chaos.plan import PlannedSession, Report

RESEND_AFTER_S = 0.5
SAME_PACKET_MAX = 3
GIVE_UP_AFTER_S = 90.0
DUPLICATE_WITHIN_S = 4.0


class Wait(NamedTuple):
    """Until the first answer, sending again included; both in seconds of one clock."""

    began: float
    lasted_s: float


class Asker(asyncio.DatagramProtocol):
    """A socket on one source address, with at most 256 requests on their way."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.answered_at = 0.0
        self.waits: list[Wait] = []
        self._free = asyncio.Queue[int]()
        for identifier in range(256):
            self._free.put_nowait(identifier)
        self._pending: dict[int, tuple[bytes, int, asyncio.Future[None]]] = {}
        self._given_up: dict[int, bytes] = {}  # the last of each Identifier

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        request, code, answered = self._pending.get(data[1], (b"", 0, None))
        if answered is None or answered.done():
            return  # the second answer to one that was sent twice
        given_up = self._given_up.get(data[1])
        if given_up is not None and self._is_answer(data, given_up):
            return  # it came too late, and its Identifier is another's by now
        signed = request[0] != ACCOUNTING_REQUEST
        assert read(data, request, self.secret, signed=signed).code == code
        self.answered_at = time.monotonic()
        answered.set_result(None)

    def _is_answer(self, data: bytes, request: bytes) -> bool:
        proof = md5(data[:4] + request[4:20] + data[20:] + self.secret).digest()
        return data[4:20] == proof  # RFC 2865 §3

    def error_received(self, exc: Exception) -> None:
        """Nobody listens for a moment: the same as silence."""

    @property
    def has_pending(self) -> bool:
        """Whether it waits for an answer."""
        return bool(self._pending)

    async def ask(self, make: Callable[[int], bytes], code: int) -> bytes:
        """Send what `make` makes for an Identifier a few times; the request if `code` came,
        or nothing."""
        identifier = await self._free.get()
        request = make(identifier)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending[identifier] = (request, code, answered)
        try:
            for _ in range(SAME_PACKET_MAX):
                self._transport.sendto(request)
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(answered), RESEND_AFTER_S)
                    return request
            self._given_up[identifier] = request
            return b""
        finally:
            del self._pending[identifier]
            self._free.put_nowait(identifier)

    def close(self) -> None:
        self._transport.close()


class Box(Asker):
    """A NAS that reports sessions."""

    def __init__(self, secret: bytes, chance: random.Random) -> None:
        super().__init__(secret)
        self.acknowledged: list[bytes] = []
        self._chance = chance

    async def report(self, report: Report) -> None:
        """Send it until it is acknowledged.

        Raises:
            TimeoutError: it never was.
        """
        began = time.monotonic()
        while time.monotonic() - began < GIVE_UP_AFTER_S:
            waited_s = int(time.monotonic() - began)
            attributes = report.attributes + (tlv(41, waited_s) if waited_s else b"")
            if request := await self.ask(partial(self._signed, attributes), ACCOUNTING_RESPONSE):
                self.acknowledged.append(request)
                self.waits.append(Wait(began, time.monotonic() - began))
                return
        raise TimeoutError(f"a report of {report.at_s} was never acknowledged")

    def _signed(self, attributes: bytes, identifier: int) -> bytes:
        return accounting_request(attributes, secret=self.secret, identifier=identifier)

    async def tell(self, session: PlannedSession, duplicates: float, pace_s: float) -> None:
        """Report a whole session in order, some of it once more at some later moment."""
        async with asyncio.TaskGroup() as again:
            for report in session.reports:
                await self.report(report)
                if self._chance.random() < duplicates:
                    again.create_task(self._later(report))
                await asyncio.sleep(self._chance.random() * 2 * pace_s)

    async def _later(self, report: Report) -> None:
        await asyncio.sleep(self._chance.random() * DUPLICATE_WITHIN_S)
        await self.report(report)


class LoginBox(Asker):
    """A NAS whose subscribers come and come."""

    async def log_in(self, username: str, password: str, rate: float, until: asyncio.Event) -> int:
        """Ask at this rate until told to stop; how many never heard Access-Accept."""
        refused = 0

        async def once() -> None:
            nonlocal refused
            began = time.monotonic()
            if await self.ask(
                lambda identifier: pap_request(
                    username, password, secret=self.secret, identifier=identifier
                ),
                ACCESS_ACCEPT,
            ):
                self.waits.append(Wait(began, time.monotonic() - began))
            else:
                refused += 1

        async with asyncio.TaskGroup() as asking:
            due = time.monotonic()
            while not until.is_set():
                asking.create_task(once())
                due += 1 / rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        return refused


AskerT = TypeVar("AskerT", bound=Asker)


async def connected(
    server: Address, hosts: Iterable[str], make: Callable[[], AskerT]
) -> list[AskerT]:
    """One on each of these addresses of ours, all asking `server`."""
    loop = asyncio.get_running_loop()
    return [
        (await loop.create_datagram_endpoint(make, local_addr=(host, 0), remote_addr=server))[1]
        for host in hosts
    ]
