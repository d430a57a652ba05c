"""Fault D4: the database is away for so long that a spool fills up; a day, made short by a
limit of a few thousand records."""

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT
from tests.chaos.trial import await_drained
from tests.faults.reporting import AT_ONCE, Reporter, alarms, health, rss_octets
from tests.scenarios.flows import login, processes_of, sql
from tests.scenarios.outside import Outside, outside_database
from tests.serving import ISP, PASSWORD, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

RECORDS_MAX = 5_000
GROWTH_MAX_OCTETS = 50 * 2**20
MANIFEST = {
    **ISP,
    "subscriber": [
        {"username": "alice", "password": PASSWORD, "plan": "home"},
        {"username": "owing", "password": PASSWORD, "plan": "home"},
    ],
}


@pytest.fixture
def outside() -> Iterator[Outside]:
    with outside_database() as one:
        yield one


@pytest.fixture
def house(outside: Outside) -> Iterator[Turnpike]:
    with turnpike_process(
        MANIFEST,
        DATABASE_URL=outside.url,
        RADIUS__WORKERS="1",
        RADIUS__REJECT_DELAY_S="0",
        ACCOUNTING__SPOOL_RECORDS_MAX=str(RECORDS_MAX),
    ) as one:
        yield one
        assert "Traceback" not in one.log


def resident(house: Turnpike) -> dict[int, int]:
    """Of each process of ours, PostgreSQL being outside."""
    return {pid: rss_octets(pid) for pid in processes_of(house)}


def spooled_octets(house: Turnpike) -> int:
    return sum(path.stat().st_size for path in house.paths.spool.rglob("*") if path.is_file())


def test_a_spool_that_fills_up_says_so_then_falls_silent_and_loses_nothing(
    house: Turnpike, outside: Outside
) -> None:
    reporter = Reporter(house)
    assert reporter.report() == AT_ONCE
    assert login(house, "owing") == ACCESS_ACCEPT
    sql(
        outside.url,
        "INSERT INTO hold (subscriber_id, tenant_id, source)"
        " SELECT id, tenant_id, 'dunning' FROM subscriber WHERE username = 'owing'",
    )
    eventually(lambda: login(house, "owing") == ACCESS_REJECT, 5.0)
    await_drained(house)
    before = resident(house)
    outside.refuse()

    kept = len(reporter.acknowledged)
    while len(reporter.acknowledged) - kept < 0.6 * RECORDS_MAX:
        reporter.report()
    assert alarms(house) <= {"not-drained"}
    while len(reporter.acknowledged) - kept < 0.75 * RECORDS_MAX:
        reporter.report()
    eventually(lambda: "spool-filling" in alarms(house), 5.0)
    assert "event=spool_filling" in house.log
    assert "event=spool_full" not in house.log
    while reporter.report():
        pass
    assert len(reporter.acknowledged) - kept <= RECORDS_MAX + AT_ONCE
    eventually(lambda: "spool-full" in alarms(house), 5.0)
    assert "event=spool_full" in house.log

    for _ in range(10):
        assert reporter.report(within_s=0.1) == 0
    size = spooled_octets(house)
    assert size < RECORDS_MAX * 400 + 2**20
    for _ in range(10):
        assert reporter.report(within_s=0.1) == 0
    assert spooled_octets(house) <= size
    said = health(house)
    assert (said["status"], said["database"]) == ("ok", "away")
    assert login(house, "owing") == ACCESS_REJECT
    assert login(house) == ACCESS_ACCEPT
    after = resident(house)
    assert after.keys() == before.keys(), "no process ended"
    grown = {pid: after[pid] - before[pid] for pid in before}
    assert max(grown.values()) <= GROWTH_MAX_OCTETS, grown

    outside.back()
    await_drained(house)
    eventually(lambda: reporter.report() == AT_ONCE, 10.0)
    await_drained(house)
    eventually(lambda: not alarms(house), 10.0, lambda: str(alarms(house)))
    stored = Counter(
        row["packet"] for row in sql(outside.url, "SELECT packet FROM accounting_record")
    )
    assert not [packet for packet in reporter.acknowledged if stored[packet] != 1]
    assert max(stored.values()) == 1
