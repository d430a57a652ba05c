"""A server that says yes to everything, for simulations that are not about the server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from app.simulator.simulation import Server
from core.radius.packet import Packet, parse
from tests.app.simulator.driving import answer_to, number, told


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

    @property
    def server(self) -> Server:
        port = self.transport.get_extra_info("sockname")[1]
        return Server("127.0.0.1", port, port)

    def records(self, kind: int) -> list[dict[int, bytes]]:
        said = [told(one) for one in self.heard if one.code == 4]
        return [one for one in said if number(one[40]) == kind]


@asynccontextmanager
async def yes_man() -> AsyncIterator[YesMan]:
    loop = asyncio.get_running_loop()
    transport, one = await loop.create_datagram_endpoint(YesMan, local_addr=("127.0.0.1", 0))
    try:
        yield one
    finally:
        transport.close()
        await asyncio.sleep(0)
