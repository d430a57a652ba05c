"""The UDP shell: a socket, drained whenever it is readable, and answers sent where they belong.

asyncio's own datagram transport makes one turn of the loop a datagram, and asyncio_dgram
queues without bound; a flood would become latency with the one and memory with the other.
Here the kernel's receive buffer is the queue: it is bounded, and what does not fit is
dropped by the kernel, to be sent again by the NAS (RFC 5080 §2.2.1).
"""

import ipaddress
import socket
import struct
from collections.abc import Callable
from typing import Final

Address = tuple[str, int]
Receive = Callable[[], tuple[bytes, Address]]  # raises BlockingIOError when there is none

DATAGRAM_OCTETS_MAX: Final = 4097  # one more than RADIUS allows, so that longer ones show
_SO_RCVBUFFORCE: Final = 33  # linux/asm-generic/socket.h; Python does not name it
_IP_PKTINFO: Final = 8  # linux/in.h
_MAPPED: Final = "::ffff:"


def bind(host: str, port: int, *, receive_buffer_octets: int) -> socket.socket:
    """A non-blocking UDP socket that shares its port with its siblings (SO_REUSEPORT).

    Raises:
        OSError: the address is not ours or the port is taken.
    """
    family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer_octets)
        except PermissionError:  # not root: as much as net.core.rmem_max allows
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_octets)
        if family == socket.AF_INET6 and host == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def receive_buffer_octets(sock: socket.socket) -> int:
    """What the kernel really gave (it reports twice the payload, for its own bookkeeping)."""
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


class Endpoint:
    """Receives and sends on one socket.

    Bound to a wildcard address, a host with several addresses must answer from the one
    that was asked (RFC 2865 §3 lets the NAS match on it), so there every datagram brings
    its destination along; bound to one address, the kernel does it and it costs nothing.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._is_ipv6 = sock.family == socket.AF_INET6
        host = sock.getsockname()[0]
        self.is_wildcard = ipaddress.ip_address(host).is_unspecified
        if self.is_wildcard:
            if self._is_ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        self._is_plain = not self._is_ipv6 and not self.is_wildcard
        self._asked: dict[Address, tuple[int, int, bytes]] = {}

    def receive(self) -> tuple[bytes, Address]:
        """The next datagram and its source, IPv4 written as IPv4.

        Raises:
            BlockingIOError: nothing waits.
        """
        if self._is_plain:
            return self.sock.recvfrom(DATAGRAM_OCTETS_MAX)
        datagram, ancillary, _, source = self.sock.recvmsg(DATAGRAM_OCTETS_MAX, 64)
        host: str = source[0]
        if self._is_ipv6:
            host = host.removeprefix(_MAPPED) if "." in host else host.split("%")[0]
        address = (host, source[1])
        for level, kind, data in ancillary:
            if kind in (_IP_PKTINFO, socket.IPV6_PKTINFO):
                self._remember(address, level, kind, data)
        return datagram, address

    def _remember(self, address: Address, level: int, kind: int, data: bytes) -> None:
        if level == socket.IPPROTO_IP:
            # in_pktinfo: interface, local address, destination.  Asking for the local address
            # as the source and leaving the interface open lets routing choose the way.
            data = struct.pack("=I4s4s", 0, data[4:8], bytes(4))
        elif data[:10] == bytes(10):
            data = data[:16] + bytes(4)
        if len(self._asked) > 65_536:
            self._asked.clear()  # only a hint: without it the kernel chooses the source
        self._asked[address] = (level, kind, data)

    def send(self, octets: bytes, address: Address) -> bool:
        """Whether the kernel took it.  A full send buffer or a vanished route loses it,
        as any network may; the peer asks again."""
        try:
            if self._is_plain:
                self.sock.sendto(octets, address)
                return True
            host, port = address
            if self._is_ipv6 and ":" not in host:
                host = _MAPPED + host
            asked = self._asked.get(address)
            self.sock.sendmsg([octets], [asked] if asked else [], 0, (host, port))
        except OSError:
            return False
        return True
