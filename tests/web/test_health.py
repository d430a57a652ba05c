"""What /healthz says of what the processes of a node say."""

import os
from pathlib import Path

from aaa.status import ReplicatorStatus, WorkerStatus
from core import status
from web.health import FRESH_S, Health, assess

NOW = 1_800_000_000.0


def worker(directory: Path, number: int, *, said_at: float = NOW) -> None:
    status.write(directory, f"worker-{number}", WorkerStatus(1, NOW, [], {}, 0, 0, False))
    os.utime(directory / f"worker-{number}.json", (said_at, said_at))


def replicator(directory: Path, *, connected: bool = True, said_at: float = NOW) -> None:
    said = ReplicatorStatus(1, NOW, connected, NOW - 0.25, 3, 1, 42, 0)
    status.write(directory, "replicator", said)
    os.utime(directory / "replicator.json", (said_at, said_at))


def test_a_node_that_serves_and_is_current(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    worker(tmp_path, 1)
    replicator(tmp_path)
    assert assess(tmp_path, NOW) == Health(True, 2, "connected", 0.25, 42)


def test_a_node_without_its_database_still_serves(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    replicator(tmp_path, connected=False)
    assert assess(tmp_path, NOW) == Health(True, 1, "away", 0.25, 42)


def test_a_replicator_that_fell_silent_is_not_believed(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    replicator(tmp_path, said_at=NOW - FRESH_S - 1)
    assert assess(tmp_path, NOW).database == "away"


def test_one_that_never_reached_its_database_knows_nothing_of_it(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    assert assess(tmp_path, NOW) == Health(True, 1, "away", None, None)


def test_workers_that_fell_silent_do_not_count(tmp_path: Path) -> None:
    worker(tmp_path, 0, said_at=NOW - FRESH_S - 1)
    worker(tmp_path, 1)
    assert assess(tmp_path, NOW).workers == 1
    worker(tmp_path, 1, said_at=NOW - FRESH_S - 1)
    assert assess(tmp_path, NOW) == Health(False, 0, "away", None, None)


def test_a_node_without_logins_serves_without_workers(tmp_path: Path) -> None:
    assert assess(tmp_path, NOW, logs_in=False).serving


def test_a_file_of_another_version_or_half_gone_is_left_out(tmp_path: Path) -> None:
    worker(tmp_path, 0)
    (tmp_path / "worker-1.json").write_text('{"pid": "one"}')
    (tmp_path / "worker-2.json").write_text("")
    (tmp_path / "replicator.json").write_text("[]")
    assert assess(tmp_path, NOW) == Health(True, 1, "away", None, None)
