"""Which processes serve a PostgreSQL data directory: its pid file, and what to believe of it."""

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Postmaster:
    """What a live server says of itself (lines 1, 5 and 8 of postmaster.pid)."""

    pid: int
    socket_dir: str
    status: str  # starting, ready, standby or stopping; empty while the file is being written


def read(data: Path) -> Postmaster | None:
    """The live server of this data directory.

    A killed server leaves its pid file, and its number may be another process' by now (in
    a container it often is).  PostgreSQL would then refuse to start, so that file is
    removed; the shared memory of the data directory still guards against a second server.
    """
    file = data / "postmaster.pid"
    try:
        lines = file.read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].isdigit():
        return None
    pid = int(lines[0])
    if not _runs_in(pid, data):
        if _is_alive(pid):
            file.unlink(missing_ok=True)
        return None
    lines += [""] * 8
    return Postmaster(pid, lines[4].strip(), lines[7].strip())


def end_orphans(data: Path) -> None:
    """End the children that a killed server of `data` left; call it when `read` finds none.

    They notice by themselves when they next wait, but one in the middle of a long query
    would hold the data directory's shared memory, and the next server up, until it is done.
    """
    for process in Path("/proc").glob("[0-9]*"):
        if _runs_in(int(process.name), data):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(process.name), signal.SIGQUIT)


def _runs_in(pid: int, data: Path) -> bool:
    """Whether `pid` is the server of `data` or its child: they live in that directory."""
    if not Path("/proc/self").exists():
        return _is_alive(pid)
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == data.resolve()
    except OSError:
        return False  # gone, or another user's


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:  # gone; or another user's, which PostgreSQL takes for gone as well
        return False
    return True
