"""One port's answers: in which order a datagram is judged, and what is kept and counted."""

import time
from dataclasses import replace
from ipaddress import ip_network

import pytest

from core.radius.clients import Clients
from core.radius.complaints import Complaint
from core.radius.responder import Port, Reply
from core.radius.types import ACCESS_CHALLENGE, ACCESS_REJECT, PACKET_LENGTH_MAX
from tests.asking import (
    ACCESS_ACCEPT,
    access_request,
    accounting_request,
    pairs,
    pap_request,
    read,
    status_server,
    tlv,
)
from tests.core.radius.answering import LENIENT, SECRET, STRANGER, STRICT, Bench

LOGIN = pap_request("nemo", "arctangent", secret=SECRET)
REJECT = Reply(ACCESS_REJECT, tlv(18, "no"), "password", delay_s=1.0)


def test_an_authentic_request_is_decided_and_answered_at_once() -> None:
    bench = Bench(reply=Reply(ACCESS_ACCEPT, tlv(18, "hello")))
    reply = bench.respond(LOGIN)
    assert reply is not None
    assert read(reply, LOGIN, SECRET).all(18) == [b"hello"]
    counters = bench.clients[STRICT].counters
    assert (counters.requests, counters.accepts, counters.duplicates) == (1, 1, 0)
    assert bench.responder.served is bench.clients[STRICT]


def test_answers_are_counted_by_what_they_say() -> None:
    bench = Bench(reply=Reply(ACCESS_CHALLENGE, tlv(24, "state")))
    bench.respond(LOGIN)
    bench.handler.reply = REJECT
    bench.respond(pap_request("nemo", "wrong", secret=SECRET))
    counters = bench.clients[STRICT].counters
    assert (counters.challenges, counters.rejects) == (1, {"password": 1})


def test_a_stranger_costs_a_look_up_and_leaves_one_line_for_the_log() -> None:
    bench = Bench()
    assert bench.respond(LOGIN, STRANGER) is None
    assert bench.responder.unknown.drops == {"unknown-client": 1}
    assert bench.responder.complaints.due(0.0) == Complaint("unknown-client", "", STRANGER[0], 1)
    assert bench.responder.served is None
    assert (len(bench.cache), bench.handler.asked) == (0, [])


def test_what_is_dropped_unread_counts_for_the_client_that_sent_it() -> None:
    bench = Bench()
    bench.responder.shed(STRICT[0], 5)
    bench.responder.shed(STRICT[0], 2)
    assert bench.drops() == {"overload": 7}
    assert bench.responder.complaints.due(0.0) == Complaint("overload", "strict", STRICT[0], 7)


def test_what_is_dropped_unread_of_several_boxes_counts_for_none_of_them() -> None:
    bench = Bench()
    here, client = ip_network(STRICT[0]), bench.clients[STRICT]
    bench.responder.clients = Clients([(here, b"a", client), (here, b"b", client)])
    bench.responder.shed(STRICT[0], 5)
    assert bench.responder.unknown.drops == {"overload": 5}
    assert bench.responder.complaints.due(0.0) == Complaint("overload", "", STRICT[0], 5)


def test_a_known_address_with_an_unknown_secret_leaves_nothing_but_a_count() -> None:
    """Fault P5: a flood under a client's address evicts no answer and asks no handler."""
    bench = Bench()
    answered = bench.respond(LOGIN)
    for identifier in range(256):
        forged = pap_request("nemo", "arctangent", secret=b"guess", identifier=identifier)
        assert bench.respond(forged) is None
    assert len(bench.cache) == 1
    assert len(bench.handler.asked) == 1
    assert bench.drops() == {"bad-authenticator": 256}
    told = bench.responder.complaints.due(0.0)
    assert told == Complaint("bad-authenticator", "strict", STRICT[0], 256)
    assert bench.respond(LOGIN) == answered


def test_a_forgery_does_not_take_the_place_of_a_request_in_progress() -> None:
    bench = Bench(reply=REJECT)
    bench.respond(LOGIN)
    forged = bytearray(LOGIN)
    forged[4:20] = bytes(16)  # same Identifier, another authenticator
    assert bench.respond(bytes(forged)) is None
    assert bench.respond(LOGIN) is None, "still pending"
    [(reply, source)] = bench.responder.due(1.0)
    assert source == STRICT
    assert read(reply, LOGIN, SECRET).code == ACCESS_REJECT


def test_a_hundred_copies_are_decided_once_and_answered_alike() -> None:
    """Fault P7: 50 while the reject waits, 50 after it."""
    bench = Bench(reply=REJECT)
    assert all(bench.respond(LOGIN, now=n / 100) is None for n in range(50))
    assert bench.responder.next_due == 1.0
    assert bench.responder.due(0.999) == []
    [(reply, _)] = bench.responder.due(1.0)
    assert bench.responder.due(99.0) == []
    assert {bench.respond(LOGIN, now=1.0 + n / 10) for n in range(50)} == {reply}
    assert len(bench.handler.asked) == 1
    assert len(bench.cache) == 1
    counters = bench.clients[STRICT].counters
    assert (counters.requests, counters.duplicates) == (100, 99)
    assert counters.rejects == {"password": 1}


def test_another_port_or_authenticator_is_another_request() -> None:
    bench = Bench()
    bench.respond(LOGIN)
    bench.respond(LOGIN, (STRICT[0], STRICT[1] + 1, STRICT[2]))
    bench.respond(pap_request("nemo", "arctangent", secret=SECRET))
    assert len(bench.handler.asked) == 3


def test_silence_and_failure_let_the_next_copy_be_decided_again() -> None:
    bench = Bench()
    bench.handler.fails = True
    with pytest.raises(RuntimeError, match="a bug"):
        bench.respond(LOGIN)
    bench.handler.fails, usual = False, bench.handler.reply
    bench.handler.reply = None
    assert bench.respond(LOGIN) is None
    bench.handler.reply = usual
    assert bench.respond(LOGIN) is not None
    assert len(bench.handler.asked) == 3


def test_rejects_leave_in_the_order_and_after_the_time_they_were_promised() -> None:
    """Structure of fault P9: every reject is due a delay after its arrival, whatever its reason."""
    bench = Bench(reply=REJECT)
    logins = [pap_request("nemo", "x", secret=SECRET, identifier=n) for n in range(10)]
    for n, login in enumerate(logins):
        bench.handler.reply = replace(REJECT, reason="unknown-user" if n % 2 else "password")
        bench.respond(login, now=n * 0.1)
    for n in range(10):
        assert bench.responder.next_due == pytest.approx(1.0 + n * 0.1)
        assert bench.responder.due(0.99 + n * 0.1) == []
        [(octets, _)] = bench.responder.due(1.0 + n * 0.1)
        assert octets[1] == n


def test_when_too_many_wait_the_oldest_leave_early() -> None:
    bench = Bench(reply=REJECT, delayed_max=3)
    for n in range(5):
        bench.respond(pap_request("nemo", "x", secret=SECRET, identifier=n))
    assert [octets[1] for octets, _ in bench.responder.due(0.0)] == [0, 1]
    assert [octets[1] for octets, _ in bench.responder.due(1.0)] == [2, 3, 4]


def test_a_reply_that_does_not_fit_a_packet_is_not_sent() -> None:
    room = PACKET_LENGTH_MAX - 20 - 18
    fits = b"".join(tlv(18, bytes(253)) for _ in range(room // 255))
    fits += tlv(18, bytes(room % 255 - 2))
    bench = Bench(reply=Reply(ACCESS_ACCEPT, fits))
    reply = bench.respond(LOGIN)
    assert reply is not None
    assert len(reply) == PACKET_LENGTH_MAX
    with_state = pap_request("nemo", "arctangent", tlv(33, "p"), secret=SECRET)
    assert bench.respond(with_state) is None
    assert bench.drops() == {"reply-too-long": 1}


def test_clients_may_be_replaced_between_two_packets() -> None:
    bench = Bench()
    bench.responder.clients = type(bench.responder.clients)()
    assert bench.respond(LOGIN) is None
    assert bench.responder.unknown.drops == {"unknown-client": 1}


def test_the_two_ports_keep_their_identifiers_apart() -> None:
    auth, acct = Bench(Port.AUTH), Bench(Port.ACCT)
    record = accounting_request(tlv(40, 1), secret=SECRET)
    assert auth.respond(LOGIN)
    assert acct.respond(record)
    assert (len(auth.cache), len(acct.cache)) == (1, 1)


NEST = tlv(241, b"\x01\x02" * 120)
HEAVY = [
    pytest.param(tlv(33, b"") * 2029, id="two thousand attributes to be echoed"),
    pytest.param(tlv(1, b"") * 2029, id="two thousand attributes of one type"),
    pytest.param(tlv(26, b"\0\0\x3a\x8c" + b"\x08\x00" * 120) * 16, id="vendor lengths of 0"),
    pytest.param(tlv(26, b"\0\0\x3a\x8c" + b"\x08\x02" * 120) * 16, id="empty vendor attributes"),
    pytest.param(NEST * 16, id="extended attributes full of TLVs"),
    pytest.param(tlv(245, b"\x01\x80" + bytes(251)) * 14, id="14 long-extended, more to come"),
    pytest.param(tlv(79, bytes(253)) * 15, id="15 concatenated"),
]


@pytest.mark.parametrize("attributes", HEAVY)
def test_a_packet_made_to_be_slow_is_not(attributes: bytes) -> None:
    """Fault P10: 2 ms at most, each."""
    took_s = []
    for _ in range(5):
        bench = Bench()
        octets = access_request(attributes, secret=SECRET)
        began_at = time.process_time()
        reply = bench.respond(octets)
        took_s.append(time.process_time() - began_at)
        assert reply is not None
        echoed = [value for number, value in pairs(reply[20:]) if number == 33]
        assert len(echoed) == sum(1 for number, _ in pairs(attributes) if number == 33)
    assert min(took_s) <= 0.002


def test_status_server_is_counted_and_needs_no_decision() -> None:
    bench = Bench()
    octets = status_server(secret=SECRET)
    assert bench.respond(octets, LENIENT) is not None
    counters = bench.clients[LENIENT].counters
    assert (counters.status_servers, counters.requests, counters.accepts) == (1, 0, 0)
    assert bench.handler.asked == []
