"""The same packets to FreeRADIUS and to us: the answers differ only where this table says why.

Debian 12's FreeRADIUS 3.2.1 predates Blast-RADIUS, so about Message-Authenticators in replies
and about Proxy-State it is no reference.
"""

import select
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

import pytest

from bench.packets import mschapv2
from bench.population import Subscriber
from tests.asking import (
    SIGNATURE,
    Answer,
    Nas,
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
from tests.peers.freeradius import freeradius
from tests.peers.programs import needs
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = [pytest.mark.peer, pytest.mark.slow]

STRICT, LENIENT, STRANGER = "127.0.0.1", "127.0.0.7", "127.0.0.99"
KEY = SECRET.encode()
AUTHENTICATOR = bytes(range(16))
CHALLENGE = b"sixteen octets.."
LONG = "long-" + "x" * 123
USERS = {"alice": PASSWORD, "long": LONG, "zoë": "pässwörd"}
NAME = tlv(1, "alice")
PAP = hidden(PASSWORD.encode(), KEY, AUTHENTICATOR)
WRONG_PAP = hidden(b"wrong", KEY, AUTHENTICATOR)
CHAP = chap(PASSWORD.encode(), AUTHENTICATOR)
IDENTITY = tlv(79, b"\x02\x01\x00\x0a\x01alice")
BLANK = tlv(SIGNATURE, bytes(16))
LOGIN = pap_request("alice", PASSWORD, secret=KEY)
FLAWED = LOGIN[:20] + bytes((18, 0)) + LOGIN[20:]


def signed(*attributes: bytes) -> bytes:
    return access_request(b"".join(attributes), secret=KEY, authenticator=AUTHENTICATOR)


def unsigned(*attributes: bytes) -> bytes:
    return access_request(
        b"".join(attributes), secret=KEY, authenticator=AUTHENTICATOR, signed=False
    )


def response(password: str) -> bytes:
    return mschapv2(Subscriber(0, "alice", password), KEY, AUTHENTICATOR, Random(1))


def ms(password: str) -> bytes:
    return signed(NAME, response(password))


@dataclass(frozen=True, slots=True)
class Case:
    """`theirs` is None where they answer as we do; else `because` says why not."""

    octets: bytes
    ours: str  # accept | reject | challenge | silence | receipt
    theirs: str | None = None
    because: str = ""
    source: str = STRICT
    port: str = "auth"


CASES: Mapping[str, Case] = {
    "PAP": Case(LOGIN, "accept"),
    "PAP, wrong": Case(pap_request("alice", "wrong", secret=KEY), "reject"),
    "PAP, unknown name": Case(pap_request("nobody", PASSWORD, secret=KEY), "reject"),
    "PAP, 128 octets": Case(pap_request("long", LONG, secret=KEY), "accept"),
    "PAP, 127 of 128 octets": Case(pap_request("long", LONG[:-1], secret=KEY), "reject"),
    "PAP, UTF-8": Case(pap_request("zoë", "pässwörd", secret=KEY), "accept"),
    "PAP, Latin-1": Case(pap_request("zoë", b"p\xe4ssw\xf6rd", secret=KEY), "reject"),
    "name in capitals": Case(pap_request("ALICE", PASSWORD, secret=KEY), "reject"),
    "name with a NUL": Case(pap_request(b"alice\0x", PASSWORD, secret=KEY), "reject",
        theirs="accept",
        because="it looks the name up as a C string and takes this one for alice",
    ),
    "name with a space": Case(pap_request("alice ", PASSWORD, secret=KEY), "reject"),
    "no name": Case(signed(PAP), "reject"),
    "CHAP by authenticator": Case(signed(NAME, CHAP), "accept"),
    "CHAP by challenge": Case(
        signed(NAME, tlv(60, CHALLENGE), chap(PASSWORD.encode(), CHALLENGE)), "accept"
    ),
    "CHAP, wrong": Case(signed(NAME, chap(b"wrong", AUTHENTICATOR)), "reject"),
    "MS-CHAPv2": Case(ms(PASSWORD), "accept"),
    "MS-CHAPv2, wrong": Case(ms("wrong"), "reject"),
    "no proof": Case(signed(NAME), "reject"),
    "right PAP, right CHAP": Case(signed(NAME, PAP, CHAP), "reject",
        theirs="accept",
        because="RFC 2865 §4.1 forbids two proofs; it looks at CHAP alone",
    ),
    "wrong PAP, right CHAP": Case(signed(NAME, WRONG_PAP, CHAP), "reject",
        theirs="accept",
        because="the same: the wrong password is not looked at",
    ),
    "PAP of 15 octets": Case(signed(NAME, tlv(2, bytes(15))), "reject"),
    "CHAP of 16 octets": Case(signed(NAME, tlv(3, bytes(16))), "reject"),
    "EAP, identity": Case(signed(NAME, IDENTITY), "challenge"),
    "EAP, empty": Case(signed(NAME, tlv(79, b"")), "challenge"),
    "EAP, unsigned": Case(unsigned(NAME, IDENTITY), "silence", source=LENIENT),
    "EAP beside PAP": Case(signed(NAME, PAP, IDENTITY), "reject",
        theirs="silence",
        because="RFC 3579 §3.3 forbids the packet and names no answer",
    ),
    "PAP, unsigned where it must be": Case(unsigned(NAME, PAP), "silence"),
    "PAP, unsigned where it may be": Case(unsigned(NAME, PAP), "accept", source=LENIENT),
    "MS-CHAPv2, unsigned where it may be": Case(
        unsigned(NAME, response(PASSWORD)), "accept", source=LENIENT
    ),
    "no proof, unsigned": Case(unsigned(NAME), "silence", source=LENIENT,
        theirs="reject",
        because="RFC 3579 §3.3: SHOULD be silently discarded, since nothing proves it",
    ),
    "Proxy-State, unsigned": Case(
        unsigned(NAME, PAP, tlv(33, "p")), "silence", source=LENIENT,
        theirs="accept",
        because="what a Blast-RADIUS forgery looks like; 3.2.1 does not know of it",
    ),
    "Proxy-State": Case(signed(NAME, PAP, tlv(33, "p"), tlv(33, "q")), "accept"),
    "wrong signature": Case(LOGIN[:-1] + bytes((LOGIN[-1] ^ 1,)), "silence"),
    "wrong signature where none is asked": Case(
        LOGIN[:-1] + bytes((LOGIN[-1] ^ 1,)), "silence", source=LENIENT
    ),
    "two signatures": Case(
        sign(packet(1, 7, AUTHENTICATOR, NAME + PAP + BLANK + BLANK), KEY), "silence"
    ),
    "short signature": Case(
        packet(1, 7, AUTHENTICATOR, NAME + PAP + tlv(SIGNATURE, bytes(15))), "silence"
    ),
    "wrong secret": Case(pap_request("alice", PASSWORD, secret=b"guess"), "silence"),
    "wrong secret, unsigned": Case(
        pap_request("alice", PASSWORD, secret=b"guess", signed=False), "reject", source=LENIENT
    ),
    "unknown NAS": Case(LOGIN, "silence", source=STRANGER),
    "Access-Accept as a question": Case(sign(b"\2" + LOGIN[1:], KEY), "silence"),
    "Accounting-Request on this port": Case(
        accounting_request(tlv(40, 1) + tlv(44, "1"), secret=KEY), "silence"
    ),
    "CoA-Request on this port": Case(accounting_request(NAME, secret=KEY, code=43), "silence"),
    "Access-Request on the other port": Case(LOGIN, "silence", port="acct"),
    "wrong accounting authenticator": Case(
        accounting_request(tlv(40, 1) + tlv(44, "1"), secret=b"guess"), "silence", port="acct"
    ),
    "Status-Server": Case(status_server(secret=KEY), "accept"),
    "Status-Server, accounting": Case(status_server(secret=KEY), "receipt", port="acct"),
    "Status-Server, unsigned": Case(packet(12, 7, AUTHENTICATOR, b""), "silence"),
    "Status-Server, wrong secret": Case(status_server(secret=b"guess"), "silence"),
    "Length beyond the datagram": Case(LOGIN[:-1], "silence"),
    "Length of 19": Case(LOGIN[:2] + b"\0\x13" + LOGIN[4:], "silence"),
    "padding": Case(LOGIN + b"padding", "accept"),
    "attribute of length 0": Case(
        sign(FLAWED[:2] + len(FLAWED).to_bytes(2, "big") + FLAWED[4:], KEY, len(FLAWED) - 16),
        "silence",
    ),
    "unknown attribute": Case(signed(NAME, PAP, tlv(192, b"?")), "accept"),
    "vendor attribute of nobody": Case(signed(NAME, PAP, vsa(99_999, 1, b"?")), "accept"),
    "vendor attribute cut short": Case(
        signed(NAME, PAP, tlv(26, b"\0\0\1\x37\x0b\x09x")), "accept"
    ),
    "extended attribute of length 0": Case(signed(NAME, PAP, tlv(241, b"\1\1\1")), "accept"),
    "more to come that does not come": Case(signed(NAME, PAP, tlv(245, b"\1\x80x")), "accept"),
    "wrong size for its type": Case(signed(NAME, PAP, tlv(5, b"12345")), "accept"),
}  # fmt: skip

SAID = {2: "accept", 3: "reject", 5: "receipt", 11: "challenge"}
SILENT_AFTER_S = 1.5


@dataclass(slots=True)
class Server:
    """Where one of the two listens, and what it answered to each case."""

    ports: Mapping[str, tuple[str, int]]
    answers: dict[str, Answer | None] = field(default_factory=dict)

    def said(self, name: str) -> str:
        answer = self.answers[name]
        return "silence" if answer is None else SAID[answer.code]

    def ask(self, *, signed: bool) -> None:
        """All cases at once, each from a socket of its own; what is late is silence."""
        asked = {}
        for name, case in CASES.items():
            nas = Nas(self.ports[case.port], case.source)
            nas.send(case.octets)
            asked[nas.sock.fileno()] = (name, nas)
            self.answers[name] = None
        until = time.monotonic() + SILENT_AFTER_S
        while (left_s := until - time.monotonic()) > 0:
            for descriptor in select.select(list(asked), [], [], left_s)[0]:
                name, nas = asked[descriptor]
                octets = nas.sock.recv(65_536)
                self.answers[name] = read(octets, CASES[name].octets, KEY, signed=signed)
        for _, nas in asked.values():
            nas.sock.close()


@pytest.fixture(scope="module")
def ours(isp: Turnpike) -> Server:
    subscribers = [
        {"username": name, "password": password, "plan": "home"} for name, password in USERS.items()
    ]
    isp.apply({"tenant": "test-isp", "subscriber": subscribers})
    server = Server({"auth": isp.auth, "acct": isp.acct})
    server.ask(signed=False)
    return server


@pytest.fixture(scope="module")
def theirs() -> Iterator[Server]:
    with freeradius(needs("freeradius"), SECRET, USERS) as running:
        server = Server({"auth": running.auth, "acct": running.acct})
        server.ask(signed=False)
        yield server


@pytest.mark.parametrize("name", CASES)
def test_we_answer_as_freeradius_does_or_say_why(name: str, ours: Server, theirs: Server) -> None:
    case = CASES[name]
    assert ours.said(name) == case.ours
    assert theirs.said(name) == (case.theirs or case.ours), case.because
    assert bool(case.because) == (case.theirs is not None)


def test_ms_chap_says_the_same_octets_to_prove_the_server(ours: Server, theirs: Server) -> None:
    """MS-CHAP2-Success and the sizes of the keys; their salts and ciphers differ every time."""
    told = []
    for server in (ours, theirs):
        answer = server.answers["MS-CHAPv2"]
        assert answer is not None
        found = dict(answer.of_vendor(311))
        told.append((found[26], found[7], found[8], len(found[16]), len(found[17])))
    assert told[0] == told[1]


def test_proxy_states_come_back_alike(ours: Server, theirs: Server) -> None:
    for server in (ours, theirs):
        answer = server.answers["Proxy-State"]
        assert answer is not None
        assert answer.all(33) == [b"p", b"q"]


def test_only_we_sign_every_reply_first_of_all(ours: Server) -> None:
    for name, answer in ours.answers.items():
        if answer is not None:
            assert answer.attributes[0][0] == SIGNATURE, name
