"""A NAS with subscribers behind it: it asks for them, reports them, and does what it is told.

Synchronous and on a thread, beside whole processes.  From RFC 5176 alone, as
`tests.nas_adapters.asked` is, whose packets it takes.
"""

import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.asking import (
    ACCESS_ACCEPT,
    DISCONNECT_REQUEST,
    Answer,
    Nas,
    accounting_request,
    pap_request,
    tlv,
)
from tests.nas_adapters.asked import Asked, is_authentic, reply
from tests.serving import PASSWORD, SECRET, Turnpike

START, STOP, INTERIM = 1, 2, 3
KEY = SECRET.encode()


def agrees(asked: Asked) -> bytes:
    return reply(asked.octets, asked.code + 1, secret=KEY)


def refuses(cause: int) -> Callable[[Asked], bytes]:
    """With this Error-Cause."""
    return lambda asked: reply(asked.octets, asked.code + 2, tlv(101, cause), secret=KEY)


class Box:
    """At one address; `obeys` says what it answers, and `asked` what it was told and when."""

    def __init__(self, house: Turnpike, host: str) -> None:
        self.house = house
        self.host = host
        self.asked: list[tuple[float, Asked]] = []
        self.obeys: Callable[[Asked], bytes | None] = agrees
        self.online: dict[bytes, bytes] = {}  # Acct-Session-Id -> the attributes of its reports
        self._identifiers = itertools.cycle(range(256))
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind((host, 0))
        self._sock.settimeout(0.1)
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    @property
    def port(self) -> int:
        port: int = self._sock.getsockname()[1]
        return port

    def login(self, username: str) -> Answer:
        with Nas(self.house.auth, self.host) as nas:
            request = pap_request(
                username, PASSWORD, secret=KEY, identifier=next(self._identifiers)
            )
            return nas.answer(request, KEY)

    def dial(self, username: str, session_id: bytes) -> Answer:
        """Log in and, let in, report the Start."""
        answer = self.login(username)
        if answer.code == ACCESS_ACCEPT:
            about = tlv(1, username) + tlv(44, session_id) + tlv(4, socket.inet_aton(self.host))
            self.online[session_id] = about + b"".join(tlv(25, one) for one in answer.all(25))
            self.report(session_id, START)
        return answer

    def report(self, session_id: bytes, status: int, seconds: int = 0, octets: int = 0) -> None:
        """`octets` to the subscriber, so far."""
        attributes = tlv(40, status) + self.online[session_id] + tlv(46, seconds) + tlv(43, octets)
        with Nas(self.house.acct, self.host) as nas:
            octets_ = accounting_request(
                attributes + tlv(42, 0), secret=KEY, identifier=next(self._identifiers)
            )
            assert nas.ask(octets_) is not None, "the record is taken"
        if status == STOP:
            del self.online[session_id]

    def told(self, code: int) -> list[tuple[float, Asked]]:
        return [one for one in list(self.asked) if one[1].code == code]

    def close(self) -> None:
        self._ends.set()
        self._thread.join()
        self._sock.close()

    def _listen(self) -> None:
        while not self._ends.is_set():
            try:
                octets, source = self._sock.recvfrom(65_536)
            except TimeoutError:
                continue
            if not is_authentic(octets, KEY):
                continue
            asked = Asked(octets, source)
            self.asked.append((time.monotonic(), asked))
            answer = self.obeys(asked)
            if answer is not None:
                self._sock.sendto(answer, source)
            session_id = asked.first(44)
            if asked.code == DISCONNECT_REQUEST and answer and session_id in self.online:
                assert session_id is not None
                self.report(session_id, STOP, 10)


@contextmanager
def box(house: Turnpike, host: str) -> Iterator[Box]:
    one = Box(house, host)
    try:
        yield one
    finally:
        one.close()
