"""What /healthz says of what the processes of a node say."""

import os
from pathlib import Path

from msgspec.structs import replace

from aaa.enforcement_status import EnforcementStatus
from aaa.status import ReplicatorStatus, WorkerStatus
from accounting.spool import SpoolStatus
from accounting.status import LATE_AFTER_S, IngestStatus
from core import status
from web.health import FRESH_S, AccountingHealth, Health, assess

NOW = 1_800_000_000.0
EMPTY = SpoolStatus(0, 0, 0.0, False, "", 0, 0, 0)
UNKNOWN = AccountingHealth(None, 0.0, ())


def worker(
    directory: Path, number: int, *, said_at: float = NOW, spool: SpoolStatus = EMPTY
) -> None:
    said = WorkerStatus(1, NOW, [], {}, 0, 0, False, spool)
    status.write(directory, f"worker-{number}", said)
    os.utime(directory / f"worker-{number}.json", (said_at, said_at))


def replicator(directory: Path, *, connected: bool = True, said_at: float = NOW) -> None:
    said = ReplicatorStatus(1, NOW, connected, NOW - 0.25, 3, 1, 42, 0)
    status.write(directory, "replicator", said)
    os.utime(directory / "replicator.json", (said_at, said_at))


def test_a_node_that_serves_and_is_current(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    worker(tmp_path, 1)
    replicator(tmp_path)
    assert assess(tmp_path, NOW) == Health(True, 2, "connected", 0.25, 42, UNKNOWN)


def test_a_node_without_its_database_still_serves(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    replicator(tmp_path, connected=False)
    assert assess(tmp_path, NOW) == Health(True, 1, "away", 0.25, 42, UNKNOWN)


def test_a_replicator_that_fell_silent_is_not_believed(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    replicator(tmp_path, said_at=NOW - FRESH_S - 1)
    assert assess(tmp_path, NOW).database == "away"


def test_one_that_never_reached_its_database_knows_nothing_of_it(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    assert assess(tmp_path, NOW) == Health(True, 1, "away", None, None, UNKNOWN)


def test_workers_that_fell_silent_do_not_count(tmp_path: Path) -> None:
    worker(tmp_path, 0, said_at=NOW - FRESH_S - 1)
    worker(tmp_path, 1)
    assert assess(tmp_path, NOW).workers == 1
    worker(tmp_path, 1, said_at=NOW - FRESH_S - 1)
    assert assess(tmp_path, NOW) == Health(False, 0, "away", None, None, UNKNOWN)


def test_a_node_without_logins_serves_without_workers(tmp_path: Path) -> None:
    assert assess(tmp_path, NOW, logs_in=False).serving


def test_a_file_of_another_version_or_half_gone_is_left_out(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    (tmp_path / "worker-1.json").write_text('{"pid": "one"}')
    (tmp_path / "worker-2.json").write_text("")
    (tmp_path / "replicator.json").write_text("[]")
    assert assess(tmp_path, NOW) == Health(True, 1, "away", None, None, UNKNOWN)


def ingest(
    directory: Path, *, waiting: int = 0, oldest_at: float = 0.0, letters: bool = False
) -> None:
    said = IngestStatus(1, NOW, True, 5, 1, 0, 0, waiting, oldest_at, NOW, 9, letters)
    status.write(directory, "ingest", said)
    os.utime(directory / "ingest.json", (NOW, NOW))


def test_records_on_their_way_are_told_and_no_alarm(tmp_path: Path) -> None:
    worker(tmp_path, 0, spool=replace(EMPTY, records=9))
    ingest(tmp_path, waiting=7, oldest_at=NOW - LATE_AFTER_S + 1)
    assert assess(tmp_path, NOW).accounting == AccountingHealth(7, LATE_AFTER_S - 1, ())


def test_a_record_that_waits_for_a_minute_is_an_alarm_and_logins_go_on(tmp_path: Path) -> None:
    """Fault O4."""
    worker(tmp_path, 0)
    ingest(tmp_path, waiting=1, oldest_at=NOW - LATE_AFTER_S - 1)
    health = assess(tmp_path, NOW)
    assert health.serving
    assert health.accounting == AccountingHealth(1, LATE_AFTER_S + 1, ("not-drained",))


def test_too_many_records_that_could_not_be_counted_are_an_alarm(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    ingest(tmp_path, letters=True)
    assert assess(tmp_path, NOW).accounting == AccountingHealth(0, 0.0, ("dead-letters",))


def test_an_ingest_that_fell_silent_is_an_alarm_while_there_are_records(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    ingest(tmp_path)
    os.utime(tmp_path / "ingest.json", (NOW - FRESH_S, NOW - FRESH_S))
    assert assess(tmp_path, NOW).accounting == UNKNOWN
    worker(tmp_path, 0, spool=replace(EMPTY, records=1))
    assert assess(tmp_path, NOW).accounting.alarms == ("ingest-silent",)


def test_a_spool_says_what_is_wrong_with_it(tmp_path: Path) -> None:
    worker(tmp_path, 0, spool=replace(EMPTY, is_alarming=True))
    worker(tmp_path, 1, spool=replace(EMPTY, is_alarming=True, refusing="spool-full"))
    ingest(tmp_path)
    assert assess(tmp_path, NOW).accounting.alarms == ("spool-filling", "spool-full")


def test_a_nas_that_is_silent_to_coa_is_an_alarm_and_refusals_are_counted(tmp_path: Path) -> None:
    said = EnforcementStatus(1, {"stopped": 2, "due": 9}, {}, ["bras-1"], 0, 0, 0.0, 0, 0, [])
    status.write(tmp_path, "enforcement", said)
    os.utime(tmp_path / "enforcement.json", (NOW, NOW))
    assert assess(tmp_path, NOW).enforcement == (
        "nas-silent: bras-1",
        "refused: 2 sessions, see turnpike enforcement list",
    )
    assert assess(tmp_path, NOW + FRESH_S + 1).enforcement == (), "nobody says so any more"
