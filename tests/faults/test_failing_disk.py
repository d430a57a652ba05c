"""Faults D5 and D6: the spool's disk is full, or fails, or is gone for good."""

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from accounting.spool_reader import segments
from tests.accounting.spooling import number_of
from tests.faults.disk import Disk, build

PAUSE_S = 0.3


class Appending:
    """A process that spools all the time, and what it said so far."""

    def __init__(self, root: Path, environment: dict[str, str]) -> None:
        self.ok: list[int] = []
        self.no: list[int] = []
        self.state = ("-", 0)
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.appending", str(root), "--pause", str(PAUSE_S)],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._said.put(line)

    def listen(self) -> None:
        """Take in what it has said by now."""
        while not self._said.empty():
            kind, *rest = self._said.get().split()
            if kind == "state":
                self.state = (rest[0], int(rest[1]))
            else:
                (self.ok if kind == "ok" else self.no).extend(map(int, rest))

    def acknowledges(self, count: int = 50, within_s: float = 10.0) -> float:
        """Wait until it has acknowledged so many more; returns how long that took."""
        self.listen()
        until, began = len(self.ok) + count, time.monotonic()
        while len(self.ok) < until:
            assert time.monotonic() < began + within_s, f"only {self.state}"
            assert self._process.poll() is None, "it ended"
            time.sleep(0.01)
            self.listen()
        return time.monotonic() - began

    def refuses(self) -> None:
        """Wait until it acknowledges nothing."""
        until = time.monotonic() + 5
        while self.state[0] == "-":
            assert time.monotonic() < until
            time.sleep(0.01)
            self.listen()

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(10) == 0
        self._reader.join()
        self.listen()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            pipe.close()


def stored(root: Path) -> list[int]:
    found = []
    for segment in segments(root):
        assert segment.is_finished
        found += [number_of(spooled.packet) for spooled in segment.batch(0, 1_000_000)]
        segment.close()
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    return build(tmp_path_factory.mktemp("disk"), Path("/nowhere"))


@pytest.fixture
def disk(library: Disk, tmp_path: Path) -> Disk:
    """Under the spool of this test."""
    spool = tmp_path / "spool"
    return Disk(library.library, str(spool), tmp_path / "control", tmp_path / "trace")


@pytest.fixture
def appending(disk: Disk) -> Iterator[Appending]:
    with closing(Appending(Path(disk.path), dict(disk.environment(traces=True)))) as process:
        yield process


@pytest.mark.slow
@pytest.mark.parametrize(
    "order", ["fsync EIO", "write EIO", "write ENOSPC", "fsync ENOSPC"], ids=lambda order: order
)
def test_a_disk_that_fails_means_silence_then_a_new_segment(
    disk: Disk, appending: Appending, order: str
) -> None:
    appending.acknowledges(200)
    disk.fails(order)
    appending.refuses()
    assert appending.state[0] == "spool-failing"
    told = len(appending.ok)
    time.sleep(3 * PAUSE_S)
    appending.listen()
    assert len(appending.ok) == told, "nothing is acknowledged after it"
    assert appending.no
    assert appending.state[1] >= 2, "it tried again, elsewhere"
    disk.fails()
    assert appending.acknowledges() < 10
    assert appending.state[0] == "-"
    appending.close()
    found = stored(Path(disk.path))
    assert set(appending.ok) <= set(found), "acknowledged and lost"
    assert len(found) == len(set(found))
    assert len(segments(Path(disk.path))) >= 2


@pytest.mark.slow
def test_a_failed_fsync_is_never_repeated(disk: Disk, appending: Appending) -> None:
    """The kernel may have thrown the pages away and call them clean: a second one would lie."""
    appending.acknowledges(200)
    [before] = Path(disk.path).glob("*/*.segment")
    disk.fails("fsync EIO")
    appending.refuses()
    disk.fails()
    appending.acknowledges()
    appending.close()
    concerned = [change.kind for change in disk.changes() if before.stem in change.path]
    failed = concerned.index("F")
    assert not {"W", "S", "F", "T"} & set(concerned[failed + 1 :])


@pytest.mark.slow
def test_a_disk_that_is_broken_from_the_start_is_no_reason_to_exit(
    disk: Disk, library: Disk
) -> None:
    disk.fails("write EIO")
    with closing(Appending(Path(disk.path), dict(disk.environment()))) as appending:
        appending.refuses()
        time.sleep(2 * PAUSE_S)
        appending.listen()
        assert appending.ok == []
        disk.fails()
        appending.acknowledges()
    assert set(appending.ok) <= set(stored(Path(disk.path)))


@pytest.mark.slow
def test_failing_over_and_over_leaves_no_litter(disk: Disk, appending: Appending) -> None:
    for _ in range(3):
        appending.acknowledges(20)
        disk.fails("fsync EIO")
        appending.refuses()
        time.sleep(2 * PAUSE_S)
        disk.fails()
        appending.acknowledges(20)
    appending.close()
    names = {path.name for path in Path(disk.path).glob("*/*")}
    assert {name for name in names if not name.endswith((".segment", "-wal", "-shm"))} == set()
    assert len(segments(Path(disk.path))) == 4
    assert set(appending.ok) <= set(stored(Path(disk.path)))


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_without_space_is_silence_until_there_is_some(tmp_path: Path) -> None:
    """Fault D5, on a real disk of four megabytes."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "turnpike-test", str(mounted)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        with closing(Appending(mounted / "spool", dict(os.environ))) as appending:
            appending.acknowledges(50)
            ballast = mounted / "ballast"
            with ballast.open("wb", buffering=0) as file:
                try:
                    while file.write(bytes(4096)):
                        pass
                except OSError:
                    pass
            appending.refuses()
            time.sleep(3 * PAUSE_S)
            appending.listen()
            assert appending.no
            ballast.unlink()
            assert appending.acknowledges() < 10
        assert set(appending.ok) <= set(stored(mounted / "spool"))
    finally:
        subprocess.run(["umount", str(mounted)], check=True)
