"""The listening sockets, opened once by the supervisor and lent to whoever serves them.

A worker that dies leaves its socket open here, so what arrives meanwhile waits in it, and
no flow of packets ever changes worker.
"""

import errno
import socket

from core.errors import Refused
from core.udp import bind


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
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            if family == socket.AF_INET6 and host == "::":
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
            probe.bind((host, port))
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
        raise CannotListen(_explained(error, host, port, setting)) from None


def tcp_socket(host: str, port: int, *, setting: str) -> socket.socket:
    """A listening TCP socket.

    Raises:
        CannotListen: names the setting and the remedy.
    """
    try:
        return socket.create_server(
            (host, port),
            family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            backlog=1024,
            dualstack_ipv6=host == "::",
        )
    except OSError as error:
        raise CannotListen(_explained(error, host, port, setting)) from None


def shown(sock: socket.socket) -> str:
    """HOST:PORT of a socket, as a person writes it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _explained(error: OSError, host: str, port: int, setting: str) -> str:
    remedy = {
        errno.EADDRINUSE: f"another program listens there: stop it, or set {setting}",
        errno.EADDRNOTAVAIL: "this machine does not have that address: set the host",
        errno.EACCES: f"ports below 1024 need a privilege: set {setting}, or run with it",
    }.get(error.errno or 0, str(error))
    return f"cannot listen on {host} port {port}: {remedy}"
