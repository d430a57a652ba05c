"""A PostgreSQL that is not Turnpike's own, and what may happen to it."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core import postgres_pidfile
from core.postgres import Cluster


class Outside:
    """A PostgreSQL that is somebody else's business, and their clumsiness."""

    def __init__(self, directory: Path) -> None:
        self.cluster = Cluster(directory, durable=False)
        self.data = directory / "data"
        self.url = self.cluster.start()

    def refuse(self) -> None:
        self.cluster.stop()

    def crash(self) -> None:
        postmaster = postgres_pidfile.read(self.data)
        assert postmaster is not None
        os.kill(postmaster.pid, signal.SIGKILL)

    def hang(self) -> None:
        self._signal(signal.SIGSTOP)

    def back(self) -> None:
        self._signal(signal.SIGCONT)
        self.cluster.start()

    def _signal(self, number: signal.Signals) -> None:
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == self.data.resolve():
                    os.kill(int(process.name), number)
            except OSError:
                continue


@contextmanager
def outside_database() -> Iterator[Outside]:
    """A new one, gone afterwards."""
    directory = Path(tempfile.mkdtemp(prefix="turnpike-outside-"))
    one = Outside(directory)
    try:
        yield one
    finally:
        one.back()
        one.cluster.stop()
        shutil.rmtree(directory)
