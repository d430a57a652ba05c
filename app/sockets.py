"""The listening sockets, opened once by the supervisor and lent to whoever serves them.

A worker that dies leaves its socket open here, so what arrives meanwhile waits in it, and
no flow of packets ever changes worker.
"""

import errno
import socket
import time
from collections.abc import Callable
from typing import TypeVar

from core.errors import Refused
from core.udp import bind

T = TypeVar("T")

# A supervisor that was killed leaves children who finish what they began; whoever starts in
# its place at once, as service managers do, waits for them.
PREDECESSOR_GONE_WITHIN_S = 6.0
RETRY_EVERY_S = 0.1


class CannotListen(Refused):
    """The address is not ours, or somebody else listens there."""


def udp_sockets(
    host: str, port: int, count: int, *, receive_buffer_octets: int, setting: str
) -> list[socket.socket]:
    """`count` sockets that share one port; port 0 lets the system choose it.

    Raises:
        CannotListen: names the setting and the remedy.
    """
    try:
        # Sharing a port means sharing it with strangers of the same user, too: another
        # instance would get half of our packets.  So first see that it is free.
        _patiently(lambda: _try_alone(host, port))
        first = bind(host, port, receive_buffer_octets=receive_buffer_octets)
        port = first.getsockname()[1]
        return [
            first,
            *(
                bind(host, port, receive_buffer_octets=receive_buffer_octets)
                for _ in range(count - 1)
            ),
        ]
    except OSError as error:
        raise CannotListen(explained(error, host, port, setting)) from None


def tcp_socket(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening TCP socket.

    Raises:
        CannotListen: names the setting and the remedy.
    """
    try:
        return _patiently(
            lambda: socket.create_server(
                (host, port),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
                backlog=1024,
                dualstack_ipv6=host == "::",
            )
        )
    except OSError as error:
        raise CannotListen(explained(error, host, port, setting)) from None


def shown(sock: socket.socket) -> str:
    """HOST:PORT of a socket, as a person writes it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _try_alone(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        if family == socket.AF_INET6 and host == "::":
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind((host, port))


def _patiently(listen: Callable[[], T]) -> T:
    """What `listen` returns, tried again for a while if the address is in use."""
    for _ in range(round(PREDECESSOR_GONE_WITHIN_S / RETRY_EVERY_S)):
        try:
            return listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            time.sleep(RETRY_EVERY_S)
    return listen()


def explained(error: OSError, host: str, port: int, setting: str) -> str:
    """What to tell the operator."""
    remedy = {
        errno.EADDRINUSE: f"another program listens there: stop it, or set {setting}",
        errno.EADDRNOTAVAIL: "this machine does not have that address: set the host",
        errno.EACCES: f"ports below 1024 need a privilege: set {setting}, or run with it",
    }.get(error.errno or 0, str(error))
    return f"cannot listen on {host} port {port}: {remedy}"
