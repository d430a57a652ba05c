"""The authenticators of RADIUS, against the RFCs' own packets and an arithmetic of the tests'."""

import pytest

from core.radius.authenticity import SharedSecret
from core.radius.packet import Packet, parse
from core.radius.types import ACCESS_ACCEPT, ACCESS_REJECT, ACCOUNTING_RESPONSE
from tests.asking import (
    COA_REQUEST,
    DISCONNECT_REQUEST,
    SIGNATURE,
    access_request,
    accounting_request,
    packet,
    pap_request,
    read,
    sign,
    status_server,
    tlv,
)
from tests.vectors.read import Vector, by_name, exchanges

SECRET = b"xyzzy5461"
SHARED = SharedSecret(SECRET)


def of(octets: bytes) -> Packet:
    return parse(octets)


def checked(name: str) -> list[object]:
    return [
        pytest.param(exchange, id=exchange["name"])
        for exchange in exchanges()
        if name in exchange["expect"].get("checks", ())
    ]


@pytest.mark.parametrize("exchange", checked("message-authenticator"))
def test_a_signed_request_of_the_rfcs_is_believed(exchange: Vector) -> None:
    request = of(bytes.fromhex(exchange["request"]))
    assert SharedSecret(exchange["secret"].encode()).signs(request)
    assert not SharedSecret(b"another").signs(request)


@pytest.mark.parametrize("exchange", checked("request-authenticator"))
def test_an_accounting_request_of_the_rfcs_is_believed(exchange: Vector) -> None:
    request = of(bytes.fromhex(exchange["request"]))
    assert SharedSecret(exchange["secret"].encode()).authenticates(request)
    assert not SharedSecret(b"another").authenticates(request)


@pytest.mark.parametrize("exchange", checked("response-authenticator"))
def test_the_rfcs_replies_are_made_octet_for_octet(exchange: Vector) -> None:
    # Of the request only the header counts; the attributes of one of them are misprinted.
    header = bytes.fromhex(exchange["request"])[:20]
    request, reply = of(header[:2] + b"\0\x14" + header[4:]), bytes.fromhex(exchange["reply"])
    signed = reply[20:22] == bytes((SIGNATURE, 18))
    attributes = reply[38:] if signed else reply[20:]
    shared = SharedSecret(exchange["secret"].encode())
    assert shared.reply(reply[0], request, attributes, signed=signed) == reply


@pytest.mark.parametrize("length", [1, 9, 63, 64, 65, 200])
def test_secrets_of_any_length_are_keys(length: int) -> None:
    """RFC 2104 §2: a key longer than a block is hashed first."""
    secret = bytes(range(1, 200))[:length].ljust(length, b"x")
    octets = access_request(tlv(1, "nemo"), secret=secret)
    assert SharedSecret(secret).signs(of(octets))
    reply = SharedSecret(secret).reply(ACCESS_ACCEPT, of(octets), tlv(18, "hi"))
    assert read(reply, octets, secret).all(18) == [b"hi"]


@pytest.mark.parametrize("where", ["first", "middle", "last"])
def test_the_signature_may_stand_anywhere_in_a_request(where: str) -> None:
    room, name, port = tlv(SIGNATURE, bytes(16)), tlv(1, "nemo"), tlv(5, 3)
    order = {"first": room + name + port, "middle": name + room + port, "last": name + port + room}
    assert SHARED.signs(of(sign(packet(1, 7, bytes(16), order[where]), SECRET)))


@pytest.mark.parametrize("make", [access_request, status_server], ids=["access", "status"])
def test_every_octet_of_a_signed_packet_counts(make: object) -> None:
    assert callable(make)
    octets: bytes = make(attributes=tlv(1, "nemo"), secret=SECRET)
    assert SHARED.signs(of(octets))
    for at in (1, *range(4, 20), 22, 25, *range(28, len(octets))):
        altered = bytearray(octets)
        altered[at] ^= 0x01
        assert not SHARED.signs(of(bytes(altered))), f"octet {at}"


def test_every_octet_of_an_accounting_request_counts() -> None:
    octets = accounting_request(tlv(40, 1) + tlv(44, "0f"), secret=SECRET)
    assert SHARED.authenticates(of(octets))
    for at in (1, *range(4, 20), *range(22, 26), 28):
        altered = bytearray(octets)
        altered[at] ^= 0x80
        assert not SHARED.authenticates(of(bytes(altered))), f"octet {at}"


def test_a_packet_without_signature_is_not_signed() -> None:
    assert not SHARED.signs(of(access_request(tlv(1, "nemo"), secret=SECRET, signed=False)))


@pytest.mark.parametrize("code", [COA_REQUEST, DISCONNECT_REQUEST])
def test_where_the_authenticator_is_a_digest_the_signature_sees_zeros(code: int) -> None:
    """RFC 5176 §3.4: the Message-Authenticator is made while the authenticator is still blank."""
    body = tlv(44, "0f") + tlv(SIGNATURE, bytes(16))
    signed = sign(packet(code, 7, bytes(16), body), SECRET)
    octets = accounting_request(signed[20:], secret=SECRET, code=code)
    assert SHARED.signs(of(octets))
    assert SHARED.authenticates(of(octets))


def test_a_reply_is_signed_first_of_all_and_belongs_to_its_request() -> None:
    """Against CVE-2024-3596: what an attacker can choose comes after the signature."""
    octets = pap_request("nemo", "arctangent", secret=SECRET)
    reply = SHARED.reply(ACCESS_REJECT, of(octets), tlv(18, "no"))
    assert read(reply, octets, SECRET).attributes[0][0] == SIGNATURE
    other = pap_request("nemo", "arctangent", secret=SECRET)
    with pytest.raises(AssertionError, match="Response Authenticator"):
        read(reply, other, SECRET)


def test_a_receipt_for_accounting_is_not_signed_unless_asked() -> None:
    octets = accounting_request(tlv(40, 1), secret=SECRET)
    reply = SHARED.reply(ACCOUNTING_RESPONSE, of(octets), b"", signed=False)
    assert len(reply) == 20
    assert read(reply, octets, SECRET, signed=False).attributes == ()


@pytest.mark.parametrize("code", [COA_REQUEST, DISCONNECT_REQUEST])
def test_what_we_ask_a_nas_is_what_the_rfc_describes(code: int) -> None:
    body = tlv(1, "nemo") + tlv(44, "0f")
    assert SHARED.request(code, 9, body) == accounting_request(
        body, secret=SECRET, identifier=9, code=code
    )
    room = tlv(SIGNATURE, bytes(16)) + body
    signed = sign(packet(code, 9, bytes(16), room), SECRET)
    assert SHARED.request(code, 9, body, signed=True) == accounting_request(
        signed[20:], secret=SECRET, identifier=9, code=code
    )


def test_the_rfcs_disconnect_request_is_made_octet_for_octet() -> None:
    vector = by_name("rfc5176")["disconnect-request-with-message-authenticator"]
    shared = SharedSecret(vector["secret"].encode())
    assert shared.request(DISCONNECT_REQUEST, 1, b"", signed=True).hex() == vector["request"]


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "not signed"])
def test_of_a_reply_every_octet_counts_and_so_does_its_request(signed: bool) -> None:
    octets = SHARED.request(DISCONNECT_REQUEST, 9, tlv(44, "0f"), signed=True)
    reply = SHARED.reply(42, of(octets), tlv(101, 503), signed=signed)
    read(reply, octets, SECRET, signed=signed)
    asked = octets[4:20]
    assert SHARED.authenticates_reply(of(reply), asked)
    assert SHARED.signs_reply(of(reply), asked) == signed
    other = SHARED.request(DISCONNECT_REQUEST, 9, tlv(44, "10"), signed=True)[4:20]
    assert not SHARED.authenticates_reply(of(reply), other)
    assert not SHARED.signs_reply(of(reply), other)
    values = (*range(22, 38), *range(40, 44)) if signed else range(22, 26)
    for at in (0, 1, *range(4, 20), *values):
        altered = bytearray(reply)
        altered[at] ^= 0x01
        assert not SHARED.authenticates_reply(of(bytes(altered)), asked), f"octet {at}"
        if not 4 <= at < 20:  # the signature covers the request's authenticator instead
            assert not SHARED.signs_reply(of(bytes(altered)), asked), f"octet {at}"


def test_a_secret_does_not_show_itself() -> None:
    assert "xyzzy" not in repr(SHARED)
