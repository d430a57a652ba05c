"""The asking side of RADIUS, written from the RFCs with hashlib alone.

What the server's own modules compute is checked against this, so nothing here uses them:
not the authenticators, not the hiding of passwords, not the parsing of replies.
"""

import hmac
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import md5
from types import TracebackType

ACCESS_REQUEST, ACCESS_ACCEPT, ACCESS_REJECT, ACCESS_CHALLENGE = 1, 2, 3, 11
ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE, STATUS_SERVER = 4, 5, 12
DISCONNECT_REQUEST, COA_REQUEST = 40, 43
SIGNATURE = 80

Address = tuple[str, int]
Pair = tuple[int, bytes]


def tlv(number: int, value: bytes | str | int) -> bytes:
    """One attribute; a number takes four octets."""
    if isinstance(value, int):
        value = struct.pack("!I", value)
    elif isinstance(value, str):
        value = value.encode()
    return bytes((number, len(value) + 2)) + value


def vsa(vendor: int, number: int, value: bytes) -> bytes:
    return tlv(26, struct.pack("!I", vendor) + tlv(number, value))


def packet(code: int, identifier: int, authenticator: bytes, attributes: bytes) -> bytes:
    return struct.pack("!BBH", code, identifier, 20 + len(attributes)) + authenticator + attributes


def signature_at(octets: bytes) -> int:
    """Where the value of Message-Authenticator begins; 0 if there is none."""
    at = 20
    while at + 2 <= len(octets):
        if octets[at] == SIGNATURE:
            return at + 2
        assert octets[at + 1] >= 2, "say where it is"
        at += octets[at + 1]
    return 0


def sign(octets: bytes, secret: bytes, at: int = 0) -> bytes:
    """Fill in the Message-Authenticator, whose place is there already (RFC 3579 §3.2).

    `at` says where, when the attributes are too broken to find it.
    """
    at = at or signature_at(octets)
    octets = octets[:at] + bytes(16) + octets[at + 16 :]
    return octets[:at] + hmac.digest(secret, octets, "md5") + octets[at + 16 :]


def access_request(
    attributes: bytes = b"",
    *,
    secret: bytes,
    identifier: int = 7,
    authenticator: bytes | None = None,
    signed: bool = True,
) -> bytes:
    """An Access-Request; its Message-Authenticator, if any, comes last, as most NASes do it."""
    authenticator = os.urandom(16) if authenticator is None else authenticator
    if not signed:
        return packet(ACCESS_REQUEST, identifier, authenticator, attributes)
    room = tlv(SIGNATURE, bytes(16))
    return sign(packet(ACCESS_REQUEST, identifier, authenticator, attributes + room), secret)


def status_server(*, secret: bytes, identifier: int = 7, attributes: bytes = b"") -> bytes:
    """RFC 5997 §3."""
    room = tlv(SIGNATURE, bytes(16))
    return sign(packet(STATUS_SERVER, identifier, os.urandom(16), attributes + room), secret)


def accounting_request(
    attributes: bytes, *, secret: bytes, identifier: int = 7, code: int = ACCOUNTING_REQUEST
) -> bytes:
    """An Accounting-Request, or another whose authenticator covers it (RFC 2866 §3)."""
    blank = packet(code, identifier, bytes(16), attributes)
    return blank[:4] + md5(blank + secret).digest() + blank[20:]


def hidden(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """The attribute User-Password (RFC 2865 §5.2)."""
    padded = password.ljust(max(16, -(-len(password) // 16) * 16), b"\0")
    blocks, last = [], authenticator
    for at in range(0, len(padded), 16):
        mask = md5(secret + last).digest()
        last = bytes(a ^ b for a, b in zip(padded[at : at + 16], mask, strict=True))
        blocks.append(last)
    return tlv(2, b"".join(blocks))


def chap(password: bytes, challenge: bytes, identifier: int = 1) -> bytes:
    """The attribute CHAP-Password (RFC 2865 §5.3)."""
    ident = bytes((identifier,))
    return tlv(3, ident + md5(ident + password + challenge).digest())


def pap_request(
    username: bytes | str,
    password: bytes | str,
    *more: bytes,
    secret: bytes,
    identifier: int = 7,
    authenticator: bytes | None = None,
    signed: bool = True,
) -> bytes:
    """A login by PAP."""
    authenticator = os.urandom(16) if authenticator is None else authenticator
    password = password.encode() if isinstance(password, str) else password
    attributes = tlv(1, username) + hidden(password, secret, authenticator) + b"".join(more)
    return access_request(
        attributes,
        secret=secret,
        identifier=identifier,
        authenticator=authenticator,
        signed=signed,
    )


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply that was found authentic."""

    code: int
    attributes: Sequence[Pair]  # in order
    octets: bytes

    def all(self, number: int) -> list[bytes]:
        return [value for found, value in self.attributes if found == number]

    def of_vendor(self, vendor: int) -> list[Pair]:
        """What that vendor's attributes hold, each (number, value)."""
        head = struct.pack("!I", vendor)
        return [pair for value in self.all(26) if value[:4] == head for pair in pairs(value[4:])]


def pairs(octets: bytes) -> list[Pair]:
    """Attributes one after the other."""
    found, at = [], 0
    while at < len(octets):
        size = octets[at + 1]
        assert size >= 2
        assert at + size <= len(octets)
        found.append((octets[at], octets[at + 2 : at + size]))
        at += size
    return found


def read(reply: bytes, request: bytes, secret: bytes, *, signed: bool = True) -> Answer:
    """Check everything that a NAS can check of a reply, and take it apart.

    `signed`: a Message-Authenticator must be there, and be the first attribute; else it may be.
    """
    code, identifier, length = struct.unpack("!BBH", reply[:4])
    assert length == len(reply), "Length is that of the datagram"
    assert identifier == request[1], "the Identifier is that of the request (RFC 2865 §3)"
    rest = reply[20:]
    assert reply[4:20] == md5(reply[:4] + request[4:20] + rest + secret).digest(), (
        "Response Authenticator (RFC 2865 §3)"
    )
    if signed:
        assert rest[:2] == bytes((SIGNATURE, 18)), "Message-Authenticator comes first"
    at = signature_at(reply)
    if at:
        unsigned = reply[:4] + request[4:20] + rest[: at - 20] + bytes(16) + rest[at - 4 :]
        assert reply[at : at + 16] == hmac.digest(secret, unsigned, "md5"), "RFC 3579 §3.2"
    return Answer(code, tuple(pairs(rest)), reply)


def md5_conversation(
    ask: Callable[[bytes], Answer], secret: bytes, name: str, password: str
) -> list[Answer]:
    """EAP-MD5 in place of what is offered first (RFC 3748 §5.3.1, §5.4): all answers, in order."""
    who, identity = tlv(1, name), b"\x01" + name.encode()
    message = struct.pack("!BBH", 2, 1, 4 + len(identity)) + identity
    answers = [ask(access_request(who + tlv(79, message), secret=secret))]
    while answers[-1].code == ACCESS_CHALLENGE:
        asked, [state] = b"".join(answers[-1].all(79)), answers[-1].all(24)
        identifier, eap_type = asked[1:2], asked[4]
        if eap_type == 4:
            value = md5(identifier + password.encode() + asked[6 : 6 + asked[5]]).digest()
            response = b"\x04\x10" + value
        else:
            response = b"\x03\x04"  # Nak: MD5 alone
        message = b"\x02" + identifier + struct.pack("!H", 4 + len(response)) + response
        attributes = who + tlv(79, message) + tlv(24, state)
        answers.append(ask(access_request(attributes, secret=secret, identifier=7 + len(answers))))
        assert len(answers) < 10, "the server never comes to an end"
    return answers


class Nas(AbstractContextManager["Nas"]):
    """A socket on one source address that asks one server."""

    def __init__(self, server: Address, host: str = "127.0.0.1") -> None:
        self.server = server
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((host, 0))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.sock.close()

    def send(self, octets: bytes) -> None:
        self.sock.sendto(octets, self.server)

    def receive(self, within_s: float = 5.0) -> bytes | None:
        """The next datagram, or None if none comes in time."""
        self.sock.settimeout(within_s)
        try:
            return self.sock.recv(65_536)
        except TimeoutError:
            return None

    def ask(self, octets: bytes, within_s: float = 5.0) -> bytes | None:
        """Send and wait for the reply to this Identifier."""
        self.send(octets)
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            reply = self.receive(left_s)
            if reply is not None and reply[1] == octets[1]:
                return reply
        return None

    def answer(self, octets: bytes, secret: bytes, within_s: float = 5.0) -> Answer:
        """Ask; there must be an authentic reply."""
        reply = self.ask(octets, within_s)
        assert reply is not None, "no reply"
        return read(reply, octets, secret)
