"""What each process says of itself, once a second, where the web process can read it.

A file per process, replaced whole: no socket to hang on, and what a process said last
survives it.  Knows no process and no metric; those are `app`'s and `web`'s words.
"""

from pathlib import Path
from typing import TypeVar

import msgspec

T = TypeVar("T", bound=msgspec.Struct)


def write(directory: Path, name: str, status: msgspec.Struct) -> None:
    """Replace what `name` says."""
    path = directory / f"{name}.json"
    fresh = path.with_suffix(".new")
    fresh.write_bytes(msgspec.json.encode(status))
    fresh.replace(path)


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
