"""Questions on their way from one socket of a NAS: identifiers, repetitions, answers.

A question that nobody answers is sent again: byte for byte, or as a new packet with a
longer Acct-Delay-Time, as the make does it (RFC 2866 §5.2).  After some sends it is given
up.  At most 256 are on their way (RFC 2865 §3); the rest waits its turn.

Sans-IO: no socket, and `now` is an argument, in seconds of any monotonic clock.
"""

import hmac
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import md5
from typing import Final

from app.simulator import wire
from core.radius.authenticity import SharedSecret
from core.radius.packet import Malformed, Packet, parse
from core.radius.types import (
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    MESSAGE_AUTHENTICATOR,
)

IDENTIFIERS: Final = 256
_HEAD: Final = 20
_SIGNATURE: Final = bytes((MESSAGE_AUTHENTICATOR, 18))


class Kind(StrEnum):
    """Which of the server's two ports is asked."""

    LOGIN = "login"
    RECORD = "record"


@dataclass(slots=True, eq=False)
class Question:
    """What is to be asked.  `about` is the asker's own affair and comes back with the answer."""

    kind: Kind
    attributes: bytes
    about: object
    authenticator: bytes = b""  # of a login
    signed: bool = False
    demands_signature: bool = False
    delay_times: bool = False
    asked_s: float = 0.0
    sends: int = 0
    packet: bytes = b""
    again_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply that is authentic, and how long it took from the first send on."""

    question: Question
    reply: Packet
    took_s: float


@dataclass(slots=True)
class Asker:
    """One socket."""

    secret: bytes
    resend_after_s: float
    sends_max: int
    unbelieved: int = 0  # replies with a bad authenticator, or too late, or to nobody
    _shared: SharedSecret = field(init=False)
    _pending: dict[int, Question] = field(default_factory=dict)  # in the order of `again_s`
    _waiting: deque[Question] = field(default_factory=deque)
    _next: int = 0

    def __post_init__(self) -> None:
        self._shared = SharedSecret(self.secret)

    @property
    def pending(self) -> int:
        """Questions on their way or waiting for it."""
        return len(self._pending) + len(self._waiting)

    def ask(self, question: Question, now: float) -> list[bytes]:
        """What to send now, if an identifier is free."""
        self._waiting.append(question)
        return self._begin(now)

    def receive(self, datagram: bytes, now: float) -> tuple[Answered | None, list[bytes]]:
        """The answer that this datagram is, and what may be sent now that it came."""
        try:
            reply = parse(datagram)
        except Malformed:
            self.unbelieved += 1
            return None, []
        question = self._pending.get(reply.identifier)
        if question is None or not self._is_authentic(reply, question):
            self.unbelieved += 1
            return None, []
        del self._pending[reply.identifier]
        return Answered(question, reply, now - question.asked_s), self._begin(now)

    def due_s(self) -> float | None:
        """When `tick` has something to do."""
        # Each waits as long as the others, so the first to be sent is the first to be due.
        return next((one.again_s for one in self._pending.values()), None)

    def tick(self, now: float) -> tuple[list[bytes], list[Question]]:
        """What to send again, and what is given up."""
        sent: list[bytes] = []
        given_up: list[Question] = []
        due_s = self.due_s()
        if due_s is None or due_s > now:
            return self._begin(now), given_up
        for identifier, question in list(self._pending.items()):
            if question.again_s > now:
                break
            del self._pending[identifier]
            if question.sends >= self.sends_max:
                given_up.append(question)
            elif question.delay_times:  # what it says has changed, so it is another packet
                sent.append(self._send(question, now))
            else:
                self._pending[identifier] = question  # the last one now
                question.sends += 1
                question.again_s = now + self.resend_after_s
                sent.append(question.packet)
        return sent + self._begin(now), given_up

    def _begin(self, now: float) -> list[bytes]:
        sent = []
        while self._waiting and len(self._pending) < IDENTIFIERS:
            question = self._waiting.popleft()
            question.asked_s = now
            sent.append(self._send(question, now))
        return sent

    def _send(self, question: Question, now: float) -> bytes:
        while self._next in self._pending:
            self._next = (self._next + 1) % IDENTIFIERS
        identifier, self._next = self._next, (self._next + 1) % IDENTIFIERS
        self._pending[identifier] = question
        question.sends += 1
        question.again_s = now + self.resend_after_s
        attributes = question.attributes
        if question.delay_times:
            attributes += wire.number(wire.ACCT_DELAY_TIME, int(now - question.asked_s))
        if question.kind is Kind.RECORD:
            question.packet = self._shared.request(ACCOUNTING_REQUEST, identifier, attributes)
        else:
            question.packet = self._login(identifier, question, attributes)
        return question.packet

    def _login(self, identifier: int, question: Question, attributes: bytes) -> bytes:
        if question.signed:
            attributes = _SIGNATURE + bytes(16) + attributes
        length = (_HEAD + len(attributes)).to_bytes(2, "big")
        packet = bytes((ACCESS_REQUEST, identifier)) + length + question.authenticator + attributes
        if not question.signed:
            return packet
        at = _HEAD + 2
        return packet[:at] + hmac.digest(self.secret, packet, "md5") + packet[at + 16 :]

    def _is_authentic(self, reply: Packet, question: Question) -> bool:
        """RFC 2865 §3; and the Message-Authenticator if there is one, or has to be."""
        request, octets = question.packet[4:_HEAD], reply.octets
        expected = md5(  # noqa: S324 - RFC 2865 §3
            octets[:4] + request + octets[_HEAD:] + self.secret
        ).digest()
        if not hmac.compare_digest(expected, octets[4:_HEAD]):
            return False
        at = reply.message_authenticator_at
        if not at:
            return not question.demands_signature
        unsigned = octets[:4] + request + octets[_HEAD:at] + bytes(16) + octets[at + 16 :]
        return hmac.compare_digest(hmac.digest(self.secret, unsigned, "md5"), octets[at : at + 16])
