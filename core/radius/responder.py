"""From a datagram to the octets of its answer, for one listening socket.

The order is the point: who sent it, is it for this port, is it authentic, and *only then*
has it been seen before (RFC 5080 §2.2.2).  Whatever fails on the way is dropped in
silence and counted; nothing is allocated for a sender that is not ours.  What to answer
is the handler's business.

Sans-IO: no socket, no clock.  ``now`` is in seconds of a monotonic clock.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from core.radius.clients import Client, Clients
from core.radius.complaints import Complaints
from core.radius.counters import Counters
from core.radius.dedup import FRESH, PENDING, DuplicateCache, RequestKey
from core.radius.packet import Malformed, Packet, attribute, parse
from core.radius.types import (
    ACCESS_ACCEPT,
    ACCESS_CHALLENGE,
    ACCESS_REJECT,
    ACCESS_REQUEST,
    ACCOUNTING_REQUEST,
    ACCOUNTING_RESPONSE,
    ARAP_PASSWORD,
    CHAP_PASSWORD,
    EAP_MESSAGE,
    MICROSOFT,
    MS_CHAP2_RESPONSE,
    MS_CHAP_RESPONSE,
    PACKET_LENGTH_MAX,
    PROXY_STATE,
    STATUS_SERVER,
    USER_PASSWORD,
)

# Address in text, port, and what the socket needs to answer there; compared whole, so that
# copies are those that came the same way (RFC 5080 §2.2.2).
Source = tuple[str, int, bytes]


class Port(Enum):
    """The two listening ports of RADIUS: each has its own request and Status-Server answer."""

    AUTH = "auth"
    ACCT = "acct"


@dataclass(slots=True)
class Reply:
    """What a handler wants said.  `reason` is for the counters of rejects."""

    code: int
    attributes: bytes = b""
    reason: str = ""
    delay_s: float = 0.0


class Later:
    """A request whose answer waits for something, such as a disk.

    Its handler makes one, hands it over, and whoever learns the outcome gives it to
    `Responder.complete` or `Responder.abandon`, once.
    """

    __slots__ = ("client", "packet", "since", "source")

    def __init__(self, packet: Packet, client: Client, source: Source, since: float) -> None:
        self.packet = packet
        self.client = client
        self.source = source
        self.since = since


class Handler(Protocol):
    def handle(
        self, packet: Packet, client: Client, source: Source, now: float
    ) -> Reply | Later | None:
        """Decide one authentic, fresh request.

        None is silence, and a copy is decided again; `Later` is silence for now, and copies
        are dropped until it is completed or abandoned.
        """
        ...


@dataclass(slots=True)
class _Delayed:
    due: float
    octets: bytes
    source: Source
    key: RequestKey
    authenticator: bytes


class Responder:
    """Answers the datagrams of one socket."""

    def __init__(
        self,
        port: Port,
        handler: Handler,
        duplicates: DuplicateCache,
        *,
        clients: Clients | None = None,
        complaints: Complaints | None = None,
        delayed_max: int = 65_536,
        later_max: int = 65_536,
    ) -> None:
        self.clients = clients or Clients()
        self.unknown = Counters()  # what came from nobody we know
        self.complaints = Complaints() if complaints is None else complaints
        self.served: Client | None = None  # whose request `respond` dealt with to its end
        self.later = 0  # how many wait for `complete` or `abandon`
        self._request_code = ACCESS_REQUEST if port is Port.AUTH else ACCOUNTING_REQUEST
        self._status_code = ACCESS_ACCEPT if port is Port.AUTH else ACCOUNTING_RESPONSE
        self._handler = handler
        self._duplicates = duplicates
        self._delayed: deque[_Delayed] = deque()
        self._delayed_max = delayed_max
        self._later_max = later_max

    def respond(self, datagram: bytes, source: Source, now: float) -> bytes | None:
        """The octets to send back at once, or None: nothing, or not yet (see `due`)."""
        self.served = None
        boxes = self.clients.at(source[0])
        if boxes is None:
            self._drop_unknown("unknown-client", source)
            return None
        try:
            packet = parse(datagram)
        except Malformed:
            self._drop_unknown("malformed", source)
            return None
        client = boxes.sender(packet)
        if client is None:  # one of several boxes at this address, but none that we know
            self._drop_unknown("unknown-client", source)
            return None
        self.served = client
        counters = client.counters
        code = packet.code
        if code == self._request_code:
            counters.requests += 1
            objection = self._objection(packet, client)
        elif code == STATUS_SERVER:
            if client.secret.signs(packet):
                counters.status_servers += 1
                return self._sealed(packet, client, Reply(self._status_code))
            objection = "bad-authenticator"
        else:
            objection = "wrong-code"  # a response code, or a request for another port
        if objection:
            counters.drop(objection)
            self.complaints.note(objection, source[0], client.id, client.name)
            return None
        return self._decide(packet, client, source, now)

    def is_known(self, host: str) -> bool:
        """Whether anybody may ask from there at all."""
        return self.clients.at(host) is not None

    def shed(self, host: str, count: int) -> None:
        """So many datagrams of a known host were dropped unread, because others want a turn."""
        boxes = self.clients.at(host)
        client = None if boxes is None else boxes.only
        if client is None:  # one of several boxes; which one, nobody looked
            self.unknown.drop("overload", count)
            self.complaints.note("overload", host, count=count)
        else:
            client.counters.drop("overload", count)
            self.complaints.note("overload", host, client.id, client.name, count)

    def _drop_unknown(self, reason: str, source: Source) -> None:
        self.unknown.drop(reason)
        self.complaints.note(reason, source[0])

    def _objection(self, packet: Packet, client: Client) -> str:
        """Why this request cannot be believed, or an empty string."""
        if packet.code == ACCOUNTING_REQUEST:
            return "" if client.secret.authenticates(packet) else "bad-authenticator"
        if packet.message_authenticator_at:
            return "" if client.secret.signs(packet) else "bad-authenticator"
        if client.require_message_authenticator or packet.has(EAP_MESSAGE):
            return "no-message-authenticator"
        if packet.has(PROXY_STATE):
            return "unsigned-proxy-state"  # what a Blast-RADIUS forgery looks like (CVE-2024-3596)
        if not (
            packet.has(USER_PASSWORD)
            or packet.has(CHAP_PASSWORD)
            or packet.has(ARAP_PASSWORD)
            # The responses of RFC 2548 prove no less, and old boxes send them just as bare.
            or packet.vendor(MICROSOFT, MS_CHAP2_RESPONSE) is not None
            or packet.vendor(MICROSOFT, MS_CHAP_RESPONSE) is not None
        ):
            return "no-message-authenticator"  # RFC 3579 §3.3: nothing in it proves anything
        client.counters.unsigned_requests += 1
        return ""

    def _decide(self, packet: Packet, client: Client, source: Source, now: float) -> bytes | None:
        key = (source, packet.identifier)
        authenticator = packet.authenticator
        seen = self._duplicates.admit(key, authenticator, now)
        if seen is not FRESH:
            client.counters.duplicates += 1
            if seen is PENDING:
                return None
            assert isinstance(seen, bytes)
            return seen
        if self.later >= self._later_max:  # asked before the handler does what cannot be undone
            client.counters.drop("busy")
            self._duplicates.forget(key, authenticator)
            return None
        try:
            reply = self._handler.handle(packet, client, source, now)
            if isinstance(reply, Later):
                self.later += 1
                self.served = None  # its latency is not known yet
                return None
            octets = None if reply is None else self._sealed(packet, client, reply)
        except BaseException:
            self._duplicates.forget(key, authenticator)
            raise
        if reply is None or octets is None:
            self._duplicates.forget(key, authenticator)
            return None
        if reply.delay_s > 0.0:
            self._delayed.append(_Delayed(now + reply.delay_s, octets, source, key, authenticator))
            return None
        self._duplicates.answered(key, authenticator, octets)
        return octets

    def complete(self, later: Later, reply: Reply) -> bytes | None:
        """The octets for `later.source`, kept for copies of the request from now on."""
        self.later -= 1
        octets = self._sealed(later.packet, later.client, reply)
        key, authenticator = (later.source, later.packet.identifier), later.packet.authenticator
        if octets is None:
            self._duplicates.forget(key, authenticator)
        else:
            self._duplicates.answered(key, authenticator, octets)
        return octets

    def abandon(self, later: Later) -> None:
        """There will be no answer: the next copy is decided afresh."""
        self.later -= 1
        self._duplicates.forget((later.source, later.packet.identifier), later.packet.authenticator)

    def _sealed(self, packet: Packet, client: Client, reply: Reply) -> bytes | None:
        attributes = reply.attributes
        if PROXY_STATE in packet.first:
            # All of them, unchanged and in their order (RFC 2865 §5.33).
            for state in packet.all(PROXY_STATE):
                attributes += attribute(PROXY_STATE, state)
        if len(attributes) > PACKET_LENGTH_MAX - 38:
            client.counters.drop("reply-too-long")
            return None
        counters = client.counters
        code = reply.code
        if code == ACCESS_ACCEPT:
            if packet.code == ACCESS_REQUEST:
                counters.accepts += 1
        elif code == ACCESS_REJECT:
            counters.reject(reply.reason)
        elif code == ACCESS_CHALLENGE:
            counters.challenges += 1
        elif code == ACCOUNTING_RESPONSE and packet.code == ACCOUNTING_REQUEST:
            counters.accounting_responses += 1
        # RFC 2866 knows no Message-Authenticator in an Accounting-Response.
        return client.secret.reply(
            code, packet, attributes, signed=packet.code != ACCOUNTING_REQUEST
        )

    @property
    def next_due(self) -> float | None:
        """When the next delayed reply is to leave."""
        return self._delayed[0].due if self._delayed else None

    def due(self, now: float) -> list[tuple[bytes, Source]]:
        """The delayed replies whose time has come.  All are delayed alike, so the oldest is first;
        when too many wait, the oldest leave early rather than not at all."""
        ready: list[tuple[bytes, Source]] = []
        waiting = self._delayed
        while waiting and (waiting[0].due <= now or len(waiting) > self._delayed_max):
            reply = waiting.popleft()
            self._duplicates.answered(reply.key, reply.authenticator, reply.octets)
            ready.append((reply.octets, reply.source))
        return ready
