"""Answers that wait for something else: one decision, silence meanwhile, then the same octets."""

from ipaddress import ip_network

from core.radius.authenticity import SharedSecret
from core.radius.clients import Client, Clients
from core.radius.counters import Counters
from core.radius.dedup import DuplicateCache
from core.radius.packet import Packet
from core.radius.responder import Later, Port, Reply, Responder, Source
from core.radius.types import ACCOUNTING_RESPONSE, PACKET_LENGTH_MAX
from tests.asking import accounting_request, read, status_server, tlv

SECRET = b"xyzzy5461"
NAS: Source = ("192.0.2.1", 40_000, b"")
START = accounting_request(tlv(40, 1) + tlv(33, b"a") + tlv(33, b"b"), secret=SECRET)
STORED = Reply(ACCOUNTING_RESPONSE)


class Deferring:
    """Puts every request off."""

    def __init__(self) -> None:
        self.laters: list[Later] = []

    def handle(self, packet: Packet, client: Client, source: Source, now: float) -> Later:
        self.laters.append(Later(packet, client, source, now))
        return self.laters[-1]


class Bench:
    def __init__(self, later_max: int = 100) -> None:
        self.counters = Counters()
        self.handler = Deferring()
        self.cache = DuplicateCache()
        client = Client(1, "nas", SharedSecret(SECRET), True, self.counters)
        self.responder = Responder(
            Port.ACCT,
            self.handler,
            self.cache,
            clients=Clients([(ip_network(NAS[0]), b"", client)]),
            later_max=later_max,
        )

    def respond(self, datagram: bytes, now: float = 0.0) -> bytes | None:
        return self.responder.respond(datagram, NAS, now)


def test_copies_of_a_request_put_off_are_dropped_and_then_get_the_very_same_octets() -> None:
    bench = Bench()
    assert [bench.respond(START, now=n / 10) for n in range(20)] == [None] * 20
    [later] = bench.handler.laters
    assert (later.source, later.since, bench.responder.later) == (NAS, 0.0, 1)
    octets = bench.responder.complete(later, STORED)
    assert octets is not None
    reply = read(octets, START, SECRET, signed=False)
    assert (reply.code, reply.all(33)) == (ACCOUNTING_RESPONSE, [b"a", b"b"])
    assert {bench.respond(START, now=3.0) for _ in range(20)} == {octets}
    assert len(bench.handler.laters) == 1
    counters = bench.counters
    assert (counters.requests, counters.duplicates) == (40, 39)
    assert (counters.accounting_responses, bench.responder.later) == (1, 0)


def test_an_abandoned_request_is_decided_afresh_when_it_comes_again() -> None:
    bench = Bench()
    bench.respond(START)
    bench.responder.abandon(bench.handler.laters[0])
    assert (bench.responder.later, len(bench.cache)) == (0, 0)
    assert bench.respond(START, now=1.0) is None
    assert len(bench.handler.laters) == 2
    assert bench.responder.complete(bench.handler.laters[1], STORED) is not None


def test_an_answer_that_comes_too_late_does_not_leak_into_the_next_request() -> None:
    bench = Bench()
    bench.respond(START)
    another = accounting_request(tlv(40, 2), secret=SECRET)  # the same Identifier
    bench.respond(another)
    first, second = bench.handler.laters
    octets = bench.responder.complete(first, STORED)
    assert octets is not None
    assert read(octets, START, SECRET, signed=False).code == ACCOUNTING_RESPONSE
    assert bench.respond(another) is None, "still to be decided"
    answer = bench.responder.complete(second, STORED)
    assert answer is not None
    assert bench.respond(another) == answer


def test_abandoning_a_request_leaves_the_next_one_of_its_identifier_alone() -> None:
    bench = Bench()
    bench.respond(START)
    another = accounting_request(tlv(40, 2), secret=SECRET)
    bench.respond(another)
    bench.responder.abandon(bench.handler.laters[0])
    assert bench.respond(another) is None
    assert len(bench.handler.laters) == 2


def test_when_too_many_wait_the_next_is_dropped_before_anything_is_done_about_it() -> None:
    bench = Bench(later_max=2)
    requests = [accounting_request(b"", secret=SECRET, identifier=n) for n in range(3)]
    for request in requests:
        bench.respond(request)
    assert len(bench.handler.laters) == 2
    assert bench.counters.drops == {"busy": 1}
    assert bench.respond(status_server(secret=SECRET, identifier=9)) is not None
    bench.responder.complete(bench.handler.laters[0], STORED)
    bench.respond(requests[2])
    assert len(bench.handler.laters) == 3, "and not taken for a duplicate"


def test_how_long_it_took_is_known_when_it_is_over() -> None:
    bench = Bench()
    bench.respond(START)
    assert bench.responder.served is None
    bench.responder.complete(bench.handler.laters[0], STORED)
    bench.respond(START)
    assert bench.responder.served is not None, "a copy answered from memory"


def test_a_reply_that_grew_too_long_is_not_sent_and_not_remembered() -> None:
    bench = Bench()
    states = b"".join(tlv(33, bytes(253)) for _ in range(15))
    request = accounting_request(states, secret=SECRET)
    bench.respond(request)
    long = Reply(ACCOUNTING_RESPONSE, bytes(PACKET_LENGTH_MAX - len(states) - 37))
    assert bench.responder.complete(bench.handler.laters[0], long) is None
    assert bench.counters.drops == {"reply-too-long": 1}
    assert (bench.responder.later, len(bench.cache)) == (0, 0)
