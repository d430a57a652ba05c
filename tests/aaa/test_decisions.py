"""The worker's file of decisions: complete below the allowance, sampled above, bounded always."""

import os
from pathlib import Path

import msgspec

from aaa.decisions import (
    FILES_MAX,
    KEPT_IN_FLOOD,
    DecisionLog,
    DecisionRecord,
    decode,
    encode,
)

GOOD = DecisionRecord(
    1_800_000_000.5, 1, 2, "bras-1", r"alice\x00", "02:00:5e:10:00:01", "reject", "password", "pap",
    3, [("known", "subscriber found", "ok"), ("proven", "proof=failed password", "password")],
)  # fmt: skip


def log_in(path: Path, *, rate_max: int = 100, file_octets_max: int = 1 << 20) -> DecisionLog:
    return DecisionLog(path, rate_max=rate_max, file_octets_max=file_octets_max)


def lines(path: Path) -> list[bytes]:
    return [line for file in path.glob("*.decisions") for line in file.read_bytes().splitlines()]


def test_a_record_reads_back_as_it_was_written(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.add(GOOD)
    assert lines(tmp_path) == []  # a turn gathers, its end writes
    log.flush()
    log.close()
    assert [decode(line) for line in lines(tmp_path)] == [GOOD]


def test_nothing_decided_writes_nothing(tmp_path: Path) -> None:
    log_in(tmp_path).flush()
    assert list(tmp_path.iterdir()) == []


def test_no_record_breaks_a_line_whatever_a_name_holds() -> None:
    nasty = "a\nb\r\u2028c\x00\ud7ff"
    octets = encode(DecisionRecord(0.0, 1, 2, nasty, nasty, nasty, "accept", "", "pap", 0, []))
    assert len(octets.splitlines()) == 1
    assert decode(octets).username == nasty


def test_a_flood_is_sampled_and_counted_and_refusals_have_their_own_allowance(
    tmp_path: Path,
) -> None:
    log = log_in(tmp_path, rate_max=10)
    kept = sum(log.wants("accept", 1_000) for _ in range(1_000))
    assert kept == 10 + 1_000 // KEPT_IN_FLOOD
    assert log.dropped == 1_000 - kept
    assert all(log.wants("reject", 1_000) for _ in range(10))
    assert all(log.wants("accept", 1_001) for _ in range(10))  # another second


def test_files_are_bounded_and_the_oldest_goes_first(tmp_path: Path) -> None:
    """A database that is away for a day must not fill the disk (fault D4)."""
    record = len(encode(GOOD)) + 1
    log = log_in(tmp_path, file_octets_max=3 * record)
    for number in range(60):
        log.add(msgspec.structs.replace(GOOD, at=float(number)))
        log.flush()
        for file in tmp_path.glob("*.decisions"):  # this disk's clock may be coarse
            status = file.stat()
            if status.st_mtime > 1_000_000:
                os.utime(file, (number, number))
    log.close()
    assert len(list(tmp_path.glob("*.decisions"))) <= FILES_MAX + 1
    kept = {decode(line).at for line in lines(tmp_path)}
    assert max(kept) == 59.0
    assert min(kept) > 40.0


def test_a_file_that_was_shipped_and_removed_is_followed_by_another(tmp_path: Path) -> None:
    log = log_in(tmp_path)
    log.add(GOOD)
    log.flush()
    for file in tmp_path.glob("*.decisions"):
        file.unlink()
    log.add(GOOD)
    log.flush()
    log.close()
    assert len(lines(tmp_path)) == 1


def test_a_disk_that_fails_costs_records_and_no_login(tmp_path: Path) -> None:
    log = log_in(tmp_path / "decisions")
    (tmp_path / "decisions").rmdir()
    for _ in range(2):
        log.add(GOOD)
        log.flush()
    assert log.dropped == 2
    (tmp_path / "decisions").mkdir()
    log.add(GOOD)
    log.flush()
    log.close()
    assert len(lines(tmp_path / "decisions")) == 1
