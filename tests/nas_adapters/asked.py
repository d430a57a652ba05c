"""A NAS that is told things, written from RFC 5176 with hashlib alone, on a real socket.

It believes nothing that it cannot prove, counts what it carried out, and answers as each
test wants.  Nothing here is used by the client under test.
"""

import asyncio
import hmac
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import md5
from typing import cast

from tests.asking import Pair, pairs, signature_at, tlv

SECRET = b"between us"
EVENT_TIMESTAMP, ERROR_CAUSE = 55, 101
COA, DISCONNECT = 43, 40


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, found authentic."""

    octets: bytes
    source: tuple[str, int]

    @property
    def code(self) -> int:
        return self.octets[0]

    @property
    def identifier(self) -> int:
        return self.octets[1]

    @property
    def attributes(self) -> list[Pair]:
        return pairs(self.octets[20:])

    def first(self, number: int) -> bytes | None:
        return next((value for found, value in self.attributes if found == number), None)


def is_authentic(octets: bytes, secret: bytes) -> bool:
    """RFC 5176 §2.3 and §3.4, as a NAS checks it."""
    zeros = octets[:4] + bytes(16) + octets[20:]
    if octets[4:20] != md5(zeros + secret).digest():
        return False
    at = signature_at(octets)
    if not at:
        return True
    unsigned = zeros[:at] + bytes(16) + zeros[at + 16 :]
    return hmac.compare_digest(octets[at : at + 16], hmac.digest(secret, unsigned, "md5"))


def reply(
    request: bytes,
    code: int,
    attributes: bytes = b"",
    *,
    secret: bytes = SECRET,
    identifier: int | None = None,
    signed_with: bytes | None = None,
) -> bytes:
    """An answer; `signed_with` adds a Message-Authenticator made with that secret."""
    if signed_with is not None:
        attributes += tlv(80, bytes(16))
    length = (20 + len(attributes)).to_bytes(2, "big")
    head = bytes((code, request[1] if identifier is None else identifier)) + length
    if signed_with is not None:
        signature = hmac.digest(signed_with, head + request[4:20] + attributes, "md5")
        attributes = attributes[:-16] + signature
    return head + md5(head + request[4:20] + attributes + secret).digest() + attributes


def ack(request: bytes, attributes: bytes = b"") -> bytes:
    return reply(request, request[0] + 1, attributes)


def nak(request: bytes, cause: int | None, *more: bytes) -> bytes:
    attributes = b"" if cause is None else tlv(ERROR_CAUSE, cause)
    return reply(request, request[0] + 2, attributes + b"".join(more))


Behaviour = Callable[["Nas", Asked], None]


@dataclass(slots=True)
class Nas(asyncio.DatagramProtocol):
    """`behaves` is called with every authentic request, copies too."""

    behaves: Behaviour
    secret: bytes = SECRET
    asked: list[Asked] = field(default_factory=list)
    refused: int = 0  # not authentic
    transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not is_authentic(data, self.secret):
            self.refused += 1
            return
        asked = Asked(data, addr)
        self.asked.append(asked)
        self.behaves(self, asked)

    def send(self, octets: bytes, asked: Asked) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.sendto(octets, asked.source)

    def later(self, after_s: float, octets: bytes, asked: Asked) -> None:
        asyncio.get_running_loop().call_later(after_s, self.send, octets, asked)

    @property
    def address(self) -> tuple[str, int]:
        assert self.transport is not None
        host, port = self.transport.get_extra_info("sockname")[:2]
        return host, port


@asynccontextmanager
async def nas(behaves: Behaviour, host: str = "127.0.0.1") -> AsyncIterator[Nas]:
    loop = asyncio.get_running_loop()
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    transport, protocol = await loop.create_datagram_endpoint(
        lambda: Nas(behaves), local_addr=(host, 0), family=family
    )
    try:
        yield protocol
    finally:
        transport.close()
        await asyncio.sleep(0)


def acks(nas: Nas, asked: Asked) -> None:
    nas.send(ack(asked.octets), asked)


def is_silent(nas: Nas, asked: Asked) -> None:
    pass
