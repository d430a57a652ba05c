"""A hundred thousand damaged packets: nothing but `Malformed` comes out of reading them."""

import random
from contextlib import suppress

import pytest

from core.radius.codec import decode, encode, encode_named
from core.radius.packet import Malformed, attribute, parse
from dictionaries.definitions import CONTAINERS
from dictionaries.loader import load
from tests.vectors.read import exchanges

DICTIONARY = load()
SECRET = b"xyzzy5461"
AUTHENTICATOR = bytes(range(16))
PACKETS = 100_000
SAMPLES = {
    "string": "abc",
    "ipaddr": "192.0.2.1",
    "ipv6addr": "2001:db8::1",
    "ipv6prefix": "2001:db8::/56",
    "ifid": "1:2:3:4",
    "octets": b"abcdefgh",
    "abinary": b"abcdefgh",
    "tlv": b"\x01\x06abcd\x02\x03a",
}
INTERESTING = (0, 1, 2, 3, 26, 69, 79, 80, 127, 128, 241, 245, 246, 254, 255)


def seeds() -> list[bytes]:
    """Packets to damage: the vectors, and each attribute of the dictionaries a few at a time."""
    found = [bytes.fromhex(exchange["request"]) for exchange in exchanges()]
    wires = [
        encode(
            definition,
            SAMPLES.get(definition.type, 7),
            secret=SECRET,
            authenticator=AUTHENTICATOR,
            salt=b"\x80\x01",
        )
        for definition in DICTIONARY
        if definition.type not in CONTAINERS
    ]
    wires += [encode_named(DICTIONARY, "SAML-Assertion", "x" * 600)] * 20
    wires += [encode_named(DICTIONARY, "EAP-Message", bytes(600))] * 20
    draw = random.Random(2865)
    for _ in range(400):
        body = b"".join(draw.sample(wires, draw.randint(1, 12)))[:4076]
        found.append(b"\x01\x01" + (20 + len(body)).to_bytes(2, "big") + AUTHENTICATOR + body)
    return found


def parsable(packet: bytes) -> bool:
    try:
        parse(packet)
    except Malformed:
        return False
    return True


def dented(octets: bytearray, draw: random.Random) -> None:
    at = draw.randrange(len(octets)) if octets else 0
    match draw.randrange(6):
        case 0 if octets:
            octets[at] = draw.randrange(256)
        case 1 if octets:
            octets[at] = draw.choice(INTERESTING)
        case 2 if octets:
            octets[at] ^= 1 << draw.randrange(8)
        case 3:
            del octets[at : at + draw.randint(1, 9)]
        case 4:
            octets[at:at] = draw.randbytes(draw.randint(1, 9))
        case _:
            octets[at:at] = octets[at : at + draw.randint(2, 60)]


def damaged(packet: bytes, draw: random.Random) -> bytes:
    """Damage anywhere; mostly with a Length that fits, so that it is reached."""
    octets = bytearray(packet)
    for _ in range(draw.randint(1, 4)):
        dented(octets, draw)
    if draw.randrange(8):
        octets[2:4] = len(octets).to_bytes(2, "big")
    return bytes(octets)


def damaged_within(attributes: list[tuple[int, bytes]], draw: random.Random) -> bytes:
    """Damage to values alone: the framing is right, so decoding gets to see them."""
    body = b""
    for number, value in attributes:
        octets = bytearray(value)
        if not draw.randrange(3):
            dented(octets, draw)
        body += attribute(number, bytes(octets[:253]))
    return b"\x01\x01" + (20 + len(body)).to_bytes(2, "big") + AUTHENTICATOR + body


@pytest.mark.slow
def test_damaged_packets_are_malformed_or_decoded_and_nothing_else() -> None:
    draw = random.Random(6929)
    packets = seeds()
    framed = [parse(packet).attributes() for packet in packets if parsable(packet)]
    decoded = malformed = 0
    for turn in range(PACKETS):
        octets = (
            damaged_within(draw.choice(framed), draw)
            if turn % 2
            else damaged(draw.choice(packets), draw)
        )
        try:
            packet = parse(octets)
        except Malformed:
            malformed += 1
            continue
        items = decode(packet, DICTIONARY, secret=SECRET, authenticator=AUTHENTICATOR)
        assert len(items) <= len(octets) // 2
        decoded += 1
    assert decoded > PACKETS // 2, "the damage is too great to say anything"
    assert malformed > PACKETS // 10


@pytest.mark.slow
def test_random_values_of_every_attribute_are_decoded_or_unknown() -> None:
    draw = random.Random(8044)
    numbers = [*range(256), *(26,) * 64, *(241, 245, 246) * 16]
    vendors = [vendor.to_bytes(4, "big") for vendor in DICTIONARY.vendors.values()]
    for _ in range(20_000):
        raw = [(draw.choice(numbers), draw.randbytes(draw.randrange(40))) for _ in range(4)]
        raw += [(26, draw.choice(vendors) + draw.randbytes(2) + b"\x03x") for _ in range(2)]
        decode(raw, DICTIONARY, secret=SECRET, authenticator=AUTHENTICATOR)


def test_truncation_anywhere_is_malformed_or_fewer_attributes() -> None:
    whole = bytes.fromhex(exchanges()[0]["request"])
    count = len(parse(whole).attributes())
    for end in range(len(whole)):
        cut = bytearray(whole[:end])
        cut[2:4] = end.to_bytes(2, "big")
        with suppress(Malformed):
            assert len(decode(parse(bytes(cut)), DICTIONARY)) < count
