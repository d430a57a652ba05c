"""Segments that a dying disk damaged: what is readable is saved, once, and nothing stops."""

import fcntl
import sqlite3
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest
from structlog.testing import capture_logs

from accounting.segment import SegmentWriter, beside
from accounting.spool_reader import Segment, segments
from accounting.spool_writer import DiskSpool
from core.clock import Clock
from tests.accounting.spooling import Caller, number_of, record
from tests.faults.disk import build

PAGE = 4096
RECORDS = 2_000
READ = """
import sys
from pathlib import Path
from accounting.spool_reader import segments
print(sum(len(segment.batch(0, 10**6)) for segment in segments(Path(sys.argv[1]))))
"""


@pytest.fixture
def segment(tmp_path: Path) -> Segment:
    """Sealed, about 130 pages, all in the file and none in the log."""
    folder = tmp_path / "spool" / "0"
    folder.mkdir(parents=True)
    writing = SegmentWriter(folder, "0", now_s=1e9, now_monotonic=0.0)
    for first in range(0, RECORDS, 500):
        writing.append([record(n) for n in range(first, first + 500)])
    writing.seal()
    for file in beside(writing.path):
        file.unlink()
    return Segment(writing.path)


def damage(path: Path, at: int, octets: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(octets)


def numbers(segment: Segment) -> list[int]:
    found = segment.batch(0, 1_000_000)
    assert [spooled.seq for spooled in found] == [number_of(s.packet) + 1 for s in found]
    return [number_of(spooled.packet) for spooled in found]


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param([5], id="one near the beginning"),
        pytest.param([60], id="one in the middle"),
        pytest.param([-1], id="the last"),
        pytest.param([20, 60, 61, 100], id="several"),
    ],
)
def test_what_lies_around_damaged_pages_is_saved(segment: Segment, pages: list[int]) -> None:
    count = segment.path.stat().st_size // PAGE
    for page in pages:
        damage(segment.path, page % count * PAGE, b"\xa5" * PAGE)
    with capture_logs() as logs:
        found = numbers(segment)
    lost = RECORDS - len(found)
    assert 0 < lost <= 20 * len(pages), "a page holds seventeen"
    assert [entry["event"] for entry in logs] == ["spool_segment_damaged"]
    assert logs[0]["records_saved"] == len(found)
    assert segment.is_sealed
    assert segment.path.with_suffix(".damaged").exists()
    assert numbers(Segment(segment.path)) == found, "and it is an ordinary segment from now on"
    segment.remove()
    assert {path.suffix[:8] for path in segment.path.parent.iterdir()} == {".damaged"}


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"", id="of no length"),
        pytest.param(b"not a database" * 1000, id="something else"),
        pytest.param(bytes(100_000), id="zeros"),
    ],
)
def test_a_file_that_is_no_segment_is_put_aside(segment: Segment, octets: bytes) -> None:
    segment.path.write_bytes(octets)
    with capture_logs() as logs:
        assert numbers(segment) == []
    assert logs[0]["records_saved"] == 0
    assert segment.is_finished
    assert segment.last_seq == 0
    assert segment.path.with_suffix(".damaged").read_bytes() == octets
    segment.close()


def test_no_length_and_no_flipped_octets_stop_the_reader(segment: Segment, tmp_path: Path) -> None:
    """Fault D7's second half: files cut or damaged anywhere, the worker's start included."""
    whole, random = segment.path.read_bytes(), Random(7)
    for n in range(120):
        folder = tmp_path / str(n) / "0"
        folder.mkdir(parents=True)
        octets = bytearray(whole)
        if n % 2:
            del octets[random.randrange(len(octets)) :]
        else:
            for _ in range(random.choice((1, 10, 1000))):
                octets[random.randrange(len(octets))] = random.randrange(256)
        (folder / segment.path.name).write_bytes(octets)
        with capture_logs():
            [broken] = segments(tmp_path / str(n))
            found = broken.batch(0, 1_000_000)
            assert broken.is_finished
        sequence = [spooled.seq for spooled in found]
        assert sequence == sorted(set(sequence)), "ingest goes forward"
        broken.remove()
        assert list(folder.glob("*.segment*")) == []


async def test_a_worker_starts_beside_a_damaged_segment(segment: Segment) -> None:
    segment.path.write_bytes(b"not a database" * 1000)
    caller = Caller()
    spool: DiskSpool[int] = DiskSpool(segment.path.parents[1], "0", Clock())
    spool.start(caller.settled)
    spool.append(record(1), 1)
    await caller.told(1)
    assert spool.status.failures == 0
    await spool.stop()


def test_one_that_is_being_written_is_left_to_its_writer(segment: Segment) -> None:
    damage(segment.path, 60 * PAGE, b"\xa5" * PAGE)
    writer = segment.path.with_suffix(".writer")
    with writer.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(sqlite3.DatabaseError, match="malformed"):
            segment.batch(0, 1_000_000)
        assert not segment.path.with_suffix(".damaged").exists()
    with capture_logs():
        assert len(numbers(segment)) > RECORDS - 20
    segment.close()


@pytest.mark.slow
def test_salvaging_may_be_interrupted_anywhere(segment: Segment, tmp_path: Path) -> None:
    damage(segment.path, 60 * PAGE, b"\xa5" * PAGE)
    damaged = segment.path.read_bytes()
    root = segment.path.parents[1]
    disk = build(tmp_path, root)
    killed, saved, at = 0, set[str](), 1
    while True:
        for file in segment.path.parent.iterdir():
            file.unlink()
        segment.path.write_bytes(damaged)
        command = [sys.executable, "-c", READ, str(root)]
        first = subprocess.run(
            command, env=disk.environment(kill_at=at), check=False, capture_output=True
        )
        if first.returncode == 0:
            break
        killed += 1
        again = subprocess.run(command, check=True, capture_output=True, text=True)
        saved.add(again.stdout.split()[-1])  # after a line of the log
        assert segment.path.with_suffix(".damaged").read_bytes() == damaged
        at += 1
    assert killed > 10
    assert len(saved) == 1, "always the same"
    assert RECORDS - 20 <= int(saved.pop()) < RECORDS
