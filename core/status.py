"""What each process says of itself, once a second, where the web process can read it.

A file per process, replaced whole as long as there is room: no socket to hang on, and what
a process said last survives it.  Knows no process and no metric; those are `app`'s and
`web`'s words.
"""

import contextlib
import errno
import os
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import structlog

log = structlog.get_logger()

T = TypeVar("T", bound=msgspec.Struct)

BLOCK_OCTETS: Final = 4096  # what grows a little keeps its size


class Reporter:
    """What one process says.  A disk that is full costs the report, never the process."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._failing = False

    def tell(self, status: msgspec.Struct) -> None:
        """Say it; what cannot be written is logged once, and tried again the next time."""
        try:
            write(self._directory, self._name, status)
        except OSError as error:
            if not self._failing:
                log.error("status_not_written", name=self._name, error=str(error))  # noqa: TRY400
            self._failing = True
        else:
            self._failing = False


def write(directory: Path, name: str, status: msgspec.Struct) -> None:
    """Replace what `name` says.

    Raises:
        OSError: it could not be written; what was said before still stands.
    """
    path = directory / f"{name}.json"
    # While one is replaced by its successor both speak under the same name.
    fresh = path.with_suffix(f".{os.getpid()}.new")
    octets = msgspec.json.encode(status)
    octets = octets.ljust(-(-len(octets) // BLOCK_OCTETS) * BLOCK_OCTETS)  # to JSON it is the same
    try:
        fresh.write_bytes(octets)
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        _write_over(path, octets)


def _write_over(path: Path, octets: bytes) -> None:
    """Put it into the blocks that the file has: a disk without room for another takes that,
    and a node that answers logins must not seem dead.  Who reads just then reads rubbish,
    which is left out.

    Raises:
        OSError: there is no such file, it is too small, or the disk fails.
    """
    with path.open("r+b", buffering=0) as file:
        if os.fstat(file.fileno()).st_size < len(octets):
            raise OSError(errno.ENOSPC, "no room for a longer status", str(path))
        file.write(octets)
        file.truncate()


def read(directory: Path, pattern: str, kind: type[T]) -> dict[str, tuple[T, float]]:
    """Name -> (what it says, when it said so in Unix seconds) of all that match `pattern`.

    One that cannot be read is left out: a process of another version wrote it.
    """
    found: dict[str, tuple[T, float]] = {}
    for path in sorted(directory.glob(f"{pattern}.json")):
        try:
            status = msgspec.json.decode(path.read_bytes(), type=kind)
            found[path.stem] = (status, path.stat().st_mtime)
        except (OSError, msgspec.DecodeError):
            continue
    return found
