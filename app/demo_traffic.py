"""The demo's NAS: it reports the last day in a minute, and goes on at the pace of the clock.

A thread with a socket of its own, so that it is a NAS like any other to the server.  What
is not acknowledged is sent again (RFC 2866 §2).
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import structlog

from app.demo_day import DAY_S, START, STOP, Moment, moments
from core.clock import Clock
from core.radius.authenticity import SharedSecret
from core.radius.packet import attribute
from core.radius.types import (
    ACCOUNTING_REQUEST,
    ACCT_SESSION_ID,
    ACCT_STATUS_TYPE,
    CALLING_STATION_ID,
    EVENT_TIMESTAMP,
    FRAMED_IP_ADDRESS,
    NAS_IDENTIFIER,
    NAS_PORT_ID,
    USER_NAME,
)

log = structlog.get_logger()

REPLAY_S: Final = 60.0
# Of the day: a NAS's clock is believed for 24 hours, and the replay takes some of them.
HISTORY_S: Final = DAY_S - 1_800
AGAIN_AFTER_S: Final = 1.0
TRIES_MAX: Final = 10
LOOK_EVERY_S: Final = 5.0
ACCT_TERMINATE_CAUSE: Final = 49
USER_REQUEST: Final = 1
_AMOUNTS: Final = ((46, 0), (42, 1), (43, 2))  # attribute, place in `counters`
_GIGAWORDS: Final = ((52, 1), (53, 2))


class DemoTraffic:
    """Reports until the process ends.  `server` is HOST:PORT of the accounting port."""

    def __init__(self, server: tuple[str, int], secret: str, usernames: list[str]) -> None:
        self._server = server
        self._secret = SharedSecret(secret.encode())
        self._usernames = usernames
        self._clock = Clock()
        self._identifier = 0

    def start(self) -> None:
        """Begin, in the background."""
        threading.Thread(target=self._run, name="demo-traffic", daemon=True).start()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            sock.connect(self._server)
            sock.settimeout(AGAIN_AFTER_S)
            for moment in self._due():
                if not self._report(sock, moment):
                    log.warning("demo_record_not_taken", user=moment.session.username)

    def _due(self) -> Iterator[Moment]:
        """Each report when its time has come: at first the day's in a minute."""
        began_s = int(self._clock.unix_s())
        first_s = began_s - HISTORY_S
        pause = threading.Event()  # never set: only for its patience
        reported_s = 0
        speed = HISTORY_S / REPLAY_S
        began = self._clock.monotonic()
        for moment in moments(self._usernames, first_s, began_s):
            reported_s = moment.at_s
            wait_s = (moment.at_s - first_s) / speed - (self._clock.monotonic() - began)
            pause.wait(max(0.0, wait_s))
            yield moment
        log.info("demo_day_told", subscribers=len(self._usernames))
        while True:
            now_s = int(self._clock.unix_s())
            for moment in moments(self._usernames, first_s, now_s):
                if moment.at_s > reported_s:
                    yield moment
            reported_s = max(reported_s, now_s)
            pause.wait(LOOK_EVERY_S)

    def _report(self, sock: socket.socket, moment: Moment) -> bool:
        self._identifier = (self._identifier + 1) % 256
        octets = self._secret.request(ACCOUNTING_REQUEST, self._identifier, _attributes(moment))
        for _ in range(TRIES_MAX):
            with suppress(OSError):  # nobody listens yet, or an answer was lost
                sock.send(octets)
                while sock.recv(4096)[1] != self._identifier:
                    continue
                return True
        return False


def _attributes(moment: Moment) -> bytes:
    session = moment.session
    counters = session.counters(moment.at_s)
    parts = [
        attribute(ACCT_STATUS_TYPE, _integer(moment.kind)),
        attribute(ACCT_SESSION_ID, session.acct_session_id.encode()),
        attribute(USER_NAME, session.username.encode()),
        attribute(NAS_IDENTIFIER, b"demo-router"),
        attribute(NAS_PORT_ID, b"ether1"),
        attribute(CALLING_STATION_ID, session.station.encode()),
        attribute(FRAMED_IP_ADDRESS, bytes((100, 64, 0, session.address))),
        attribute(EVENT_TIMESTAMP, _integer(moment.at_s)),
    ]
    if moment.kind == STOP:
        parts.append(attribute(ACCT_TERMINATE_CAUSE, _integer(USER_REQUEST)))
    if moment.kind != START:
        parts += [attribute(number, _integer(counters[at] % 2**32)) for number, at in _AMOUNTS]
        parts += [attribute(number, _integer(counters[at] >> 32)) for number, at in _GIGAWORDS]
    return b"".join(parts)


def _integer(value: int) -> bytes:
    return value.to_bytes(4, "big")
