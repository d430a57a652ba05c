"""Request files for radload: what a BRAS sends when subscribers log in, precomputed.

    python -m bench.packets OUT --method chap --subscribers 100000

A file is ``RADLOAD1``, the number of requests (u32), the length of the secret (u16) and the
secret; then for each request its length (u16), the expected reply code (u8), a zero octet
and the packet, all little-endian.  Request n carries the identifier n mod 256, so the
number of requests is a multiple of 256.  Deterministic: same arguments, same octets.

The client's half of each method, and nothing about servers.  The arithmetic of MS-CHAP is
the project's own: FreeRADIUS, which is asked the same, is the check on it.
"""

import argparse
import hmac
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from hashlib import md5
from pathlib import Path
from random import Random

from aaa.methods.md4 import nt_hash
from aaa.methods.nt_response import challenge_hash, nt_response
from bench.population import NAS_ADDRESS, NAS_NAME, SECRET, Subscriber, mac, subscriber
from core.radius.packet import attribute, vendor_attribute
from core.radius.types import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    ACCESS_REQUEST,
    CALLED_STATION_ID,
    CALLING_STATION_ID,
    CHAP_CHALLENGE,
    CHAP_PASSWORD,
    MESSAGE_AUTHENTICATOR,
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP_CHALLENGE,
    NAS_IDENTIFIER,
    NAS_IP_ADDRESS,
    NAS_PORT,
    NAS_PORT_ID,
    NAS_PORT_TYPE,
    SERVICE_TYPE,
    USER_NAME,
    USER_PASSWORD,
)

IDENTIFIERS = 256
FRAMED_PROTOCOL = 7
ACCT_SESSION_ID = 44
ETHERNET, FRAMED, PPP = 15, 2, 1

# (subscriber, secret, request authenticator, randomness) -> attributes
Proof = Callable[[Subscriber, bytes, bytes, Random], bytes]


def pap(who: Subscriber, secret: bytes, authenticator: bytes, _random: Random) -> bytes:
    """User-Password, hidden (RFC 2865 §5.2); the bench's passwords fit one block."""
    plain = who.password.encode().ljust(16, b"\0")
    pad = md5(secret + authenticator, usedforsecurity=False).digest()
    return attribute(USER_PASSWORD, bytes(a ^ b for a, b in zip(plain, pad, strict=True)))


def chap(who: Subscriber, _secret: bytes, _authenticator: bytes, random: Random) -> bytes:
    """CHAP-Password over a CHAP-Challenge of its own (RFC 2865 §5.3, §5.40)."""
    challenge = random.randbytes(16)
    ident = random.randbytes(1)
    digest = md5(ident + who.password.encode() + challenge, usedforsecurity=False).digest()
    return attribute(CHAP_PASSWORD, ident + digest) + attribute(CHAP_CHALLENGE, challenge)


def mschapv2(who: Subscriber, _secret: bytes, _authenticator: bytes, random: Random) -> bytes:
    """MS-CHAP2-Response (RFC 2548 §2.3.2, RFC 2759)."""
    challenge, peer_challenge = random.randbytes(16), random.randbytes(16)
    hashed = challenge_hash(peer_challenge, challenge, who.name.encode())
    response = nt_response(hashed, nt_hash(who.password))
    value = random.randbytes(1) + b"\0" + peer_challenge + bytes(8) + response
    return vendor_attribute(MICROSOFT, MS_CHAP_CHALLENGE, challenge) + vendor_attribute(
        MICROSOFT, MS_CHAP2_RESPONSE, value
    )


METHODS: dict[str, Proof] = {"pap": pap, "chap": chap, "mschapv2": mschapv2}


def access_request(
    who: Subscriber,
    prove: Proof,
    *,
    identifier: int,
    random: Random,
    secret: bytes = SECRET.encode(),
    nas_address: str = NAS_ADDRESS,
    nas_name: str = NAS_NAME,
) -> bytes:
    """One Access-Request as a MikroTik BRAS puts it together, signed."""
    authenticator = random.randbytes(16)
    session = random.getrandbits(32)
    attributes = b"".join(
        (
            attribute(MESSAGE_AUTHENTICATOR, bytes(16)),
            attribute(SERVICE_TYPE, FRAMED.to_bytes(4, "big")),
            attribute(FRAMED_PROTOCOL, PPP.to_bytes(4, "big")),
            attribute(NAS_PORT, (0x0F000000 | who.number & 0xFFFFFF).to_bytes(4, "big")),
            attribute(NAS_PORT_TYPE, ETHERNET.to_bytes(4, "big")),
            attribute(USER_NAME, who.name.encode()),
            attribute(CALLING_STATION_ID, mac(who.number).encode()),
            attribute(CALLED_STATION_ID, b"pppoe-access"),
            attribute(NAS_PORT_ID, b"vlan%d" % (100 + who.number % 3000)),
            attribute(ACCT_SESSION_ID, b"%08x" % session),
            prove(who, secret, authenticator, random),
            attribute(NAS_IDENTIFIER, nas_name.encode()),
            attribute(NAS_IP_ADDRESS, bytes(int(part) for part in nas_address.split("."))),
        )
    )
    head = struct.pack("!BBH", ACCESS_REQUEST, identifier, 20 + len(attributes)) + authenticator
    signature = hmac.digest(secret, head + attributes, "md5")
    return head + attributes[:2] + signature + attributes[18:]


def numbers(subscribers: int, requests: int, random: Random) -> Iterator[int]:
    """Subscribers in random order, everybody once before anybody twice."""
    order: list[int] = []
    for _ in range(requests):
        if not order:
            order = list(range(subscribers))
            random.shuffle(order)
        yield order.pop()


def write(
    path: Path,
    method: str,
    subscribers: int,
    *,
    requests: int | None = None,
    wrong_password: bool = False,
    secret: str = SECRET,
    first: int = 0,
    seed: int = 1,
) -> int:
    """Write a request file; returns how many requests are in it.

    `requests` (one for each subscriber if None) is rounded up to a multiple of 256.
    `first` is the number of the first subscriber.  With a `secret` that the server does
    not have, the file is what an attacker behind a known address would send.
    """
    random = Random(seed)
    prove = METHODS[method]
    count = -(-(requests or subscribers) // IDENTIFIERS) * IDENTIFIERS
    expected = ACCESS_REJECT if wrong_password else ACCESS_ACCEPT

    def made() -> Iterator[bytes]:
        for n, number in enumerate(numbers(subscribers, count, random)):
            who = subscriber(first + number)
            if wrong_password:
                who = Subscriber(who.number, who.name, "not-" + who.password[4:])
            yield access_request(
                who, prove, identifier=n % IDENTIFIERS, random=random, secret=secret.encode()
            )

    save(path, secret.encode(), count, expected, made())
    return count


def save(path: Path, secret: bytes, count: int, expected: int, packets: Iterable[bytes]) -> None:
    """Write so many packets, which expect that code; on the disk before it returns, so that
    nobody who is measured waits for it."""
    partial = path.with_suffix(".partial")
    with partial.open("wb", buffering=1 << 20) as file:
        file.write(b"RADLOAD1" + struct.pack("<IH", count, len(secret)) + secret)
        for packet in packets:
            file.write(struct.pack("<HBB", len(packet), expected, 0) + packet)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def read(path: Path) -> tuple[bytes, list[tuple[int, bytes]]]:
    """The secret and the (expected code, packet) pairs of a request file."""
    octets = path.read_bytes()
    count, secret_length = struct.unpack_from("<IH", octets, 8)
    at = 14 + secret_length
    found: list[tuple[int, bytes]] = []
    for _ in range(count):
        length, expected = struct.unpack_from("<HB", octets, at)
        found.append((expected, octets[at + 4 : at + 4 + length]))
        at += 4 + length
    return octets[14 : 14 + secret_length], found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--method", choices=sorted(METHODS), default="pap")
    parser.add_argument("--subscribers", type=int, default=100_000)
    parser.add_argument("--requests", type=int)
    parser.add_argument("--wrong-password", action="store_true")
    arguments = parser.parse_args()
    count = write(
        arguments.out,
        arguments.method,
        arguments.subscribers,
        requests=arguments.requests,
        wrong_password=arguments.wrong_password,
    )
    print(f"{count} requests, {arguments.out.stat().st_size} octets")


if __name__ == "__main__":
    main()
