"""One file of a spool, as its writer and its reader see it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from accounting.segment import LOG_OCTETS, SegmentWriter, beside, has_writer
from accounting.spool_reader import Segment, segments
from tests.accounting.spooling import number_of, record

WRITE = """
import sys, time
from pathlib import Path
from accounting.segment import SegmentWriter
from tests.accounting.spooling import record
writer = SegmentWriter(Path(sys.argv[1]), "3", now_s=1e9, now_monotonic=0.0)
for line in sys.stdin:
    first, count = map(int, line.split())
    writer.append([record(n) for n in range(first, first + count)])
    print("done", flush=True)
writer.seal()
"""


def writer(directory: Path, now_s: float = 1e9) -> SegmentWriter:
    return SegmentWriter(directory, "3", now_s=now_s, now_monotonic=0.0)


def numbers(segment: Segment) -> list[int]:
    return [number_of(spooled.packet) for spooled in segment.batch(0, 1_000_000)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of one worker, number 3."""
    (tmp_path / "3").mkdir()
    return tmp_path / "3"


def test_what_was_appended_is_read_as_it_came(folder: Path) -> None:
    writing = writer(folder)
    writing.append([record(n, size=20 + n) for n in range(1000)])
    writing.append([record(1000, size=4096)])
    [segment] = segments(folder.parent)
    assert (segment.worker, segment.id) == ("3", writing.path.stem)
    found = segment.batch(0, 2000)
    assert [spooled.seq for spooled in found] == list(range(1, 1002))
    assert [tuple(spooled[1:]) for spooled in found] == [
        *(tuple(record(n, size=20 + n)) for n in range(1000)),
        tuple(record(1000, size=4096)),
    ]
    assert segment.last_seq == 1001
    writing.seal()
    segment.close()


def test_it_is_read_in_batches_while_another_process_writes_it(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    found: list[int] = []
    segment: Segment | None = None
    for first in range(0, 20_000, 2_000):
        process.stdin.write(f"{first} 2000\n")
        assert process.stdout.readline() == "done\n"
        [segment] = segments(folder.parent) if segment is None else [segment]
        assert not segment.is_finished
        while batch := segment.batch(len(found), 700):
            found += [number_of(spooled.packet) for spooled in batch]
        assert len(found) == first + 2_000, "what is acknowledged can be read"
    process.stdin.close()
    assert process.wait(10) == 0
    process.stdout.close()
    assert segment is not None
    assert segment.is_finished
    assert segment.is_sealed
    assert found == list(range(20_000))
    segment.remove()
    assert list(folder.iterdir()) == []


def test_a_segment_whose_writer_was_killed_is_finished_and_whole(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("0 500\n")
    process.stdout.readline()
    [segment] = segments(folder.parent)
    states = [segment.is_finished]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stdin.close()
    states += [segment.is_finished, segment.is_sealed]
    assert states == [False, True, False]
    assert numbers(segment) == list(range(500))
    segment.remove()
    assert list(folder.iterdir()) == []


def test_an_empty_segment_leaves_nothing_behind(folder: Path) -> None:
    writer(folder).seal()
    writer(folder).set_aside()
    assert list(folder.iterdir()) == []


def test_one_set_aside_keeps_what_was_stored_and_is_not_written_again(folder: Path) -> None:
    writing = writer(folder)
    writing.append([record(n) for n in range(10)])
    before = {path.name: path.read_bytes() for path in folder.glob("*.segment*")}
    writing.set_aside()
    after = {path.name: path.read_bytes() for path in folder.glob("*.segment*")}
    log, index = beside(writing.path)
    del before[index.name], after[index.name]  # memory, not disk
    assert after == before
    assert log.name in after
    [segment] = segments(folder.parent)
    assert segment.is_finished
    assert not segment.is_sealed
    assert numbers(segment) == list(range(10))
    segment.close()


def test_segments_come_oldest_first_whichever_worker_wrote_them(tmp_path: Path) -> None:
    writers = []
    for worker, now_s in (("0", 1e9 + 2), ("1", 1e9 + 1), ("0", 1e9 + 3), ("2", 1e9)):
        (tmp_path / worker).mkdir(exist_ok=True)
        writers.append(writer(tmp_path / worker, now_s))
        writers[-1].append([record(1)])
    assert [segment.worker for segment in segments(tmp_path)] == ["2", "1", "0", "0"]
    for writing in writers:
        writing.seal()


def test_the_log_stays_small_however_many_commits_there_are(folder: Path) -> None:
    writing = writer(folder)
    log, _ = beside(writing.path)
    [segment] = segments(folder.parent)
    for n in range(3_000):
        writing.append([record(n)])
        writing.tidy()
        if n % 100 == 0:
            segment.batch(n - 100, 100)
    assert log.stat().st_size < 1.5 * LOG_OCTETS
    writing.seal()
    assert segment.last_seq == 3_000
    segment.close()


def test_a_segment_is_gone_for_the_reader_when_it_is_removed(folder: Path) -> None:
    writing = writer(folder)
    writing.append([record(1)])
    writing.seal()
    [segment] = segments(folder.parent)
    segments(folder.parent)[0].remove()
    assert not has_writer(segment.path)
    with pytest.raises(FileNotFoundError):
        segment.batch(0, 1)
    segment.remove()
