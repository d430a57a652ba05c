"""Fault P3: what the RFCs ask of the ports themselves, clause by clause.

What they ask of the decision (proofs, what an Accept or a Reject may hold) is tried in
tests/aaa/test_access.py, and the framing of attributes in test_packet.py and test_codec.py.
"""

import struct

import pytest

from core.radius.responder import Port, Reply, Source
from core.radius.types import ACCESS_REJECT, MICROSOFT
from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    ACCOUNTING_RESPONSE,
    SIGNATURE,
    STATUS_SERVER,
    access_request,
    accounting_request,
    chap,
    hidden,
    packet,
    pap_request,
    read,
    sign,
    status_server,
    tlv,
    vsa,
)
from tests.core.radius.answering import LENIENT, SECRET, STRANGER, STRICT, Bench

AUTHENTICATOR = bytes(range(16))
NAME = tlv(1, "nemo")
PASSWORD = hidden(b"arctangent", SECRET, AUTHENTICATOR)
LOGIN = pap_request("nemo", "arctangent", secret=SECRET, authenticator=AUTHENTICATOR)
RECORD = accounting_request(tlv(40, 1) + tlv(44, "0f"), secret=SECRET)


def unsigned(*attributes: bytes) -> bytes:
    return packet(ACCESS_REQUEST, 7, AUTHENTICATOR, b"".join(attributes))


# --- RFC 2865 ---------------------------------------------------------------


def test_rfc2865_s3_other_codes_are_silently_discarded_on_the_authentication_port() -> None:
    """Responses among them: answering one makes two servers talk for ever."""
    bench = Bench()
    others = [code for code in range(256) if code not in (ACCESS_REQUEST, STATUS_SERVER)]
    for code in others:
        octets = packet(code, 7, AUTHENTICATOR, NAME + PASSWORD + tlv(SIGNATURE, bytes(16)))
        assert bench.respond(sign(octets, SECRET)) is None, code
        assert bench.respond(accounting_request(NAME, secret=SECRET, code=code)) is None, code
    assert bench.drops() == {"wrong-code": 2 * len(others)}
    assert bench.handler.asked == []


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        pytest.param(LOGIN[:-1], "shorter than its Length", id="Length beyond the datagram"),
        pytest.param(LOGIN[:2] + b"\0\x13" + LOGIN[4:], "", id="Length below 20"),
        pytest.param(LOGIN[:2] + b"\x10\x01" + LOGIN[4:].ljust(4093, b"\0"), "", id="Length 4097"),
        pytest.param(LOGIN[:19], "", id="no whole header"),
        pytest.param(b"", "", id="empty datagram"),
    ],
)
def test_rfc2865_s3_lengths_that_do_not_add_up_are_silently_discarded(
    octets: bytes, why: str
) -> None:
    bench = Bench()
    assert bench.respond(octets) is None
    assert bench.responder.unknown.drops == {"malformed": 1}, why


def test_rfc2865_s3_octets_outside_the_length_are_padding_and_ignored() -> None:
    bench = Bench()
    assert bench.respond(LOGIN + b"padding" * 9) == bench.respond(LOGIN)
    assert len(bench.handler.asked) == 1


def test_rfc2865_s3_the_secret_is_that_of_the_source_address() -> None:
    """Whatever NAS-IP-Address says: that is for the handler."""
    bench = Bench()
    claims = tlv(4, bytes((192, 0, 2, 1)))
    assert bench.respond(pap_request("nemo", "x", claims, secret=SECRET), STRANGER) is None
    assert bench.respond(pap_request("nemo", "x", claims, secret=SECRET), LENIENT) is not None


def test_rfc2865_s3_the_reply_has_the_identifier_and_answers_the_authenticator() -> None:
    for identifier in (0, 1, 255):
        octets = pap_request("nemo", "x", secret=SECRET, identifier=identifier)
        reply = Bench().respond(octets)
        assert reply is not None
        assert read(reply, octets, SECRET).code == ACCESS_ACCEPT


@pytest.mark.parametrize("length", [0, 1])
def test_rfc2865_s5_an_attribute_shorter_than_its_header_is_malformed(length: int) -> None:
    bench = Bench()
    octets = LOGIN[:20] + bytes((18, length)) + LOGIN[20:]
    octets = octets[:2] + struct.pack("!H", len(octets)) + octets[4:]
    # Signed all the same, so that nothing else is wrong with it.
    assert bench.respond(sign(octets, SECRET, at=len(octets) - 16)) is None
    assert bench.responder.unknown.drops == {"malformed": 1}


def test_rfc2865_s5_unknown_attributes_are_ignored() -> None:
    bench = Bench()
    octets = pap_request("nemo", "x", tlv(192, b"?"), tlv(255, b""), tlv(26, b""), secret=SECRET)
    assert bench.respond(octets) is not None


def test_rfc2865_s5_33_proxy_states_come_back_unmodified_and_in_order() -> None:
    states = [b"outer", b"", bytes(253), b"inner", b"outer"]
    attributes = b"".join(tlv(33, state) + tlv(5, n) for n, state in enumerate(states))
    for bench, octets in (
        (
            Bench(reply=Reply(ACCESS_ACCEPT, tlv(18, "hi"))),
            access_request(attributes, secret=SECRET),
        ),
        (
            Bench(reply=Reply(ACCESS_REJECT, tlv(18, "no"))),
            access_request(attributes, secret=SECRET),
        ),
        (Bench(Port.ACCT), accounting_request(attributes, secret=SECRET)),
        (Bench(), status_server(secret=SECRET, attributes=attributes)),
        (Bench(Port.ACCT), status_server(secret=SECRET, attributes=attributes)),
    ):
        reply = bench.respond(octets)
        assert reply is not None
        assert read(reply, octets, SECRET, signed=False).all(33) == states


# --- RFC 2866 ---------------------------------------------------------------


def test_rfc2866_s3_an_accounting_request_is_believed_by_its_authenticator() -> None:
    bench = Bench(Port.ACCT)
    reply = bench.respond(RECORD)
    assert reply is not None
    assert read(reply, RECORD, SECRET, signed=False).code == ACCOUNTING_RESPONSE
    forged = accounting_request(tlv(40, 1), secret=b"another")
    assert bench.respond(forged) is None
    assert bench.drops() == {"bad-authenticator": 1}
    assert len(bench.cache) == 1


def test_rfc2866_s4_1_a_record_that_could_not_be_kept_gets_no_answer() -> None:
    bench = Bench(Port.ACCT)
    bench.handler.reply = None
    assert bench.respond(RECORD) is None
    assert bench.respond(RECORD) is None
    assert len(bench.handler.asked) == 2, "the NAS asks again, and it is tried again"


def test_rfc2866_s5_13_the_receipt_holds_nothing_that_is_not_the_nases() -> None:
    """Accounting-Response: Proxy-State and Vendor-Specific alone."""
    octets = accounting_request(tlv(40, 1) + tlv(33, "p"), secret=SECRET)
    reply = Bench(Port.ACCT).respond(octets)
    assert reply is not None
    assert read(reply, octets, SECRET, signed=False).attributes == ((33, b"p"),)


def test_rfc2866_s3_other_codes_are_silently_discarded_on_the_accounting_port() -> None:
    bench = Bench(Port.ACCT)
    others = [code for code in range(256) if code not in (ACCOUNTING_REQUEST, STATUS_SERVER)]
    for code in others:
        assert bench.respond(accounting_request(NAME, secret=SECRET, code=code)) is None, code
        octets = packet(code, 7, AUTHENTICATOR, NAME + PASSWORD + tlv(SIGNATURE, bytes(16)))
        assert bench.respond(sign(octets, SECRET)) is None, code
    assert bench.drops() == {"wrong-code": 2 * len(others)}
    assert bench.handler.asked == []


# --- RFC 2869, RFC 3579 -----------------------------------------------------


@pytest.mark.parametrize("source", [STRICT, LENIENT], ids=["required", "not required"])
def test_rfc3579_s3_2_a_wrong_signature_is_silently_discarded(source: Source) -> None:
    bench = Bench()
    at = len(LOGIN) - 1
    assert bench.respond(LOGIN[:at] + bytes((LOGIN[at] ^ 1,)), source) is None
    assert bench.drops(source) == {"bad-authenticator": 1}
    assert len(bench.cache) == 0


@pytest.mark.parametrize("source", [STRICT, LENIENT], ids=["required", "not required"])
@pytest.mark.parametrize(
    "signatures",
    [
        pytest.param(tlv(SIGNATURE, bytes(16)) * 2, id="twice"),
        pytest.param(tlv(SIGNATURE, bytes(15)), id="15 octets"),
        pytest.param(tlv(SIGNATURE, bytes(17)), id="17 octets"),
        pytest.param(tlv(SIGNATURE, b""), id="empty"),
    ],
)
def test_rfc3579_s3_2_more_than_one_or_an_ill_sized_signature_is_silently_discarded(
    signatures: bytes, source: Source
) -> None:
    bench = Bench()
    right = sign(packet(ACCESS_REQUEST, 7, AUTHENTICATOR, NAME + PASSWORD + signatures), SECRET)
    assert bench.respond(right, source) is None
    assert bench.responder.unknown.drops == {"malformed": 1}


@pytest.mark.parametrize(
    ("octets", "strict", "lenient"),
    [
        pytest.param(LOGIN, "", "", id="signed"),
        pytest.param(unsigned(NAME, PASSWORD), "no-message-authenticator", "", id="PAP"),
        pytest.param(
            unsigned(NAME, chap(b"x", AUTHENTICATOR)), "no-message-authenticator", "", id="CHAP"
        ),
        pytest.param(unsigned(NAME, tlv(70, bytes(16))), "no-message-authenticator", "", id="ARAP"),
        pytest.param(
            unsigned(NAME, vsa(MICROSOFT, 11, bytes(8)), vsa(MICROSOFT, 1, bytes(50))),
            "no-message-authenticator",
            "",
            id="MS-CHAP (RFC 2548 §2.1.3)",
        ),
        pytest.param(
            unsigned(NAME, vsa(MICROSOFT, 11, bytes(16)), vsa(MICROSOFT, 25, bytes(50))),
            "no-message-authenticator",
            "",
            id="MS-CHAPv2 (RFC 2548 §2.3.2)",
        ),
        pytest.param(
            unsigned(NAME, vsa(MICROSOFT, 11, bytes(16))),
            "no-message-authenticator",
            "no-message-authenticator",
            id="a challenge of MS-CHAP and no response",
        ),
        pytest.param(
            unsigned(NAME, vsa(9, 25, bytes(50))),
            "no-message-authenticator",
            "no-message-authenticator",
            id="another vendor's attribute of that number",
        ),
        pytest.param(
            unsigned(NAME, vsa(MICROSOFT, 25, bytes(50)), tlv(33, "p")),
            "no-message-authenticator",
            "unsigned-proxy-state",
            id="MS-CHAPv2 with Proxy-State (Blast-RADIUS)",
        ),
        pytest.param(
            unsigned(NAME, tlv(79, b"\x02\x01\0\x05\x01")),
            "no-message-authenticator",
            "no-message-authenticator",
            id="EAP (RFC 2869 §5.13, RFC 3579 §3.1)",
        ),
        pytest.param(
            unsigned(NAME, PASSWORD, tlv(79, b"\x02\x01\0\x05\x01")),
            "no-message-authenticator",
            "no-message-authenticator",
            id="EAP beside a password",
        ),
        pytest.param(
            unsigned(NAME),
            "no-message-authenticator",
            "no-message-authenticator",
            id="nothing to prove anything (RFC 3579 §3.3)",
        ),
        pytest.param(
            unsigned(NAME, PASSWORD, tlv(33, "p")),
            "no-message-authenticator",
            "unsigned-proxy-state",
            id="Proxy-State (Blast-RADIUS)",
        ),
    ],
)
def test_rfc3579_s3_2_what_may_come_without_signature(
    octets: bytes, strict: str, lenient: str
) -> None:
    for source, objection in ((STRICT, strict), (LENIENT, lenient)):
        bench = Bench()
        reply = bench.respond(octets, source)
        assert bench.drops(source) == ({objection: 1} if objection else {})
        assert (reply is None) == bool(objection)
        let_in = not objection and octets is not LOGIN
        assert bench.clients[source].counters.unsigned_requests == int(let_in)
        if reply is not None:
            read(reply, octets, SECRET)  # signed, first, whoever asked (fault P8)


# --- Blast-RADIUS (CVE-2024-3596), fault P8 ---------------------------------


def test_blast_radius_every_access_reply_is_signed_first_of_all() -> None:
    for code in (ACCESS_ACCEPT, ACCESS_REJECT, 11):
        bench = Bench(reply=Reply(code, tlv(18, "text") + tlv(24, "state")))
        for source, octets in ((STRICT, LOGIN), (LENIENT, unsigned(NAME, PASSWORD))):
            reply = bench.respond(octets, source)
            assert reply is not None
            assert read(reply, octets, SECRET).attributes[0][0] == SIGNATURE


def test_blast_radius_the_attackers_prefix_is_never_reflected_unsigned() -> None:
    """The collision hides in Proxy-State of an unsigned request; there is no reply to collide."""
    bench = Bench()
    gibberish = b"".join(tlv(33, bytes(n for n in range(200))) for _ in range(3))
    assert bench.respond(unsigned(NAME, PASSWORD, gibberish), LENIENT) is None
    assert len(bench.cache) == 0


# --- RFC 5080 ---------------------------------------------------------------


def test_rfc5080_s2_2_2_a_copy_gets_the_same_reply_for_some_seconds() -> None:
    bench = Bench()
    reply = bench.respond(LOGIN, now=0.0)
    assert bench.respond(LOGIN, now=5.0) == reply
    assert bench.respond(LOGIN, now=9.9) == reply
    bench.respond(LOGIN, now=31.0)
    assert len(bench.handler.asked) == 2, "after 30 s at most it is a new request"


def test_rfc5080_s2_2_2_a_reused_identifier_is_a_new_request() -> None:
    bench = Bench()
    bench.respond(LOGIN)
    other = pap_request("nemo", "x", secret=SECRET)
    reply = bench.respond(other, now=0.1)
    assert reply is not None
    assert read(reply, other, SECRET).code == ACCESS_ACCEPT


def test_rfc5080_s2_2_2_authenticity_comes_before_duplicates() -> None:
    """Even the same source, Identifier and authenticator get no old reply without a signature."""
    bench = Bench()
    assert bench.respond(LOGIN) is not None
    assert bench.respond(unsigned(NAME, PASSWORD)) is None
    tampered = LOGIN.replace(b"nemo", b"nero")
    assert bench.respond(tampered) is None
    assert bench.clients[STRICT].counters.duplicates == 0


# --- RFC 5997 ---------------------------------------------------------------


@pytest.mark.parametrize("source", [STRICT, LENIENT], ids=["required", "not required"])
@pytest.mark.parametrize(("port", "code"), [(Port.AUTH, 2), (Port.ACCT, 5)])
def test_rfc5997_s3_status_server_is_answered_on_both_ports(
    port: Port, code: int, source: Source
) -> None:
    octets = status_server(secret=SECRET)
    reply = Bench(port).respond(octets, source)
    assert reply is not None
    assert read(reply, octets, SECRET, signed=False).code == code


@pytest.mark.parametrize("source", [STRICT, LENIENT], ids=["required", "not required"])
@pytest.mark.parametrize("port", Port)
def test_rfc5997_s3_status_server_must_be_signed(port: Port, source: Source) -> None:
    bench = Bench(port)
    assert bench.respond(packet(STATUS_SERVER, 7, AUTHENTICATOR, NAME), source) is None
    assert bench.respond(status_server(secret=b"another"), source) is None
    # Neither does the digest of an Accounting-Request stand in for it.
    octets = accounting_request(NAME, secret=SECRET, code=STATUS_SERVER)
    assert bench.respond(octets, source) is None
    assert bench.drops(source) == {"bad-authenticator": 3}


def test_rfc5997_s4_2_status_server_is_answered_while_logins_wait() -> None:
    """Its Identifiers are nobody's: neither cached nor taken for a copy of a login."""
    bench = Bench(reply=Reply(ACCESS_REJECT, b"", "password", 1.0))
    assert bench.respond(LOGIN) is None
    octets = status_server(secret=SECRET)
    assert bench.respond(octets) == bench.respond(octets) is not None
    assert len(bench.cache) == 1
    assert bench.respond(LOGIN) is None
    assert bench.clients[STRICT].counters.duplicates == 1


# --- RFC 6929 ---------------------------------------------------------------


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(tlv(241, b""), id="extended without a type"),
        pytest.param(tlv(241, b"\xff?"), id="unknown extended type"),
        pytest.param(tlv(241, b"\x01\x01\x01"), id="TLV shorter than its header"),
        pytest.param(tlv(241, b"\x1a\0\0"), id="extended vendor cut short"),
        pytest.param(tlv(245, b"\x01"), id="long-extended without flags"),
        pytest.param(tlv(245, b"\x01\x80x"), id="more to come that does not come"),
        pytest.param(tlv(246, b"\x01\x7fx"), id="reserved flags"),
    ],
)
def test_rfc6929_s2_8_an_invalid_extended_attribute_is_unknown_and_spoils_nothing(
    attributes: bytes,
) -> None:
    bench = Bench()
    octets = pap_request("nemo", "x", attributes, secret=SECRET)
    assert bench.respond(octets) is not None
