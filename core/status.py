"""What each process says of itself, once a second, where the web process can read it.

A file per process, replaced whole: no socket to hang on, and what a process said last
survives it.  Knows no process and no metric; those are `app`'s and `web`'s words.
"""

import contextlib
import os
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog

log = structlog.get_logger()

T = TypeVar("T", bound=msgspec.Struct)


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
    try:
        fresh.write_bytes(msgspec.json.encode(status))
        fresh.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


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
