"""NASes that ask at even rates, whatever is answered; made to run in a process of its own."""

import itertools
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from tests.asking import access_request, accounting_request, tlv

SOCKETS = 8  # each with its own 256 identifiers


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one NAS's requests."""

    asked: int
    answered: int


class _Nas:
    def __init__(self, host: str, server: tuple[str, int], secret: bytes, is_auth: bool) -> None:
        self.asked = 0
        self.answered = 0
        self._secret = secret
        self._is_auth = is_auth
        self._numbers = itertools.count()
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
        for sock in self._sockets:
            sock.bind((host, 0))
            sock.connect(server)
            sock.setblocking(False)

    def ask(self) -> None:
        """A new request each time, never a copy of an old one."""
        number = next(self._numbers)
        identifier = number // SOCKETS % 256
        octets = (
            access_request(secret=self._secret, identifier=identifier)
            if self._is_auth
            else accounting_request(
                tlv(44, os.urandom(8)), secret=self._secret, identifier=identifier
            )
        )
        self._sockets[number % SOCKETS].send(octets)
        self.asked += 1

    def listen(self) -> None:
        for sock in self._sockets:
            try:
                while sock.recv(4096):
                    self.answered += 1
            except BlockingIOError:
                continue

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


def storm(
    server: tuple[str, int],
    secret: bytes,
    is_auth: bool,
    rates: Mapping[str, int],
    seconds: float,
    listen_s: float,
) -> dict[str, Told]:
    """Ask from each host at its rate a second, listen on for a while, and tell."""
    nases = {host: _Nas(host, server, secret, is_auth) for host in rates}
    began = time.monotonic()
    due = dict.fromkeys(rates, 0.0)
    last = began
    while (now := time.monotonic()) - began < seconds:
        for host, nas in nases.items():
            # What a pause of the machine swallowed is not made up for all at once.
            due[host] += rates[host] * min(now - last, 0.01)
            while due[host] >= 1.0:
                due[host] -= 1.0
                nas.ask()
            nas.listen()
        last = now
        time.sleep(0.001)
    until = time.monotonic() + listen_s
    while time.monotonic() < until:
        for nas in nases.values():
            nas.listen()
        if all(nas.answered >= nas.asked for nas in nases.values()):
            break
        time.sleep(0.01)
    told = {host: Told(nas.asked, nas.answered) for host, nas in nases.items()}
    for nas in nases.values():
        nas.close()
    return told
