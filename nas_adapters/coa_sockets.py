"""The sockets that requests leave by, opened when they are needed and read all the time.

Not connected, because then the kernel would hide what comes from elsewhere, and report one
NAS's closed port to whoever asks next.  asyncio_dgram queues without bound what it
receives, so each socket has a reader that takes everything at once.  Knows no RADIUS.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final

import asyncio_dgram
import structlog
from asyncio_dgram.aio import DatagramServer

log = structlog.get_logger()

SEND_WITHIN_S: Final = 1.0
RECEIVE_BUFFER_OCTETS: Final = 2**20

Way = tuple[int, str]  # address family and source address: how a NAS is reached
# Octets, host, port, and on which socket of which way they came.
Receive = Callable[[bytes, str, int, Way, int], None]


class Sockets:
    """Opened in `tasks`, which must outlive them; `close` ends the readers."""

    def __init__(self, tasks: asyncio.TaskGroup, receive: Receive) -> None:
        self._tasks = tasks
        self._receive = receive
        self._open: dict[tuple[Way, int], DatagramServer] = {}
        self._opening = asyncio.Lock()
        self._is_closed = False
        self.errors = 0  # that sockets reported, of whichever datagram

    def __len__(self) -> int:
        return len(self._open)

    async def send(self, way: Way, index: int, octets: bytes, to: tuple[str, int]) -> None:
        """Send by the `index`-th socket of this way.  What the network or a full buffer loses
        is lost, as any datagram may be.

        Raises:
            OSError: there can be no socket with this source address.
            TransportClosed: `close` was called.
        """
        stream = self._open.get((way, index)) or await self._opened(way, index)
        self._take_errors(stream)  # or this one would not be sent for the sake of others'
        try:
            async with asyncio.timeout(SEND_WITHIN_S):
                await stream.send(octets, to)
        except TimeoutError:
            self._failed("send buffer full")
        self._take_errors(stream)

    async def _opened(self, way: Way, index: int) -> DatagramServer:
        async with self._opening:
            known = self._open.get((way, index))
            if known is not None:
                return known
            stream = await asyncio_dgram.from_socket(_bind(way))
            assert isinstance(stream, DatagramServer), "it is not connected"
            if self._is_closed:
                stream.close()
                raise asyncio_dgram.TransportClosed
            self._open[way, index] = stream
            self._tasks.create_task(self._read(stream, way, index))
            return stream

    async def _read(self, stream: DatagramServer, way: Way, index: int) -> None:
        while True:
            try:
                octets, address = await stream.recv()
            except asyncio_dgram.TransportClosed:
                return
            except OSError as error:
                self._failed(str(error))
                continue
            assert isinstance(address, tuple), "an address of IPv4 or IPv6"
            self._receive(octets, address[0], address[1], way, index)

    def _take_errors(self, stream: DatagramServer) -> None:
        while True:
            try:
                _ = stream.exception
            except OSError as error:
                self._failed(str(error))
            else:
                return

    def _failed(self, why: str) -> None:
        self.errors += 1
        if self.errors.bit_count() == 1:  # the 1st, 2nd, 4th, 8th, ...
            log.warning("coa_socket_error", error=why, times=self.errors)

    def close(self) -> None:
        self._is_closed = True
        for stream in self._open.values():
            stream.close()
        self._open.clear()


def _bind(way: Way) -> socket.socket:
    """Without SO_REUSEPORT, unlike `core.udp.bind`: nobody may share the answers."""
    family, source = way
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_OCTETS)
        sock.bind((source, 0))
    except OSError:
        sock.close()
        raise
    return sock
