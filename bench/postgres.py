"""A private PostgreSQL for a peer that reads its subscribers from one.

Its own directory, a unix socket and no port; fsync and synchronous_commit stay on.
PostgreSQL refuses to run as root, so root steps down to the user `postgres`.
"""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.processes import Failed

_SETTINGS = {
    "listen_addresses": "",
    "shared_buffers": "512MB",
    "max_connections": "60",
    "autovacuum_naptime": "1h",  # a vacuum in one of the runs would be noise
}


@dataclass(frozen=True, slots=True)
class Cluster:
    directory: Path  # holds the socket
    binaries: Path
    owner: str
    pid: int

    def sql(self, statements: str, database: str = "radius") -> str:
        """Run statements through psql; COPY ... FROM stdin may be among them."""
        return _as(
            self.owner,
            [
                str(self.binaries / "psql"),
                *("-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"),
                *("-h", str(self.directory), "-d", database),
            ],
            input_=statements,
        )


def find_binaries() -> Path:
    """The newest PostgreSQL of this machine.

    Raises:
        Failed: there is none.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_major)
    if found:
        return found[-1].parent
    if program := shutil.which("postgres"):
        return Path(program).parent
    raise Failed("no PostgreSQL here: install postgresql")


@contextmanager
def cluster() -> Iterator[Cluster]:
    """A new cluster with an empty database `radius`, gone afterwards."""
    binaries = find_binaries()
    owner = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    directory = Path(tempfile.mkdtemp(prefix="bench-pg-"))
    data = directory / "data"
    control = [str(binaries / "pg_ctl"), "-D", str(data), "-w"]
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, owner)
        _as(
            owner,
            [str(binaries / "initdb"), "-D", str(data), "-A", "trust", "--no-locale", "-E", "UTF8"],
        )
        with (data / "postgresql.conf").open("a") as settings:
            settings.writelines(f"{name} = '{value}'\n" for name, value in _SETTINGS.items())
            settings.write(f"unix_socket_directories = '{directory}'\n")
        _as(owner, [*control, "-l", str(directory / "log"), "start"])
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
        made = Cluster(directory, binaries, owner, pid)
        try:
            made.sql("CREATE DATABASE radius", database="postgres")
            yield made
        finally:
            _as(owner, [*control, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _as(owner: str, command: list[str], input_: str | None = None) -> str:
    done = subprocess.run(
        command,
        input=input_ or "",
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        user=owner if os.geteuid() == 0 else None,
        group=owner if os.geteuid() == 0 else None,
        extra_groups=[] if os.geteuid() == 0 else None,
    )
    if done.returncode:
        raise Failed(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def _major(program: Path) -> int:
    name = program.parent.parent.name
    return int(name) if name.isdigit() else 0
