"""A disk that fails when told to, or remembers every change: disk.c, for other processes."""

import os
import shutil
import struct
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("disk.c")
_HEAD = struct.Struct("<cHHqI")


@dataclass(frozen=True, slots=True)
class Change:
    """One of: W(rite), S(ync), F(ailed sync), T(runcate), R(ename), U(nlink)."""

    kind: str
    path: str
    other: str
    offset: int
    octets: bytes


@dataclass(frozen=True, slots=True)
class Disk:
    """Stands between a process and the files whose path contains `path`."""

    library: Path
    path: str
    control: Path
    trace: Path

    def environment(self, *, traces: bool = False, kill_at: int = 0) -> Mapping[str, str]:
        """For the process that is to use this disk."""
        found = {
            **os.environ,
            "LD_PRELOAD": str(self.library),
            "DISK_PATH": self.path,
            "DISK_CONTROL": str(self.control),
        }
        if traces:
            found["DISK_TRACE"] = str(self.trace)
        if kill_at:
            found["DISK_KILL_AT"] = str(kill_at)
        return found

    def fails(self, *orders: str) -> None:
        """From now on: "fsync EIO", "write ENOSPC" and the like; none: it is well again."""
        partial = self.control.with_suffix(".new")
        partial.write_text("".join(order + "\n" for order in orders))
        partial.replace(self.control)

    def changes(self) -> Iterator[Change]:
        """What the process did, in its order."""
        octets, at = self.trace.read_bytes(), 0
        while at < len(octets):
            kind, path, other, offset, size = _HEAD.unpack_from(octets, at)
            at += _HEAD.size
            names = octets[at : at + path + other].decode()
            at += path + other
            yield Change(kind.decode(), names[:path], names[path:], offset, octets[at : at + size])
            at += size


def build(directory: Path, path: Path) -> Disk:
    """Compile it into `directory`, for files under `path`."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("needs a C compiler")
    library = directory / "disk.so"
    flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(
        [compiler, *flags, "-o", str(library), str(SOURCE), "-ldl", "-lpthread"], check=True
    )
    return Disk(library, str(path), directory / "control", directory / "trace")
