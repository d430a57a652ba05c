"""A worker's spool: receipts only for what is on the disk, within its limits."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from accounting.spool_reader import segments
from accounting.spool_writer import BUSY, FULL, STOPPED, DiskSpool, SpoolLimits
from core.clock import Clock
from tests.accounting.spooling import Caller, number_of, record, until

Spool = DiskSpool[int]
Open = Callable[..., tuple[Spool, Caller]]


@pytest_asyncio.fixture
async def open_spool(tmp_path: Path) -> AsyncIterator[Open]:
    """Starts spools with the limits given, and stops them."""
    opened: list[Spool] = []

    def start(worker: str = "0", **limits: float) -> tuple[Spool, Caller]:
        caller = Caller()
        spool = Spool(tmp_path, worker, Clock(), SpoolLimits(**limits))  # type: ignore[arg-type]  # of each limit's type
        spool.start(caller.settled)
        opened.append(spool)
        return spool, caller

    yield start
    for spool in opened:
        await spool.stop()


def stored(root: Path) -> list[int]:
    found = []
    for segment in segments(root):
        found += [number_of(spooled.packet) for spooled in segment.batch(0, 1_000_000)]
        segment.close()
    return found


async def test_a_record_is_on_the_disk_when_its_receipt_is_given(
    open_spool: Open, tmp_path: Path
) -> None:
    spool, caller = open_spool()
    for first in range(0, 1000, 50):
        assert {spool.append(record(n), n) for n in range(first, first + 50)} == {""}
        await caller.told(first + 50)
        assert stored(tmp_path) == caller.durable == list(range(first + 50))
    assert caller.refused == []
    status = spool.status
    assert (status.appended, status.refused, status.records) == (1000, 0, 1000)
    assert 200_000 < status.octets < 400_000


async def test_an_idle_spool_answers_at_once_and_a_busy_one_takes_all_that_waits(
    open_spool: Open,
) -> None:
    spool, caller = open_spool()
    spool.append(record(0), 0)
    await until(lambda: caller.durable)
    loop = asyncio.get_running_loop()
    took = []
    for n in range(1, 21):
        before = loop.time()
        spool.append(record(n), n)
        while len(caller.durable) <= n:  # noqa: ASYNC110 - a sleep of zero is what is measured
            await asyncio.sleep(0)
        took.append(loop.time() - before)
    assert sorted(took)[10] < 0.05, "no timer is involved"
    calls = caller.calls
    for n in range(100):
        spool.append(record(n), n)
    await caller.told(121)
    assert caller.calls == calls + 1, "one commit"


async def test_a_large_batch_is_told_in_parts_so_that_logins_get_their_turn(
    open_spool: Open,
) -> None:
    spool, caller = open_spool()
    for n in range(1000):
        spool.append(record(n), n)
    await caller.told(1000)
    assert caller.calls >= 8
    assert caller.durable == list(range(1000))


async def test_more_than_memory_may_hold_is_refused_at_once(open_spool: Open) -> None:
    spool, caller = open_spool(waiting_max=100)
    said = [spool.append(record(n), n) for n in range(150)]
    assert said == [""] * 100 + [BUSY] * 50
    await caller.told(100)
    assert spool.append(record(150), 150) == ""
    assert spool.status.refused == 50


async def test_stopping_makes_durable_what_was_taken_and_takes_no_more(
    open_spool: Open, tmp_path: Path
) -> None:
    spool, caller = open_spool()
    for n in range(500):
        spool.append(record(n), n)
    stopping = asyncio.create_task(spool.stop())
    await asyncio.sleep(0)
    assert spool.append(record(500), 500) == STOPPED
    await stopping
    await caller.told(500)
    assert stored(tmp_path) == list(range(500))
    [segment] = segments(tmp_path)
    assert segment.is_sealed
    segment.close()


async def test_segments_are_sealed_by_size(open_spool: Open, tmp_path: Path) -> None:
    spool, caller = open_spool(segment_records_max=100)
    for n in range(350):
        spool.append(record(n), n)
        if n % 50 == 49:
            await caller.told(n + 1)
    found = segments(tmp_path)
    assert [segment.last_seq for segment in found] == [100, 100, 100, 50]
    assert [segment.is_finished for segment in found] == [True, True, True, False]
    for segment in found:
        segment.close()


async def test_segments_are_sealed_by_age_while_ingest_keeps_up(
    open_spool: Open, tmp_path: Path
) -> None:
    spool, caller = open_spool(segment_age_s=0.1, segments_by_age_max=2)
    for n in range(6):
        spool.append(record(n), n)
        await caller.told(n + 1)
        await asyncio.sleep(0.2)
    closed = [segment for segment in segments(tmp_path) if segment.is_finished]
    assert len(closed) == 2, "ingest is behind: more files would help nobody"
    for segment in closed:
        segment.remove()
    await until(lambda: len([s for s in segments(tmp_path) if s.is_finished]) == 1)
    [last] = [segment for segment in segments(tmp_path) if segment.is_finished]
    assert [spooled.seq for spooled in last.batch(0, 9)] == [1, 2, 3, 4]
    last.close()


async def test_a_full_spool_refuses_until_ingest_has_made_room(
    open_spool: Open, tmp_path: Path
) -> None:
    """Fault D4: bounded by configuration, alarm at 70 %."""
    with capture_logs() as logs:
        spool, caller = open_spool(records_max=1000, segment_records_max=100)
        taken, levels = 0, []
        while not (said := spool.append(record(taken), taken)):
            taken += 1
            if taken % 10:
                continue
            await caller.told(taken)
            status = spool.status
            levels.append((status.records, status.is_alarming))
    assert said == FULL
    assert taken == 1000
    assert [records for records, alarming in levels if not alarming][-1] == 690
    assert all(alarming for records, alarming in levels if records >= 700)
    assert [entry["event"] for entry in logs] == ["spool_filling", "spool_full"]
    assert spool.status.used >= 1.0
    assert caller.refused == []
    await until(lambda: all(segment.is_finished for segment in segments(tmp_path)))
    for segment in segments(tmp_path)[:4]:
        assert segment.is_sealed
        segment.remove()
    with capture_logs() as logs:
        await until(lambda: not spool.status.is_alarming)
    assert [entry["event"] for entry in logs] == ["spool_takes_records_again", "spool_level_normal"]
    assert spool.append(record(taken), taken) == ""
    await until(lambda: caller.durable[-1] == taken)


async def test_a_segment_that_filled_the_spool_is_handed_over_at_once(
    open_spool: Open, tmp_path: Path
) -> None:
    """It was left open until it was a minute old, and until then ingest could make no room."""
    spool, caller = open_spool(records_max=1000)
    taken = 0
    while not spool.append(record(taken), taken):
        taken += 1
        if taken == 1000:
            await caller.told(taken)
    await until(lambda: [segment.is_finished for segment in segments(tmp_path)] == [True])
    segments(tmp_path)[0].remove()
    await until(lambda: not spool.status.refusing)


async def test_what_an_earlier_process_left_counts_and_stays(
    open_spool: Open, tmp_path: Path
) -> None:
    first, caller = open_spool()
    for n in range(300):
        first.append(record(n), n)
    await first.stop()
    litter = ("0190.fresh", "0190.segment-wal", "0190.writer")
    for name in litter:
        (tmp_path / "0" / name).touch()
    second, caller = open_spool(records_max=400)
    second.append(record(300), 300)
    await until(lambda: caller.durable == [300])
    assert second.status.records == 301
    assert second.status.is_alarming
    assert not any((tmp_path / "0" / name).exists() for name in litter)
    assert stored(tmp_path) == list(range(301))


@pytest.mark.slow
async def test_workers_do_not_disturb_each_other(open_spool: Open, tmp_path: Path) -> None:
    both = [open_spool(worker) for worker in ("0", "1")]
    for n in range(2000):
        both[n % 2][0].append(record(n), n)
        if n % 100 == 0:
            await asyncio.sleep(0.001)
    await until(lambda: sum(len(caller.durable) for _, caller in both) == 2000)
    assert sorted(stored(tmp_path)) == list(range(2000))
