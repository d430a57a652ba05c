"""The framing of a datagram: what is no RADIUS packet is refused, and what is is kept in order."""

import pytest

from core.radius.packet import Malformed, attribute, parse, vendor_attribute
from core.radius.types import MESSAGE_AUTHENTICATOR, USER_NAME, VENDOR_SPECIFIC
from tests.vectors.read import Vector, exchanges

AUTHENTICATOR = bytes(range(16))


def datagram(attributes: bytes, length: int | None = None) -> bytes:
    size = 20 + len(attributes) if length is None else length
    return b"\x01\x07" + size.to_bytes(2, "big") + AUTHENTICATOR + attributes


NEMO = attribute(USER_NAME, b"nemo")
SIGNATURE = attribute(MESSAGE_AUTHENTICATOR, bytes(16))


@pytest.mark.parametrize(
    ("exchange", "side"),
    [
        pytest.param(exchange, side, id=f"{side} of {exchange['name']}")
        for exchange in exchanges()
        for side in ("request", "reply")
        if side in exchange
    ],
)
def test_packets_of_the_rfcs_are_read(exchange: Vector, side: str) -> None:
    octets, expect = bytes.fromhex(exchange[side]), exchange["expect"][side]
    if side == "request" and "malformed" in exchange["expect"]:
        with pytest.raises(Malformed, match="attribute-length"):
            parse(octets)
        return
    packet = parse(octets)
    assert (packet.code, packet.identifier) == (expect["code"], expect["identifier"])
    assert packet.authenticator.hex() == expect["authenticator"]
    assert [number for number, _ in packet.attributes()] == [a[0] for a in expect["attributes"]]


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param(b"", "short", id="nothing"),
        pytest.param(datagram(b"")[:19], "short", id="less than a header"),
        pytest.param(datagram(b"", length=19), "length", id="Length below 20"),
        pytest.param(datagram(NEMO, length=27), "length", id="Length beyond the datagram"),
        pytest.param(datagram(NEMO * 680, length=4097), "length", id="Length above 4096"),
        pytest.param(datagram(b"\x01\x00"), "attribute-length", id="attribute length 0"),
        pytest.param(datagram(b"\x01\x01"), "attribute-length", id="attribute length 1"),
        pytest.param(datagram(b"\x01\x07nemo"), "attribute-length", id="attribute overruns"),
        pytest.param(datagram(NEMO + b"\x01"), "attribute-length", id="one octet left over"),
        pytest.param(datagram(SIGNATURE * 2), "message-authenticator", id="signed twice"),
        pytest.param(
            datagram(attribute(MESSAGE_AUTHENTICATOR, bytes(15))),
            "message-authenticator",
            id="short signature",
        ),
        pytest.param(
            datagram(attribute(MESSAGE_AUTHENTICATOR, bytes(17))),
            "message-authenticator",
            id="long signature",
        ),
    ],
)
def test_what_does_not_add_up_is_no_packet(octets: bytes, reason: str) -> None:
    with pytest.raises(Malformed, match=f"^{reason}$"):
        parse(octets)


def test_octets_past_length_are_padding() -> None:
    assert parse(datagram(NEMO) + b"padding").octets == datagram(NEMO)


def test_a_header_alone_is_a_packet() -> None:
    packet = parse(datagram(b""))
    assert packet.attributes() == []
    assert packet.get(USER_NAME) is None
    assert packet.all(USER_NAME) == []


def test_values_of_one_type_keep_their_order_among_others() -> None:
    packet = parse(
        datagram(b"".join(attribute(n, v) for n, v in ((33, b"a"), (1, b"x"), (33, b"b"))))
    )
    assert packet.all(33) == [b"a", b"b"]
    assert packet.all(1) == [b"x"]
    assert packet.get(33) == b"a"
    assert packet.has(1)
    assert not packet.has(2)
    assert packet.attributes() == [(33, b"a"), (1, b"x"), (33, b"b")]


def test_two_thousand_attributes_are_taken_up_once_each() -> None:
    packet = parse(datagram(attribute(33, b"") * 2000))
    assert len(packet.all(33)) == len(packet.attributes()) == 2000


def test_the_place_of_the_signature_is_known() -> None:
    assert parse(datagram(NEMO + SIGNATURE)).message_authenticator_at == 28
    assert parse(datagram(NEMO)).message_authenticator_at == 0


def test_a_vendors_attribute_is_found_among_several_in_one() -> None:
    two = (14988).to_bytes(4, "big") + b"\x03\x03a\x08\x03b"
    packet = parse(datagram(vendor_attribute(9, 8, b"no") + attribute(VENDOR_SPECIFIC, two)))
    assert packet.vendor(14988, 8) == b"b"
    assert packet.vendor(9, 8) == b"no"
    assert packet.vendor(14988, 9) is None


@pytest.mark.parametrize("tail", [b"\x08\x00", b"\x08\x01", b"\x08\x04a", b"\x08"])
def test_a_vendors_own_format_is_unknown_not_malformed(tail: bytes) -> None:
    value = (14988).to_bytes(4, "big") + tail
    assert parse(datagram(attribute(VENDOR_SPECIFIC, value))).vendor(14988, 8) is None
