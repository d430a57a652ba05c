"""Boxes that report just what a test has planned, packet by packet, to the node that it chooses.

For what no simulated NAS does: one session's records here and there (fault D15), and 50 000
sessions of one box at a rate (fault D10).  Whoever wants boxes with a life of their own takes
`crowd`.  They do not give up, as RFC 2866 §2 wants it: a report that is not acknowledged is sent
again, byte for byte at first, later as a new packet with a longer Acct-Delay-Time.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from hashlib import md5
from typing import cast

from tests.asking import ACCOUNTING_RESPONSE, Address, accounting_request, read, tlv
from tests.chaos.crowd import GIVE_UP_AFTER_S, RESEND_AFTER_S, Wait
from tests.chaos.plan import Report

SAME_PACKET_MAX = 3


class Box(asyncio.DatagramProtocol):
    """A socket on one source address, with at most 256 requests on their way."""

    def __init__(self, secret: bytes) -> None:
        self.secret = secret
        self.waits: list[Wait] = []
        self.acknowledged: list[bytes] = []
        self._free = asyncio.Queue[int]()
        for identifier in range(256):
            self._free.put_nowait(identifier)
        self._pending: dict[int, tuple[bytes, asyncio.Future[None]]] = {}
        self._given_up: dict[int, bytes] = {}  # the last of each Identifier

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        request, answered = self._pending.get(data[1], (b"", None))
        if answered is None or answered.done():
            return  # the second answer to one that was sent twice
        given_up = self._given_up.get(data[1])
        if given_up is not None and self._is_answer(data, given_up):
            return  # it came too late, and its Identifier is another's by now
        assert read(data, request, self.secret, signed=False).code == ACCOUNTING_RESPONSE
        answered.set_result(None)

    def error_received(self, exc: Exception) -> None:
        """Nobody listens for a moment: the same as silence."""

    async def report(self, report: Report) -> None:
        """Send it until it is acknowledged.

        Raises:
            TimeoutError: it never was.
        """
        began = time.monotonic()
        while time.monotonic() - began < GIVE_UP_AFTER_S:
            waited_s = int(time.monotonic() - began)
            attributes = report.attributes + (tlv(41, waited_s) if waited_s else b"")
            if request := await self._ask(attributes):
                self.acknowledged.append(request)
                self.waits.append(Wait(began, time.monotonic() - began))
                return
        raise TimeoutError(f"a report of {report.at_s} was never acknowledged")

    def close(self) -> None:
        self._transport.close()

    async def _ask(self, attributes: bytes) -> bytes:
        """Send one packet a few times; the packet if it was acknowledged, or nothing."""
        identifier = await self._free.get()
        request = accounting_request(attributes, secret=self.secret, identifier=identifier)
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending[identifier] = (request, answered)
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

    def _is_answer(self, data: bytes, request: bytes) -> bool:
        proof = md5(data[:4] + request[4:20] + data[20:] + self.secret).digest()
        return data[4:20] == proof  # RFC 2865 §3


async def connected(server: Address, hosts: Iterable[str], secret: str) -> list[Box]:
    """One on each of these addresses of ours, all asking `server`."""
    loop = asyncio.get_running_loop()
    return [
        (
            await loop.create_datagram_endpoint(
                lambda: Box(secret.encode()), local_addr=(host, 0), remote_addr=server
            )
        )[1]
        for host in hosts
    ]
