"""Fault D5 through a whole instance: the disk is full, accounting falls silent, logins go on."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.asking import ACCESS_ACCEPT
from tests.chaos.trial import await_drained
from tests.faults.disk import Disk, build
from tests.faults.reporting import AT_ONCE, Reporter, alarms, health
from tests.scenarios.flows import login, processes_of, sql
from tests.scenarios.outside import Outside, outside_database
from tests.serving import ISP, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

RECOVERS_WITHIN_S = 10.0


@pytest.fixture
def outside() -> Iterator[Outside]:
    with outside_database() as one:
        yield one


def logins_go_on(house: Turnpike) -> None:
    for _ in range(20):
        assert login(house) == ACCESS_ACCEPT


def all_is_stored(url: str, reporter: Reporter) -> None:
    stored = [row["packet"] for row in sql(url, "SELECT packet FROM accounting_record")]
    assert set(reporter.acknowledged) <= set(stored)
    assert len(stored) == len(set(stored))


def endures(
    house: Turnpike, url: str, *, fill: Callable[[], object], free: Callable[[], object]
) -> None:
    """The story: `fill` takes the room away and `free` gives it back."""
    reporter = Reporter(house)
    assert reporter.report() == AT_ONCE
    before = set(processes_of(house))
    fill()
    eventually(lambda: reporter.report() == 0, 5.0)
    fill()  # a spool that gives up leaves room for a moment
    acknowledged = len(reporter.acknowledged)
    eventually(lambda: "spool-failing" in alarms(house), 5.0, lambda: str(health(house)))
    for _ in range(7):  # for longer than a status stays fresh
        fill()
        logins_go_on(house)
        assert reporter.report(within_s=0.8) == 0
    assert len(reporter.acknowledged) == acknowledged
    said = health(house)
    assert (said["status"], said["workers"]) == ("ok", 1)
    assert set(processes_of(house)) == before, house.log[-3000:]
    free()
    eventually(lambda: reporter.report() == AT_ONCE, RECOVERS_WITHIN_S)
    await_drained(house)
    eventually(lambda: not alarms(house), 5.0, lambda: str(health(house)))
    logins_go_on(house)
    assert set(processes_of(house)) == before
    all_is_stored(url, reporter)
    assert "Traceback" not in house.log
    assert "event=spool_failing" in house.log


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Between all processes to come and their spool."""
    one = build(tmp_path, Path("/var/spool/"))
    for name, value in one.environment().items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    return one


def test_a_spool_that_cannot_be_written_costs_accounting_its_answers_alone(
    outside: Outside, disk: Disk
) -> None:
    with turnpike_process(ISP, DATABASE_URL=outside.url, RADIUS__WORKERS="1") as house:
        assert disk.path in f"{house.paths.spool}/"
        endures(
            house,
            outside.url,
            fill=lambda: disk.fails("write ENOSPC", "fsync ENOSPC"),
            free=disk.fails,
        )


@contextmanager
def small_disk(at: Path) -> Iterator[None]:
    at.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "turnpike-test", str(at)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(at)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_under_everything_costs_accounting_its_answers_alone(
    outside: Outside,
) -> None:
    with (
        turnpike_process(serve=False, DATABASE_URL=outside.url, RADIUS__WORKERS="1") as house,
        small_disk(house.data_dir),
    ):
        house.start()
        house.apply(ISP)
        ballast = house.data_dir / "ballast"
        try:
            endures(house, outside.url, fill=lambda: filled(ballast), free=ballast.unlink)
        finally:
            house.stop()


def filled(ballast: Path) -> None:
    """Leave no room at all."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
