"""A server for the load generator's tests: answers as told, rightly or wrongly signed."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from core.radius.authenticity import SharedSecret
from core.radius.packet import Packet, parse
from core.radius.types import ACCESS_ACCEPT

# The request and how often these octets have come before -> replies to send, in order.
Answer = Callable[[Packet, int], list[bytes]]


@dataclass(slots=True)
class Answering:
    port: int
    received: list[tuple[str, int, bytes]] = field(default_factory=list)  # address, port, octets


def signed(secret: str, code: int = ACCESS_ACCEPT) -> Answer:
    shared = SharedSecret(secret.encode())
    return lambda request, _before: [shared.reply(code, request, b"")]


@contextmanager
def answering(answer: Answer) -> Iterator[Answering]:
    """A server on a port of its own; what it received is kept for the test to look at."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.05)
        state = Answering(server.getsockname()[1])
        ended = threading.Event()

        def serve() -> None:
            seen: dict[tuple[int, bytes], int] = {}
            while not ended.is_set():
                try:
                    octets, (address, port) = server.recvfrom(4096)
                except TimeoutError:
                    continue
                state.received.append((address, port, octets))
                before = seen.get((port, octets), 0)
                seen[port, octets] = before + 1
                for reply in answer(parse(octets), before):
                    server.sendto(reply, (address, port))

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield state
        finally:
            ended.set()
            thread.join()
