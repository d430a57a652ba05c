"""The sockets of one simulated NAS, with a network in front of them that may be bad.

A dull shell: datagrams in, datagrams out, each as often and as late as `faults` says.
"""

import asyncio
import random
from collections.abc import Callable
from typing import cast

from app.simulator.faults import Faults, copies

Address = tuple[str, int]


class Socket(asyncio.DatagramProtocol):
    """One socket.  `receives` gets what arrives, from whom, when the network lets it."""

    def __init__(
        self,
        receives: Callable[[bytes, Address], None],
        faults: Callable[[], Faults],
        chance: random.Random,
    ) -> None:
        self._receives = receives
        self._faults = faults
        self._chance = chance
        self._transport: asyncio.DatagramTransport | None = None
        self._loop = asyncio.get_running_loop()

    @classmethod
    async def open(
        cls,
        receives: Callable[[bytes, Address], None],
        faults: Callable[[], Faults],
        chance: random.Random,
        *,
        local: Address,
        remote: Address | None = None,
    ) -> "Socket":
        """Bound, and connected if there is a `remote`.

        Raises:
            OSError: the address is not ours, or the port is taken.
        """
        one = cls(receives, faults, chance)
        await one._loop.create_datagram_endpoint(lambda: one, local_addr=local, remote_addr=remote)
        return one

    @property
    def address(self) -> Address:
        """Where it is bound."""
        assert self._transport is not None
        return cast("Address", self._transport.get_extra_info("sockname")[:2])

    def send(self, datagram: bytes, to: Address | None = None) -> None:
        self._carry(lambda: self._send(datagram, to))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        whom = cast("Address", addr[:2])
        self._carry(lambda: self._receives(data, whom))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens for a moment: the same as silence."""

    def _carry(self, deliver: Callable[[], None]) -> None:
        for delay_s in copies(self._faults(), self._chance):
            if delay_s > 0:
                self._loop.call_later(delay_s, deliver)
            else:
                deliver()

    def _send(self, datagram: bytes, to: Address | None) -> None:
        if self._transport is not None:
            self._transport.sendto(datagram, to)
