"""Packets made wrong on purpose, and what an answer to one of them would mean.

Deterministic for a seed, so that a packet that does harm can be made again.
"""

import hmac
import struct
from dataclasses import dataclass
from enum import Enum
from hashlib import md5
from random import Random

from bench.packets import mschapv2
from bench.population import Subscriber
from tests.asking import chap, hidden, packet, pairs, sign, tlv, vsa

STRUCTURAL = (1, 2, 3, 24, 26, 33, 60, 79, 80, 241, 243, 245, 246)


class Sender(Enum):
    """From where, and how much the server may believe."""

    UNKNOWN = "127.0.0.99"  # nobody's address
    STRICT = "127.0.0.1"  # signatures required
    LENIENT = "127.0.0.7"  # an old box


@dataclass(frozen=True, slots=True)
class Mutant:
    octets: bytes
    sender: Sender
    may_be_answered: bool


class Mutator:
    """Makes one mutant after the other.  No password in them is right."""

    def __init__(self, seed: int, secret: bytes, names: list[bytes]) -> None:
        self._random = Random(seed)
        self._secret = secret
        self._names = names

    def next(self) -> Mutant:
        random = self._random
        sender = random.choice((Sender.UNKNOWN, Sender.STRICT, Sender.STRICT, Sender.LENIENT))
        authenticator = random.randbytes(16)
        code = random.choices((1, 12, 4, random.randrange(256)), (80, 5, 5, 10))[0]
        attributes = self._attributes(authenticator)
        if random.random() < 0.6:  # broken inside, but what it says of itself holds
            octets = self._signed(code, authenticator, self._mutated(attributes))
        else:  # signed first and broken then
            octets = self._damaged(self._signed(code, authenticator, attributes))
        if sender is Sender.LENIENT and random.random() < 0.5:
            octets = packet(code, random.randrange(256), authenticator, attributes)
            if random.random() < 0.5:
                octets = self._damaged(octets)
        return Mutant(octets, sender, may_be_answered(octets, sender, self._secret))

    def _attributes(self, authenticator: bytes) -> bytes:
        random = self._random
        name = random.choice(self._names)
        who = Subscriber(0, name.decode("latin-1"), "wrong-password")
        eap_type, data = random.choice(
            ((1, name), (3, b"\4"), (4, b"\x10" + bytes(16)), (26, b"\2"))
        )
        eap = struct.pack("!BBHB", 2, random.randrange(256), 5 + len(data), eap_type) + data
        proof = random.choice(
            (
                hidden(b"wrong-password", self._secret, authenticator),
                chap(b"wrong-password", authenticator),
                mschapv2(who, self._secret, authenticator, random),
                vsa(311, 11, bytes(8)) + vsa(311, 1, random.randbytes(50)),
                tlv(79, eap) + tlv(24, random.randbytes(random.randrange(80))),
                tlv(2, random.randbytes(random.choice((15, 16, 128, 144)))),
                b"",
            )
        )
        station = tlv(31, random.randbytes(6).hex("-"))
        return tlv(1, name) + proof + station + tlv(5, random.getrandbits(32))

    def _signed(self, code: int, authenticator: bytes, attributes: bytes) -> bytes:
        room = attributes[: 4096 - 38] + tlv(80, bytes(16))
        octets = packet(code, self._random.randrange(256), authenticator, room)
        if code == 4 and self._random.random() < 0.8:
            return octets[:4] + md5(octets[:4] + bytes(16) + room + self._secret).digest() + room
        return sign(octets, self._secret, len(octets) - 16)

    def _mutated(self, attributes: bytes) -> bytes:
        """Attributes taken away, repeated, swapped, added; lengths that lie."""
        random, parts = self._random, [tlv(*pair) for pair in pairs(attributes)]
        for _ in range(random.randrange(1, 5)):
            at = random.randrange(len(parts) + 1)
            match random.randrange(7):
                case 0 if parts:
                    parts.pop(at % len(parts))
                case 1 if parts:
                    parts.insert(at, random.choice(parts))
                case 2:
                    random.shuffle(parts)
                case 3:
                    number = random.choice(STRUCTURAL)
                    parts.insert(at, tlv(number, random.randbytes(random.randrange(254))))
                case 4 if parts:
                    part = bytearray(parts[at % len(parts)])
                    part[1] = random.randrange(256)
                    parts[at % len(parts)] = bytes(part)
                case 5:
                    parts.extend([tlv(random.choice(STRUCTURAL), b"")] * random.randrange(300))
                case _:
                    nested = b"\1\xff" + b"".join(tlv(1, b"") for _ in range(100))
                    parts.insert(at, tlv(random.choice((26, 241, 245)), nested[:253]))
        return b"".join(parts)

    def _damaged(self, octets: bytes) -> bytes:
        random, damaged = self._random, bytearray(octets)
        match random.randrange(5):
            case 0:
                for _ in range(random.randrange(1, 6)):
                    damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
            case 1:
                del damaged[random.randrange(len(damaged)) :]
            case 2:
                damaged += random.randbytes(random.randrange(1, 100))
            case 3:
                damaged[2:4] = random.randbytes(2)
            case _:
                damaged = bytearray(random.randbytes(random.randrange(200)))
        return bytes(damaged)


def may_be_answered(octets: bytes, sender: Sender, secret: bytes) -> bool:
    """Whether any reply at all is in order, judged without a line of the server's."""
    if sender is Sender.UNKNOWN or len(octets) < 20:
        return False
    code, length = octets[0], int.from_bytes(octets[2:4], "big")
    if code not in (1, 4, 12) or not 20 <= length <= min(len(octets), 4096):
        return False
    octets = octets[:length]
    try:
        attributes = pairs(octets[20:])
    except (AssertionError, IndexError):
        return False
    signatures = [value for number, value in attributes if number == 80]
    if len(signatures) > 1 or any(len(value) != 16 for value in signatures):
        return False
    if code == 4:
        blank = octets[:4] + bytes(16) + octets[20:]
        return md5(blank + secret).digest() == octets[4:20]
    if not signatures:
        return sender is Sender.LENIENT and code == 1
    at = 20
    for number, value in attributes:
        if number == 80:
            break
        at += len(value) + 2
    blank = octets[: at + 2] + bytes(16) + octets[at + 18 :]
    return hmac.digest(secret, blank, "md5") == signatures[0]
