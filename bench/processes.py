"""Programs under measurement: start, await, stop, and what they cost, read from /proc.

A server is a tree of processes.  CPU is user and system time of all of it, the reaped
included; PostgreSQL is told apart by its command name, because a figure that hides the
database would flatter whoever leans on it.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_STOP_S = 20.0


class Failed(Exception):
    """A program did not start, or said something unexpected; the text shows its last words."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """Seconds of CPU since the start of the processes."""

    server_s: float
    postgres_s: float

    def __sub__(self, other: "Cpu") -> "Cpu":
        return Cpu(self.server_s - other.server_s, self.postgres_s - other.postgres_s)


@dataclass(frozen=True, slots=True)
class Memory:
    """Private octets (clean and dirty) of one process."""

    pid: int
    command: str
    private_octets: int


@dataclass(slots=True)
class Program:
    """A started process, its output in a file."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def wait_for(self, said: Callable[[str], bool], timeout_s: float) -> str:
        """The output, as soon as `said` is true of it.

        Raises:
            Failed: it ended before, or the time is up.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            output = self.output()
            if said(output):
                return output
            if self.process.poll() is not None:
                raise Failed(f"ended with {self.process.returncode}:\n{output[-3000:]}")
            if time.monotonic() > deadline:
                raise Failed(f"not ready after {timeout_s:.0f} s:\n{output[-3000:]}")
            time.sleep(0.005)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def running(
    command: list[str], *, environment: dict[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Program]:
    """Start a program and stop it at the end, whatever happened between."""
    with tempfile.TemporaryDirectory(prefix="bench-log-") as directory:
        log = Path(directory) / "output"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=cwd,
            )
        program = Program(process, log)
        try:
            yield program
        finally:
            program.stop()


def run(
    command: list[str], *, timeout_s: float = 900, environment: dict[str, str] | None = None
) -> str:
    """Run a command to its end and return what it printed.

    Raises:
        Failed: it ended with another status than 0.
    """
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env=environment,
    )
    if done.returncode:
        raise Failed(f"{command[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return done.stdout


def tree(roots: list[int]) -> list[int]:
    """These processes and all that descend from them."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            parents.setdefault(int(stat[3]), []).append(int(entry.name))
    found, waiting = [], list(roots)
    while waiting:
        pid = waiting.pop()
        if pid not in found:
            found.append(pid)
            waiting.extend(parents.get(pid, []))
    return found


def cpu(roots: list[int]) -> Cpu:
    """What a server has used up to now; `roots` are its own and its database's first process."""
    server = postgres = 0
    for pid in tree(roots):
        if stat := _stat(pid):
            ticks = sum(int(stat[field]) for field in (13, 14, 15, 16))
            if stat[1] == "postgres":
                postgres += ticks
            else:
                server += ticks
    return Cpu(server / _TICKS_PER_S, postgres / _TICKS_PER_S)


def memory(roots: list[int]) -> list[Memory]:
    """Private memory of each process that is not PostgreSQL's."""
    found = []
    for pid in tree(roots):
        stat = _stat(pid)
        if stat is None or stat[1] == "postgres":
            continue
        try:
            private = private_octets(pid)
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has ended meanwhile
        found.append(Memory(pid, command, private))
    return found


def private_octets(pid: int) -> int:
    """What a process has to itself.

    Raises:
        FileNotFoundError, ProcessLookupError: it has ended.
    """
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Private_"))


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat, the command (which may hold spaces) as one of them."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    before, _, after = text.rpartition(")")
    number, _, command = before.partition(" (")
    return [number, command, *after.split()]
