"""The UDP shell on real sockets: shared ports, sources, wildcards, both families."""

import socket
import time
from collections import Counter

import pytest

from core.udp import (
    ADDRESSES_KEPT_MAX,
    AT_ONCE,
    DATAGRAM_OCTETS_MAX,
    Address,
    Endpoint,
    bind,
    receive_buffer_octets,
)

BUFFER = 1 << 18


def received(endpoint: Endpoint, within_s: float = 2.0) -> tuple[bytes, Address]:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if found := endpoint.receive():
            (one,) = found
            return one
        time.sleep(0.001)
    raise TimeoutError


def asking(host: str) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((host, 0))
    sock.settimeout(2.0)
    return sock


@pytest.mark.parametrize(
    ("bound", "asked", "asker", "seen_as"),
    [
        pytest.param("127.0.0.1", "127.0.0.1", "127.0.0.7", "127.0.0.7", id="IPv4"),
        pytest.param("0.0.0.0", "127.0.0.3", "127.0.0.7", "127.0.0.7", id="all of IPv4"),
        pytest.param("::1", "::1", "::1", "::1", id="IPv6"),
        pytest.param("::", "::1", "::1", "::1", id="all of IPv6"),
        pytest.param("::", "127.0.0.3", "127.0.0.7", "127.0.0.7", id="IPv4 on an IPv6 socket"),
    ],
)
def test_an_answer_comes_from_the_address_that_was_asked(
    bound: str, asked: str, asker: str, seen_as: str
) -> None:
    """RFC 2865 §3 lets a NAS match replies by source; a host with two addresses must choose."""
    with bind(bound, 0, receive_buffer_octets=BUFFER) as sock, asking(asker) as nas:
        endpoint = Endpoint(sock)
        port = sock.getsockname()[1]
        nas.sendto(b"question", (asked, port))
        datagram, source = received(endpoint)
        assert (datagram, source[:2]) == (b"question", (seen_as, nas.getsockname()[1]))
        assert endpoint.send([(b"answer", source)]) == 1
        octets, sender = nas.recvfrom(100)
        assert (octets, sender[:2]) == (b"answer", (asked, port))


@pytest.mark.parametrize("bound", ["0.0.0.0", "::"])
def test_one_port_that_asks_two_addresses_hears_from_each_what_it_was_asked(bound: str) -> None:
    """A NAS with us as both its servers, and one socket: what it asked first may come last."""
    with bind(bound, 0, receive_buffer_octets=BUFFER) as sock, asking("127.0.0.7") as nas:
        endpoint, port = Endpoint(sock), sock.getsockname()[1]
        for host in ("127.0.0.1", "127.0.0.2", "127.0.0.1"):
            nas.sendto(host.encode(), (host, port))
        questions: list[tuple[bytes, Address]] = []
        while len(questions) < 3:
            questions += endpoint.receive()
        for asked, source in reversed(questions):
            assert endpoint.send([(asked, source)]) == 1
            assert nas.recvfrom(100) == (asked, (asked.decode(), port))


def test_a_late_answer_finds_its_way_when_thousands_have_asked_since() -> None:
    """The way belongs to the question, so what is forgotten of others takes nothing from it."""
    with bind("0.0.0.0", 0, receive_buffer_octets=BUFFER) as sock, asking("127.0.0.7") as nas:
        endpoint, port = Endpoint(sock), sock.getsockname()[1]
        nas.sendto(b"question", ("127.0.0.3", port))
        _, source = received(endpoint)
        with asking("127.0.0.8") as crowd:
            for n in range(ADDRESSES_KEPT_MAX + 1):
                # Each at an address of ours of its own, which is as new as a NAS of its own.
                crowd.sendto(b"x", (f"127.1.{n >> 8}.{n & 255}", port))
                received(endpoint)
        assert endpoint.send([(b"late", source)]) == 1
        assert nas.recvfrom(100) == (b"late", ("127.0.0.3", port))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_nothing_waiting_is_said_at_once(host: str) -> None:
    with bind(host, 0, receive_buffer_octets=BUFFER) as sock:
        assert Endpoint(sock).receive() == []


def test_siblings_share_a_port_and_strangers_do_not_get_it() -> None:
    with bind("127.0.0.1", 0, receive_buffer_octets=BUFFER) as first:
        port = first.getsockname()[1]
        with (
            bind("127.0.0.1", port, receive_buffer_octets=BUFFER) as second,
            asking("127.0.0.1") as nas,
        ):
            # One flow stays with one socket: duplicates meet who decided the first.
            for _ in range(20):
                nas.sendto(b"x", ("127.0.0.1", port))
            time.sleep(0.01)
            counts = []
            for sock in (first, second):
                count = 0
                try:
                    while sock.recv(10):
                        count += 1
                except BlockingIOError:
                    counts.append(count)
            assert sorted(counts) == [0, 20]
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain,
            pytest.raises(OSError, match="in use"),
        ):
            plain.bind(("127.0.0.1", port))


def test_a_foreign_address_is_refused_and_nothing_left_open() -> None:
    with pytest.raises(OSError, match="assign"):
        bind("192.0.2.1", 0, receive_buffer_octets=BUFFER)


def test_the_kernel_gives_a_buffer_and_says_how_much() -> None:
    with bind("127.0.0.1", 0, receive_buffer_octets=BUFFER) as sock:
        assert receive_buffer_octets(sock) >= min(BUFFER, 212_992)


def test_a_full_buffer_drops_instead_of_growing() -> None:
    with bind("127.0.0.1", 0, receive_buffer_octets=65_536) as sock, asking("127.0.0.1") as nas:
        for _ in range(2_000):
            nas.sendto(bytes(1_000), sock.getsockname())
        endpoint, count = Endpoint(sock), 0
        while found := endpoint.receive():
            assert len(found) <= AT_ONCE
            count += len(found)
        assert 0 < count < 200


def test_how_full_the_buffer_is_shows_before_it_drops() -> None:
    with bind("127.0.0.1", 0, receive_buffer_octets=65_536) as sock, asking("127.0.0.1") as nas:
        endpoint, seen = Endpoint(sock), []
        for _ in range(500):
            nas.sendto(bytes(1_000), sock.getsockname())
            seen.append(endpoint.filled())
        assert seen == sorted(seen)
        assert 0 < seen[0] < 0.1
        assert seen[-1] > 0.9
        while endpoint.receive():
            pass
        assert endpoint.filled() < 0.1


@pytest.mark.parametrize("size", [0, 1, 4096, 4097, 60_000])
def test_a_datagram_longer_than_radius_allows_shows_as_such(size: int) -> None:
    with bind("127.0.0.1", 0, receive_buffer_octets=BUFFER) as sock, asking("127.0.0.1") as nas:
        nas.sendto(bytes(size), sock.getsockname())
        datagram, _ = received(Endpoint(sock))
        assert len(datagram) == min(size, DATAGRAM_OCTETS_MAX)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_what_cannot_be_sent_is_lost_as_on_any_network(host: str) -> None:
    with bind(host, 0, receive_buffer_octets=BUFFER) as sock:
        # A broadcast needs leave that we do not have; those around it go out.
        lost, fine = ("255.255.255.255", 9, b""), ("127.0.0.1", 9, b"")
        assert Endpoint(sock).send([(b"x", to) for to in (fine, lost, fine, lost)]) == 2


def test_many_come_and_go_in_order_and_each_to_its_own() -> None:
    with bind("127.0.0.1", 0, receive_buffer_octets=BUFFER) as sock:
        endpoint = Endpoint(sock)
        askers = [asking("127.0.0.1") for _ in range(5)]
        for n in range(100):
            askers[n % 5].sendto(b"%d" % n, sock.getsockname())
        found: list[tuple[bytes, Address]] = []
        while some := endpoint.receive():
            found += some
        assert [octets for octets, _ in found] == [b"%d" % n for n in range(100)]
        assert endpoint.send(found) == 100
        for start, asker in enumerate(askers):
            with asker:
                assert [asker.recv(10) for _ in range(20)] == [
                    b"%d" % n for n in range(start, 100, 5)
                ]


def test_an_asker_whose_port_closed_does_not_disturb_the_next() -> None:
    """An ICMP "port unreachable" must not come back as an error of the next receive."""
    with bind("127.0.0.1", 0, receive_buffer_octets=BUFFER) as sock:
        endpoint = Endpoint(sock)
        with asking("127.0.0.1") as gone:
            gone.sendto(b"first", sock.getsockname())
            _, source = received(endpoint)
        assert endpoint.send([(b"late", source)]) == 1
        with asking("127.0.0.1") as nas:
            nas.sendto(b"second", sock.getsockname())
            assert received(endpoint)[0] == b"second"


@pytest.mark.parametrize("host", ["127.0.0.1", "::"])
def test_the_kernel_drops_a_part_of_what_one_host_sends_until_it_is_told_otherwise(
    host: str,
) -> None:
    sock = bind(host, 0, receive_buffer_octets=1 << 20)
    endpoint, to = Endpoint(sock), ("127.0.0.1", sock.getsockname()[1])

    def arrived(endpoint: Endpoint) -> Counter[str]:
        for source in ("127.0.0.66", "127.0.0.11"):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sender.bind((source, 0))
                for _ in range(200):
                    sender.sendto(b"x" * 100, to)
        found: Counter[str] = Counter()
        while waiting := endpoint.receive():
            found.update(address[0] for _, address in waiting)
        return found

    assert arrived(endpoint) == {"127.0.0.66": 200, "127.0.0.11": 200}
    endpoint.hold_back({"127.0.0.66": 0.75, "2001:db8::1": 1.0})
    told = arrived(endpoint)
    assert 10 < told["127.0.0.66"] < 100  # 50, by lot
    assert told["127.0.0.11"] == 200
    # The successor of a worker that died in the middle of an overload.
    assert arrived(Endpoint(sock)) == {"127.0.0.66": 200, "127.0.0.11": 200}
    sock.close()
