"""Turnpike under measurement: its own data directory and ports, started as an operator would.

Through the command line alone, so that what is measured is what is installed; SQL only
changes many subscribers at once, and looks at what accounting has stored.  Default settings.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from bench import processes
from bench.freeradius import free_port
from bench.measure import Server
from bench.population import (
    ADDRESS_POOL,
    DOWNLOAD_BPS,
    INTERIM_S,
    NASES,
    PLAN,
    SECRET,
    SESSION_TIMEOUT_S,
    UPLOAD_BPS,
    nas_address,
    nas_name,
    subscriber,
)
from bench.processes import Failed, Program

PROGRAM = Path(sys.executable).with_name("turnpike")
COMPILED = Path(__file__).parents[1] / ".venv-compiled/bin/turnpike"  # `make compile` puts it there
APPLY_CHUNK = 100_000
_COUNTED = "SELECT coalesce(sum(seq), 0)::bigint FROM spool_position"
# Usage is signed differences, and must add up to what the sessions have.
_STORED = """
SELECT (SELECT count(*) FROM accounting_record), (SELECT sum(seq) FROM spool_position),
    (SELECT count(*) FROM dead_letter),
    (SELECT sum(output_octets) FROM session), (SELECT sum(output_octets) FROM usage),
    count(*), sum(output_octets) FROM session WHERE username < '{after_last}'
"""
_LOOK_EVERY_S = 0.05
_READY = re.compile(r"^ready auth=\S+:(\d+) acct=\S+:(\d+) web=\S+:(\d+)", re.MULTILINE)


@dataclass(slots=True)
class Turnpike:
    """An installation in a directory; started and stopped as often as one likes."""

    directory: Path
    name: str = "Turnpike"
    workers: int | None = None  # None: its own default
    executable: Path = PROGRAM
    ports: dict[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("auth", "acct", "web")}
    )
    program: Program | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TURNPIKE_DATA_DIR": str(self.directory),
            "TURNPIKE_RADIUS__HOST": "127.0.0.1",
            "TURNPIKE_RADIUS__AUTH_PORT": str(self.ports["auth"]),
            "TURNPIKE_RADIUS__ACCT_PORT": str(self.ports["acct"]),
            "TURNPIKE_WEB__PORT": str(self.ports["web"]),
            **({} if self.workers is None else {"TURNPIKE_RADIUS__WORKERS": str(self.workers)}),
        }

    @contextmanager
    def serving(self, timeout_s: float = 60.0) -> Iterator[float]:
        """Serve; yields the seconds from the start to "ready"."""
        command = [str(self.executable), "serve", "--data-dir", str(self.directory)]
        started_at = time.monotonic()
        with processes.running(command, environment=self.environment) as program:
            program.wait_for(lambda said: _READY.search(said) is not None, timeout_s)
            self.program = program
            try:
                yield time.monotonic() - started_at
            finally:
                self.program = None

    @property
    def server(self) -> Server:
        return Server(self.name, self.ports["auth"], self.roots)

    @property
    def accounting(self) -> Server:
        return Server(self.name, self.ports["acct"], self.roots)

    @property
    def owner_url(self) -> str:
        """The owner's way into its private PostgreSQL."""
        return f"postgresql://turnpike@/turnpike?host={self.directory / 'postgres/run'}"

    @property
    def roots(self) -> tuple[int, ...]:
        assert self.program is not None
        postmaster = int(self._postmaster()[0])
        return (self.program.pid, postmaster)

    def worker_private_octets(self) -> int:
        """Private memory of the largest login worker; the directory's map is shared."""
        return max(one.private_octets for one in self.memory() if " login " in one.command)

    def ingest_pid(self) -> int:
        """The process that drains the spools.

        Raises:
            Failed: there is none.
        """
        for one in self.memory():
            if one.command.rstrip().endswith(" ingest"):
                return one.pid
        raise Failed("ingest is not running")

    @contextmanager
    def without_ingest(self) -> Iterator[None]:
        """Keep it from draining: the records wait in the spools."""
        pid = self.ingest_pid()
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)

    def wait_counted(self, records: int, timeout_s: float = 600) -> None:
        """Return as soon as PostgreSQL has so many.

        Raises:
            Failed: it has fewer when the time is up.
        """
        asyncio.run(_wait_counted(self._postmaster()[4].strip(), records, timeout_s))

    def sessions_of(self, subscribers: int) -> tuple[int, int]:
        """The sessions of the first so many subscribers, and their output octets.

        Raises:
            Failed: the tables do not agree with each other.
        """
        query = _STORED.format(after_last=subscriber(subscribers).name)
        found = asyncio.run(_row(self._postmaster()[4].strip(), query))
        records, counted, dead, octets, used, sessions, theirs = map(int, found)
        if records != counted or dead or octets != used:
            raise Failed(
                f"{records} raw records of {counted} that were counted, {dead} dead letters,"
                f" {octets} octets of sessions and {used} of usage"
            )
        return sessions, theirs

    def memory(self) -> list[processes.Memory]:
        return processes.memory(list(self.roots))

    def log_lines(self) -> int:
        assert self.program is not None
        return self.program.output().count("\n")

    def apply(self, subscribers: int) -> float:
        """Store the NAS, the plan and that many subscribers; returns the seconds it took."""
        started_at = time.monotonic()
        for first in range(0, subscribers, APPLY_CHUNK):
            document = manifest(first, min(first + APPLY_CHUNK, subscribers))
            with TemporaryDirectory(prefix="bench-apply-") as directory:
                file = Path(directory) / "manifest.json"
                file.write_text(json.dumps(document))
                self.command("apply", str(file))
        return time.monotonic() - started_at

    def command(self, *arguments: str) -> str:
        environment = {**os.environ, **self.environment}
        return processes.run([str(self.executable), *arguments], environment=environment)

    def sql(self, statement: str) -> str:
        """Run one statement as the owner of the schema; returns its status."""
        lines = self._postmaster()
        return asyncio.run(_execute(lines[4].strip(), statement))

    def rows(self, query: str) -> list[asyncpg.Record]:
        """What a query finds, as the owner of the schema."""
        return asyncio.run(_rows(self._postmaster()[4].strip(), query))

    def forget_directory(self) -> None:
        """Make the next start build the memory map from PostgreSQL."""
        assert self.program is None
        shutil.rmtree(self.directory / "directory")

    def _postmaster(self) -> list[str]:
        file = self.directory / "postgres/data/postmaster.pid"
        if not file.exists():
            raise Failed("Turnpike's PostgreSQL is not running in its data directory")
        return file.read_text().splitlines()


@contextmanager
def installation(
    subscribers: int, *, workers: int | None = None, executable: Path = PROGRAM
) -> Iterator[tuple[Turnpike, float]]:
    """A new installation, its subscribers stored (in so many seconds), not serving yet."""
    if not executable.exists():
        raise Failed(f"there is no {executable}: run make install, or make compile")
    with TemporaryDirectory(prefix="bench-tp-") as name:
        Path(name).chmod(0o755)  # PostgreSQL, as another user, must get through
        made = Turnpike(Path(name) / "var", workers=workers, executable=executable)
        with made.serving():
            store_s = made.apply(subscribers)
        yield made, store_s


def manifest(first: int, end: int) -> dict[str, object]:
    """What `turnpike apply` reads, for the subscribers from `first` up to `end`."""
    people = map(subscriber, range(first, end))
    return {
        "tenant": "bench",
        "nas": [
            {
                "name": nas_name(box),
                "address": f"{nas_address(box)}/32",
                "secret": SECRET,
                "vendor": "mikrotik",
            }
            for box in range(NASES)
        ],
        "plan": [
            {
                "code": PLAN,
                "download": DOWNLOAD_BPS,
                "upload": UPLOAD_BPS,
                "session_limit": 0,  # FreeRADIUS counts no sessions here either
                "session_timeout_s": SESSION_TIMEOUT_S,
                "interim_s": INTERIM_S,
                "address_pool": ADDRESS_POOL,
            }
        ],
        "subscriber": [
            {"username": who.name, "password": who.password, "plan": PLAN} for who in people
        ],
    }


@asynccontextmanager
async def _connection(socket_directory: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(host=socket_directory, user="turnpike", database="turnpike")
    try:
        yield connection
    finally:
        await connection.close()


async def _execute(socket_directory: str, statement: str) -> str:
    async with _connection(socket_directory) as connection:
        status: str = await connection.execute(statement)
        return status


async def _row(socket_directory: str, query: str) -> asyncpg.Record:
    async with _connection(socket_directory) as connection:
        return await connection.fetchrow(query)


async def _rows(socket_directory: str, query: str) -> list[asyncpg.Record]:
    async with _connection(socket_directory) as connection:
        found: list[asyncpg.Record] = await connection.fetch(query)
        return found


async def _wait_counted(socket_directory: str, records: int, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    async with _connection(socket_directory) as connection:
        while (found := await connection.fetchval(_COUNTED)) < records:
            if time.monotonic() > deadline:
                raise Failed(f"{found} of {records} records in PostgreSQL after {timeout_s:.0f} s")
            await asyncio.sleep(_LOOK_EVERY_S)
