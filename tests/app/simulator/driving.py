"""A simulated NAS without a network: what it says is read here, and the server is played here."""

import hmac
from dataclasses import dataclass, field, replace
from hashlib import md5

from app.simulator import coa
from app.simulator.asker import Asker, Kind
from app.simulator.events import Happened
from app.simulator.nas import Nas
from app.simulator.personality import Box, Personality
from app.simulator.session import Session, Subscriber
from core.radius.packet import Packet, parse
from core.radius.types import COA_REQUEST, DISCONNECT_REQUEST
from tests.asking import Answer, packet, pairs, read, signature_at, tlv

SECRET = "simulated-secret"
KEY = SECRET.encode()
NOW = 1_800_000_000.0
ALICE = Subscriber("alice", "wonderland", "02:00:5E:10:00:01", redials=False)
FAST = replace(  # by PAP, because nothing here proves itself by MS-CHAPv2
    ALICE, method="pap", download_bps=100_000_000, upload_bps=100_000_000
)  # fmt: skip


def answer_to(request: bytes, code: int, attributes: bytes = b"", *, signed: bool = True) -> bytes:
    """A reply, written from the RFCs as a server would."""
    if signed:
        attributes = tlv(80, bytes(16)) + attributes
    blank = packet(code, request[1], request[4:20], attributes)
    if signed:
        at = signature_at(blank)
        blank = blank[:at] + hmac.digest(KEY, blank, "md5") + blank[at + 16 :]
    return blank[:4] + md5(blank + KEY).digest() + blank[20:]


@dataclass(slots=True)
class Driven:
    """One NAS, its clock in our hand."""

    nas: Nas
    now: float = NOW
    said: list[Packet] = field(default_factory=list)
    events: list[Happened] = field(default_factory=list)
    askers: dict[Kind, Asker] = field(default_factory=dict)

    def listen(self) -> list[Packet]:
        """What it says now."""
        found = []
        for question in self.nas.take_questions():
            found += [parse(one) for one in self.askers[question.kind].ask(question, self.now)]
        self.said += found
        self.events += self.nas.take_events()
        return found

    def answer(self, request: Packet, code: int, attributes: bytes = b"") -> list[Packet]:
        """Answer it, and hear what it says to that."""
        kind = Kind.LOGIN if request.code == 1 else Kind.RECORD
        reply = answer_to(request.octets, code, attributes, signed=kind is Kind.LOGIN)
        answered, _ = self.askers[kind].receive(reply, self.now)
        assert answered is not None
        self.nas.answered(answered, self.now)
        return self.listen()

    def online(self, accept: bytes = b"", subscriber: Subscriber = FAST) -> Session:
        """A session with this Accept."""
        self.nas.dial(subscriber, self.now)
        [request] = self.listen()
        self.answer(request, 2, accept)
        [session] = [one for one in self.nas.sessions.values() if one.began_s == self.now]
        return session

    def wait(self, seconds: float) -> list[Packet]:
        """Let time pass; what it says meanwhile."""
        self.now += seconds
        self.nas.tick(self.now)
        return self.listen()

    def coa(self, *attributes: bytes, secret: bytes = KEY) -> Answer | None:
        return self._ask(COA_REQUEST, attributes, secret)

    def disconnect(self, *attributes: bytes, secret: bytes = KEY) -> Answer | None:
        return self._ask(DISCONNECT_REQUEST, attributes, secret)

    def _ask(self, code: int, attributes: tuple[bytes, ...], secret: bytes) -> Answer | None:
        blank = packet(code, 9, bytes(16), b"".join(attributes))
        request = blank[:4] + md5(blank + secret).digest() + blank[20:]
        reply = coa.asked(self.nas, request, self.now)
        self.listen()
        return None if reply is None else read(reply, request, KEY, signed=False)


def driven(personality: Personality, box: Box | None = None, *, seed: int = 1) -> Driven:
    nas = Nas(box or Box("bng-1", "192.0.2.1"), personality, SECRET, seed=seed)
    one = Driven(nas)
    one.askers = {
        Kind.LOGIN: Asker(KEY, personality.resend_after_s, personality.login_sends),
        Kind.RECORD: Asker(KEY, personality.resend_after_s, personality.record_sends),
    }
    return one


def told(request: Packet) -> dict[int, bytes]:
    """The first value of each attribute."""
    return dict(reversed(pairs(request.octets[20:])))


def number(value: bytes) -> int:
    return int.from_bytes(value, "big")
