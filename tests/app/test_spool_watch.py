"""A node whose spool refuses is deaf, however well it counts the rest."""

import os
from pathlib import Path

from aaa.status import WorkerStatus
from accounting.spool import SpoolStatus
from app.spool_watch import SpoolWatch
from core import status
from core.clock import Clock


def says(
    directory: Path,
    name: str,
    *,
    refusing: str = "",
    appended: int = 0,
    refused: int = 0,
    ago_s: float = 0.0,
) -> None:
    spool = SpoolStatus(0, 0, 0.0, bool(refusing), refusing, appended, refused, 0)
    worker = WorkerStatus(1, 0.0, [], {}, 0, 0, False, spool)
    status.write(directory, name, worker)
    at_s = Clock().unix_s() - ago_s
    os.utime(directory / f"{name}.json", (at_s, at_s))


def test_one_worker_that_refuses_makes_the_node_deaf(tmp_path: Path) -> None:
    watch = SpoolWatch(tmp_path, Clock())
    assert not watch.is_refusing()
    says(tmp_path, "worker-0")
    assert not watch.is_refusing()
    says(tmp_path, "worker-1", refusing="spool-full")
    assert watch.is_refusing()
    says(tmp_path, "worker-1")
    assert not watch.is_refusing()


def test_a_worker_that_is_gone_says_nothing(tmp_path: Path) -> None:
    says(tmp_path, "worker-7", refusing="spool-failing", ago_s=60.0)
    assert not SpoolWatch(tmp_path, Clock()).is_refusing()


def test_a_full_spool_that_takes_a_few_at_times_is_seen_between_two_looks(tmp_path: Path) -> None:
    watch = SpoolWatch(tmp_path, Clock())
    says(tmp_path, "worker-0", appended=1_000, refused=5_000)
    assert not watch.is_refusing(), "what was before is told by the gap before this run"
    says(tmp_path, "worker-0", appended=2_000, refused=5_010)
    assert not watch.is_refusing(), "a burst: its NASes ask again"
    says(tmp_path, "worker-0", appended=2_100, refused=5_510)
    assert watch.is_refusing()
    says(tmp_path, "worker-0", appended=2_200, refused=5_510)
    assert not watch.is_refusing()
