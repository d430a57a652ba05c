"""Many source ports at once, so that every login worker is asked, and the owner's own SQL."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from core.db import connect
from tests.asking import ACCESS_ACCEPT, Nas, pap_request, read, tlv
from tests.serving import PASSWORD, SECRET, Turnpike

CALLING_STATION = 31
PORTS = 16  # of two workers one is left out once in 32 768 runs


class Flows:
    """Sockets on as many ports of one address."""

    def __init__(self, sockets: list[Nas], secret: str) -> None:
        self.sockets = sockets
        self.secret = secret.encode()
        self._identifier = 0

    def codes(
        self,
        username: str = "alice",
        password: str = PASSWORD,
        *more: bytes,
        within_s: float = 3.0,
    ) -> list[int | None]:
        """What each of them hears, None for silence; all ask at the same moment."""
        self._identifier = (self._identifier + 1) % 256
        requests = [
            pap_request(username, password, *more, secret=self.secret, identifier=self._identifier)
            for _ in self.sockets
        ]
        for nas, request in zip(self.sockets, requests, strict=True):
            nas.send(request)
        deadline = time.monotonic() + within_s
        return [
            _code(nas, request, self.secret, deadline)
            for nas, request in zip(self.sockets, requests, strict=True)
        ]

    def all_hear(self, code: int | None, username: str = "alice", *, within_s: float = 3.0) -> bool:
        return set(self.codes(username, within_s=within_s)) == {code}


def _code(nas: Nas, request: bytes, secret: bytes, deadline: float) -> int | None:
    while (left_s := deadline - time.monotonic()) > 0:
        reply = nas.receive(left_s)
        if reply is None:
            return None
        if reply[1] == request[1]:
            return read(reply, request, secret).code
    return None


@contextmanager
def flows(
    turnpike: Turnpike, *, host: str = "127.0.0.1", secret: str = SECRET, ports: int = PORTS
) -> Iterator[Flows]:
    """Ask `turnpike` from `ports` ports of `host`."""
    with ExitStack() as stack:
        yield Flows([stack.enter_context(Nas(turnpike.auth, host)) for _ in range(ports)], secret)


def station(name: str) -> bytes:
    return tlv(CALLING_STATION, name)


def login(
    turnpike: Turnpike,
    username: str = "alice",
    password: str = PASSWORD,
    *more: bytes,
    host: str = "127.0.0.1",
    secret: str = SECRET,
    within_s: float = 5.0,
) -> int:
    """The code of the reply to one login from a port of its own."""
    with Nas(turnpike.auth, host) as nas:
        request = pap_request(username, password, *more, secret=secret.encode())
        return nas.answer(request, secret.encode(), within_s).code


def is_let_in(turnpike: Turnpike, username: str = "alice") -> bool:
    return login(turnpike, username) == ACCESS_ACCEPT


def private_url(turnpike: Turnpike) -> str:
    """The owner's way into the private cluster of an instance."""
    return f"postgresql://turnpike@/turnpike?host={turnpike.paths.postgres / 'run'}"


def sql(url: str, statement: str, *arguments: object) -> list[asyncpg.Record]:
    """One statement as the owner, by a connection of its own."""

    async def run() -> list[asyncpg.Record]:
        connection = await connect(url, None)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()

    return asyncio.run(run())


def processes_of(turnpike: Turnpike) -> dict[int, str]:
    """Process id -> command line of all that belongs to an instance: ours and PostgreSQL's."""
    mark, data = str(turnpike.data_dir).encode(), turnpike.paths.postgres / "data"
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        number = int(process.name)
        if number == os.getpid():
            continue
        try:
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            ours = b"TURNPIKE_DATA_DIR=" + mark in (process / "environ").read_bytes().split(b"\0")
            if command and (ours or (process / "cwd").readlink() == data.resolve()):
                found[number] = command
        except OSError:  # gone meanwhile
            continue
    return found
