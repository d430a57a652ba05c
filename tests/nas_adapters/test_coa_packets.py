"""Requests of RFC 5176 in octets: pyrad makes the same, and nothing that comes back can hurt."""

from hashlib import md5
from io import StringIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyrad.dictionary import Dictionary as PyradDictionary
from pyrad.packet import CoAPacket

from core.radius.authenticity import SharedSecret
from core.radius.codec import CodecError
from core.radius.packet import Malformed, parse
from dictionaries.loader import load
from nas_adapters.base import Attr, Step, Verb
from nas_adapters.coa_packets import Reply, Sealed, encode, read, seal
from nas_adapters.coa_values import Ignored
from tests.asking import tlv
from tests.nas_adapters.asked import SECRET, ack, is_authentic, nak, reply

DICTIONARY = load()
PYRAD = PyradDictionary(
    StringIO(
        "ATTRIBUTE User-Name 1 string\n"
        "ATTRIBUTE Framed-IP-Address 8 ipaddr\n"
        "ATTRIBUTE Acct-Session-Id 44 string\n"
        "ATTRIBUTE Event-Timestamp 55 date\n"
        "ATTRIBUTE Message-Authenticator 80 octets\n"
        "VENDOR Mikrotik 14988\n"
        "BEGIN-VENDOR Mikrotik\n"
        "ATTRIBUTE Mikrotik-Rate-Limit 8 string\n"
        "END-VENDOR Mikrotik\n"
    )
)
SHARED = SharedSecret(SECRET)
STEP = Step(
    Verb.COA,
    (
        Attr("User-Name", "alice"),
        Attr("Framed-IP-Address", "192.0.2.7"),
        Attr("Acct-Session-Id", "81a00017"),
        Attr("Mikrotik-Rate-Limit", "5M/20M 0/0 0/0 0/0 8"),
    ),
)
NOON_S = 1_800_000_000


def sealed(step: Step = STEP, *, stamped: bool = True, signed: bool = True) -> Sealed:
    return seal(
        SHARED,
        step.verb,
        42,
        encode(DICTIONARY, step),
        event_timestamp_s=NOON_S if stamped else None,
        signed=signed,
    )


@pytest.mark.parametrize("verb", list(Verb))
@pytest.mark.parametrize("stamped", [True, False])
@pytest.mark.parametrize("signed", [True, False])
def test_pyrad_makes_the_same_octets(verb: Verb, stamped: bool, signed: bool) -> None:
    theirs = CoAPacket(
        code={Verb.COA: 43, Verb.DISCONNECT: 40}[verb], id=42, secret=SECRET, dict=PYRAD
    )
    if signed:
        theirs.add_message_authenticator()  # it keeps the order in which they come
    for attr in STEP.attributes:
        theirs.AddAttribute(attr.name, attr.value)
    if stamped:
        theirs.AddAttribute("Event-Timestamp", NOON_S)
    ours = sealed(Step(verb, STEP.attributes), stamped=stamped, signed=signed)
    assert ours.octets == theirs.RequestPacket()
    assert is_authentic(ours.octets, SECRET)


def test_pyrad_believes_what_we_signed() -> None:
    theirs = CoAPacket(packet=sealed().octets, secret=SECRET, dict=PYRAD)
    assert theirs.VerifyCoARequest()
    assert theirs.verify_message_authenticator()
    assert theirs["User-Name"] == ["alice"]
    assert theirs["Event-Timestamp"] == [NOON_S]


def test_the_moment_is_written_in_32_bits_whatever_the_year() -> None:
    octets = seal(SHARED, Verb.COA, 1, b"", event_timestamp_s=2**32 + 5, signed=False).octets
    assert octets[20:] == tlv(55, 5)


def test_a_full_packet_goes_out_and_one_octet_more_does_not() -> None:
    """4096 octets with the two attributes that are added."""
    full = [*[Attr("Class", bytes(253))] * 15, Attr("Class", bytes(225))]
    assert len(sealed(Step(Verb.COA, tuple(full))).octets) == 4096
    full[-1] = Attr("Class", bytes(226))
    with pytest.raises(CodecError, match="more than a packet holds"):
        encode(DICTIONARY, Step(Verb.COA, tuple(full)))


def test_an_answer_is_read_for_its_cause_and_its_message() -> None:
    request = sealed()
    answer = nak(request.octets, 503, tlv(18, b"no "), tlv(18, b"session"))
    found = read(DICTIONARY, request, parse(answer))
    assert isinstance(found, Reply)
    assert (found.is_ack, found.error_cause, found.message) == (False, 503, "no session")


@pytest.mark.parametrize("over", ["request", "zeros"])
def test_an_answer_may_be_signed_as_the_rfc_says_or_as_freeradius_does(over: str) -> None:
    """RFC 5176 §3.4 takes the request's authenticator; FreeRADIUS 3.2.1 zeros, as in requests."""
    request = sealed()
    blank = request.octets[:4] + bytes(16) + request.octets[20:]
    answer = reply(request.octets if over == "request" else blank, 44, signed_with=SECRET)
    answer = (
        answer[:4]
        + md5(answer[:4] + request.octets[4:20] + answer[20:] + SECRET).digest()
        + answer[20:]
    )
    assert isinstance(read(DICTIONARY, request, parse(answer)), Reply)


def test_a_cause_of_another_size_is_none() -> None:
    request = sealed()
    answer = reply(request.octets, 45, tlv(101, b"\x02\x01"))
    found = read(DICTIONARY, request, parse(answer))
    assert isinstance(found, Reply)
    assert found.error_cause is None


@given(st.binary(max_size=200))
def test_whatever_comes_back_is_an_answer_only_if_it_is_proven(rubbish: bytes) -> None:
    request = sealed()
    for datagram in (rubbish, ack(request.octets, rubbish), bytes((44, 42)) + rubbish):
        try:
            packet = parse(datagram)
        except Malformed:
            continue
        found = read(DICTIONARY, request, packet)
        assert isinstance(found, Ignored) or datagram[4:20] == ack(request.octets, rubbish)[4:20]


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_no_octet_of_an_answer_may_change(place: int, change: int) -> None:
    request = sealed()
    answer = bytearray(reply(request.octets, 45, tlv(101, 503), signed_with=SECRET))
    assert isinstance(read(DICTIONARY, request, parse(bytes(answer))), Reply)
    answer[place % len(answer)] ^= change
    try:
        packet = parse(bytes(answer))
    except Malformed:
        return
    if packet.identifier == 42:
        assert isinstance(read(DICTIONARY, request, packet), Ignored)


def test_a_request_shows_neither_the_secret_nor_itself() -> None:
    assert repr(sealed()) == "Sealed(secret=SharedSecret(…))"
