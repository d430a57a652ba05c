"""The sockets of an instance, and what is said when it cannot have them."""

import socket
from contextlib import ExitStack, closing

import pytest

from app import sockets
from app.sockets import CannotListen, shown, tcp_socket, udp_sockets

BUFFER_OCTETS = 1 << 16


def udp(host: str, port: int, count: int = 1) -> list[socket.socket]:
    return udp_sockets(
        host, port, count, receive_buffer_octets=BUFFER_OCTETS, setting="radius.auth_port"
    )


def close(*opened: socket.socket) -> None:
    with ExitStack() as stack:
        for sock in opened:
            stack.enter_context(closing(sock))


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::", "::1"])
def test_workers_share_one_port_that_the_system_chose(host: str) -> None:
    opened = udp(host, 0, 3)
    assert len({sock.getsockname()[1] for sock in opened}) == 1
    assert opened[0].getsockname()[1] > 0
    close(*opened)


def test_every_flow_finds_one_worker_and_the_same_again() -> None:
    opened = udp("127.0.0.1", 0, 2)
    for sock in opened:
        sock.settimeout(0.2)
    landed: dict[int, int] = {}
    for flow in range(16):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            for _ in range(3):
                client.sendto(b"%d" % flow, opened[0].getsockname())
    for number, sock in enumerate(opened):
        while True:
            try:
                flow = int(sock.recv(16))
            except TimeoutError:
                break
            assert landed.setdefault(flow, number) == number
    assert set(landed.values()) == {0, 1}
    assert len(landed) == 16
    close(*opened)


@pytest.mark.slow
def test_a_port_of_another_instance_is_refused_by_name() -> None:
    """Sharing it would give each half of the other's packets."""
    opened = udp("127.0.0.1", 0, 2)
    port = opened[0].getsockname()[1]
    with pytest.raises(CannotListen, match=rf"127\.0\.0\.1 port {port}.*radius\.auth_port"):
        udp("127.0.0.1", port)
    close(*opened)


@pytest.mark.slow
def test_a_taken_web_port_is_refused_by_name() -> None:
    listening = tcp_socket("127.0.0.1", 0, setting="web.port")
    port = listening.getsockname()[1]
    with pytest.raises(CannotListen, match=r"stop it, or set web\.port"):
        tcp_socket("127.0.0.1", port, setting="web.port")
    close(listening)


def test_an_address_of_another_machine_is_refused() -> None:
    for listen in (
        lambda: udp("192.0.2.1", 0),
        lambda: tcp_socket("192.0.2.1", 0, setting="web.port"),
    ):
        with pytest.raises(CannotListen, match="does not have that address"):
            listen()


def test_a_port_below_1024_needs_a_privilege_and_the_text_says_so() -> None:
    said = sockets.explained(PermissionError(13, "Permission denied"), "0.0.0.0", 812, "web.port")
    assert said == (
        "cannot listen on 0.0.0.0 port 812: ports below 1024 need a privilege: "
        "set web.port, or run with it"
    )


def test_an_address_is_shown_as_people_write_it() -> None:
    opened = [udp("127.0.0.1", 0)[0], udp("::1", 0)[0]]
    four, six = (shown(sock) for sock in opened)
    assert four.startswith("127.0.0.1:")
    assert six.startswith("[::1]:")
    close(*opened)
