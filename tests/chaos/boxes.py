"""NASes that report over real sockets and do not give up, as RFC 2866 §2 wants them.

A report that is not acknowledged is sent again, byte for byte at first, later as a new
packet with a longer Acct-Delay-Time.  What was acknowledged is remembered octet for
octet: it is what must be in the database.
"""

import asyncio
import random
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import cast

from tests.asking import ACCOUNTING_RESPONSE, Address, accounting_request, read, tlv
from tests.chaos.plan import PlannedSession, Report

RESEND_AFTER_S = 0.5
SAME_PACKET_MAX = 3
GIVE_UP_AFTER_S = 90.0
DUPLICATE_WITHIN_S = 4.0


class Box(asyncio.DatagramProtocol):
    """One NAS: a source address, and at most 256 packets on their way."""

    def __init__(self, secret: bytes, chance: random.Random) -> None:
        self.acknowledged: list[bytes] = []
        self.answered_at = 0.0
        self.waits_s: list[float] = []  # of each report, until its first acknowledgement
        self._secret = secret
        self._chance = chance
        self._free = asyncio.Queue[int]()
        for identifier in range(256):
            self._free.put_nowait(identifier)
        self._pending: dict[int, tuple[bytes, asyncio.Future[None]]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        request, answered = self._pending.get(data[1], (b"", None))
        if answered is None or answered.done():
            return  # the second answer to one that was sent twice
        assert read(data, request, self._secret, signed=False).code == ACCOUNTING_RESPONSE
        self.acknowledged.append(request)
        self.answered_at = time.monotonic()
        answered.set_result(None)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens for a moment: the same as silence."""

    @property
    def has_pending(self) -> bool:
        """Whether it waits for an answer."""
        return bool(self._pending)

    async def report(self, report: Report) -> None:
        """Send it until it is acknowledged.

        Raises:
            TimeoutError: it never was.
        """
        began = time.monotonic()
        while time.monotonic() - began < GIVE_UP_AFTER_S:
            waited_s = int(time.monotonic() - began)
            delay = tlv(41, waited_s) if waited_s else b""
            if await self._try(report.attributes + delay):
                self.waits_s.append(time.monotonic() - began)
                return
        raise TimeoutError(f"a report of {report.at_s} was never acknowledged")

    async def _try(self, attributes: bytes) -> bool:
        identifier = await self._free.get()
        request = accounting_request(attributes, secret=self._secret, identifier=identifier)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending[identifier] = (request, answered)
        try:
            for _ in range(SAME_PACKET_MAX):
                self._transport.sendto(request)
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(answered), RESEND_AFTER_S)
                    return True
            return False
        finally:
            del self._pending[identifier]
            self._free.put_nowait(identifier)

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

    def close(self) -> None:
        self._transport.close()


async def connected(
    server: Address, hosts: Iterable[str], secret: bytes, chance: random.Random
) -> list[Box]:
    """A box on each of these addresses of ours, all asking `server`."""
    loop = asyncio.get_running_loop()
    boxes = []
    for host in hosts:
        _, box = await loop.create_datagram_endpoint(
            lambda: Box(secret, chance), local_addr=(host, 0), remote_addr=server
        )
        boxes.append(box)
    return boxes
