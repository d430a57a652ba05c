"""The UDP shell: a socket, drained whenever it is readable, and answers sent where they belong.

asyncio's own datagram transport makes one turn of the loop a datagram, and asyncio_dgram
queues without bound; a flood would become latency with the one and memory with the other.
Here the kernel's receive buffer is the queue: it is bounded, and what does not fit is
dropped by the kernel, to be sent again by the NAS (RFC 5080 §2.2.1).

Datagrams come and go by the handful (recvmmsg, sendmmsg: `core.udp_messages`), because
crossing into the kernel costs as much as deciding.
"""

import ipaddress
import socket
import struct
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from core import udp_filter
from core.udp_messages import Messages, control_of, name_of
from core.udp_messages import slot as make_slot

# Host in text, port, and the way an answer takes to it: the slot that `Endpoint.receive` made
# of what the kernel said, or nothing, when the routes may choose the way.  The way is part of
# the value: what one port asks at two of our addresses are two conversations.
Address = tuple[str, int, bytes]

DATAGRAM_OCTETS_MAX: Final = 4097  # one more than RADIUS allows, so that longer ones show
AT_ONCE: Final = 32
ADDRESSES_KEPT_MAX: Final = 8_192
_SO_RCVBUFFORCE: Final = 33  # linux/asm-generic/socket.h; Python does not name it
_SO_MEMINFO: Final = 55  # linux/asm-generic/socket.h: nine numbers
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
    its destination along and every answer takes it back.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._descriptor = sock.fileno()
        self._is_ipv6 = sock.family == socket.AF_INET6
        self.is_wildcard = ipaddress.ip_address(sock.getsockname()[0]).is_unspecified
        if self.is_wildcard:
            if self._is_ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
            else:
                sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
        name_octets = 28 if self._is_ipv6 else 16
        self._in = Messages(AT_ONCE, DATAGRAM_OCTETS_MAX, name_octets)
        self._out = Messages(AT_ONCE, DATAGRAM_OCTETS_MAX, name_octets)
        # What the kernel wrote about a sender -> its address.  Could be worked out every time;
        # kept because the same few ask all day.  An answer needs nothing from here.
        self._senders: dict[bytes, Address] = {}
        self.hold_back({})  # whoever had the socket before may have died in an overload

    def receive(self) -> list[tuple[bytes, Address]]:
        """The datagrams that wait, with their sources, IPv4 written as IPv4; at most `AT_ONCE`.

        Raises:
            OSError: the socket cannot be read, and not for lack of datagrams.
        """
        try:
            waiting = self._in.receive(self._descriptor)
        except BlockingIOError:
            return []
        senders, found = self._senders, []
        for octets, slot in waiting:
            address = senders.get(slot)
            if address is None:
                address = self._learn(slot)
            found.append((octets, address))
        return found

    def filled(self) -> float:
        """How much of the receive buffer is in use: at 1.0 the kernel drops what comes."""
        used, size = struct.unpack_from(
            "=2I", self.sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
        )
        return float(used) / float(size)

    def hold_back(self, parts: Mapping[str, float]) -> None:
        """Have the kernel drop this part of what each host sends, if it can do so at all."""
        with suppress(OSError):
            udp_filter.hold_back(self.sock, parts)

    def send(self, replies: Sequence[tuple[bytes, Address]]) -> int:
        """Send them all; how many the kernel took.  A full send buffer or a vanished route
        loses one, as any network may; the peer asks again."""
        taken = 0
        for start in range(0, len(replies), AT_ONCE):
            datagrams = []
            for octets, address in replies[start : start + AT_ONCE]:
                slot = address[2] or make_slot(self._sockaddr(address[0], address[1]), b"")
                datagrams.append((octets, slot))
            taken += self._out.send(self._descriptor, datagrams)
        return taken

    def _learn(self, slot: bytes) -> Address:
        name = name_of(slot)
        port = int.from_bytes(name[2:4], "big")
        if self._is_ipv6:
            text = socket.inet_ntop(socket.AF_INET6, name[8:24])
            host = text.removeprefix(_MAPPED) if "." in text else text
        else:
            host = socket.inet_ntop(socket.AF_INET, name[4:8])
        if len(self._senders) >= ADDRESSES_KEPT_MAX:
            self._senders.clear()
        address = (host, port, make_slot(name, self._source(control_of(slot))))
        self._senders[slot] = address
        return address

    def _source(self, control: bytes) -> bytes:
        """The destination that a request was sent to, as the source of its answer."""
        if not control:
            return b""
        header, info = control[:16], control[16:]
        if self._is_ipv6:
            # in6_pktinfo: address, interface.  The interface matters for link-local alone.
            return control if info[:2] == b"\xfe\x80" else header + info[:16] + bytes(4)
        # in_pktinfo: interface, local address, destination.  Naming the local address and
        # leaving the interface open lets routing choose the way.
        return header + bytes(4) + info[4:8] + bytes(4)

    def _sockaddr(self, host: str, port: int) -> bytes:
        port_octets = port.to_bytes(2, "big")
        if not self._is_ipv6:
            return _family(socket.AF_INET) + port_octets + socket.inet_aton(host)
        packed = socket.inet_pton(socket.AF_INET6, host if ":" in host else _MAPPED + host)
        return _family(socket.AF_INET6) + port_octets + bytes(4) + packed


def _family(number: int) -> bytes:
    return number.to_bytes(2, sys.byteorder)
