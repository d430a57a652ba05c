"""What a NAS does wrong is seen in what it sends, and told in a sentence."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from accounting.counters import GOOD, QUARANTINE
from accounting.points import OCTETS_MAX
from accounting.quality import RULES, Quality, Seen, judge
from accounting.quality_report import QualityReport
from accounting.quality_sums import NasQuality, of_all
from accounting.status import QualityStatus
from tests.accounting.ingesting import (
    INTERIM,
    NAS,
    NOON_S,
    ON,
    START,
    STOP,
    Node,
    packet,
    rows,
)
from tests.accounting.sweeping import Sweeping
from tests.conftest import execute

MB = 1_000_000
TODAY = datetime.fromtimestamp(NOON_S, UTC).date()


@pytest_asyncio.fixture
async def one(fresh_database_url: str) -> AsyncIterator[Sweeping]:
    await execute(
        fresh_database_url,
        "INSERT INTO nas (id, tenant_id, name, address, secret_sealed)"
        f" VALUES ({NAS}, 1, 'bras-1', '192.0.2.1', 'x')",
    )
    found = Sweeping(fresh_database_url)
    yield found
    await found.close()


async def quality(node: Node) -> NasQuality:
    async with node.database.transaction() as tx:
        [found] = await of_all(tx, TODAY)
    return found


def life(sid: str, octets: tuple[int, int] = (MB, 4 * MB)) -> list[tuple[float, bytes]]:
    return [
        (0.0, packet(START, 0, sid=sid, station=b"")),
        (300.0, packet(INTERIM, 300, 300, (1, 1), sid=sid, station=b"")),
        (600.0, packet(STOP, 600, 600, octets, sid=sid, station=b"")),
    ]


async def test_a_nas_that_reports_well_has_all_points(one: Sweeping, tmp_path: Path) -> None:
    silent = await quality(one.node)
    assert silent.quality == Quality(None, ())
    await one.tell(tmp_path, *(each for sid in range(25) for each in life(f"s{sid}")))
    found = await quality(one.node)
    assert found.quality == Quality(100, ())
    assert found.seen == Seen(
        records=75, stops=25, skew_s=0, sessions=25, upload_octets=MB, download_octets=4 * MB
    )


async def test_sessions_without_a_stop_are_counted_by_what_ended_them(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(
        tmp_path,
        *life("whole"),
        (0.0, packet(START, 0, sid="redialled")),
        (300.0, packet(INTERIM, 300, 300, sid="redialled")),
        (400.0, packet(START, 400, sid="reused")),
        (900.0, packet(STOP, 900, 200, sid="reused")),
        (1000.0, packet(START, 1000, sid="restarted", station=b"")),
    )
    await one.tell(tmp_path, (1100.0, packet(ON, 1100)))
    for at_s, status in ((1200, START), (1500, INTERIM)):
        dead = packet(status, at_s, at_s - 1200, sid="dead", station=b"", nas=b"x")
        await one.tell(tmp_path, (at_s, dead))
    await one.sweep(2500)
    found = await quality(one.node)
    seen = found.seen
    assert (seen.reaped, seen.redialled, seen.restarted) == (1, 1, 1)
    assert (seen.stops, seen.missing_stops) == (2, 3)
    [objection] = found.quality.objections
    assert objection.reason == "missing-stops"
    assert objection.text == (
        "60% of sessions had no Stop: 1 fell silent, 1 dialled again, 1 ended with a restart"
    )
    assert found.quality.score == 60


async def test_a_close_that_was_wrong_is_taken_back(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *life("s")[:2])
    await one.sweep(1300)
    assert (await quality(one.node)).seen.reaped == 1
    await one.tell(tmp_path, (1400.0, packet(INTERIM, 1400, 1400, sid="s", station=b"")))
    assert (await quality(one.node)).seen.missing_stops == 0
    await one.tell(tmp_path, (1500.0, packet(STOP, 1500, 1500, sid="s", station=b"")))
    await one.tell(tmp_path, (1501.0, packet(STOP, 1500, 1500, sid="s", station=b"")))
    seen = (await quality(one.node)).seen
    assert (seen.stops, seen.missing_stops) == (1, 0)


async def test_what_tells_nothing_new_is_a_repetition(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *life("s"), *life("s"))
    seen = (await quality(one.node)).seen
    assert (seen.records, seen.repeated, seen.stops) == (6, 3, 1)
    assert "repeated" in {each.reason for each in (await quality(one.node)).quality.objections}


async def test_the_clock_of_a_nas_is_measured(one: Sweeping, tmp_path: Path) -> None:
    late = [(at_s + 700.0, octets) for at_s, octets in life("s")]
    await one.tell(tmp_path, *late)
    assert "clock" not in {each.reason for each in (await quality(one.node)).quality.objections}
    more = [
        (at_s + 700.0, octets) for sid in range(6) for at_s, octets in life(f"s{sid}")
    ]  # of three records nobody judges a clock
    await one.tell(tmp_path, *more)
    found = await quality(one.node)
    assert found.seen.skew_s == -700
    assert ("clock", "its clock is 700 s behind") in {
        (each.reason, each.text) for each in found.quality.objections
    }


async def test_a_stamp_that_cannot_be_is_counted_and_is_no_clock(
    one: Sweeping, tmp_path: Path
) -> None:
    """A handful of them was "its clock is 2496472221 s ahead"."""
    await one.tell(tmp_path, *(each for sid in range(9) for each in life(f"s{sid}")))
    for at_s in (700.0, 701.0):
        await one.tell(tmp_path, (at_s, packet(INTERIM, 2_000_000_000, 300, sid="odd")))
    found = await quality(one.node)
    assert (found.seen.odd_stamps, found.seen.skew_s) == (2, 0)
    told = {each.reason: each.text for each in found.quality.objections}
    assert "clock" not in told
    assert told["odd-stamps"] == (
        "2 records bear a time that cannot be, and count as of their arrival"
    )


async def test_one_odd_stamp_within_belief_does_not_outweigh_those_before(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, *(each for sid in range(9) for each in life(f"s{sid}")))
    await one.tell(tmp_path, (1_000.0, packet(INTERIM, 700, 300, sid="odd")))
    assert (await quality(one.node)).seen.skew_s == -60


async def test_a_counter_that_may_have_gone_round_is_counted(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(
        tmp_path,
        (0.0, packet(START, 0)),
        (300.0, packet(INTERIM, 300, 300, (0, 4_000_000_000))),
        (600.0, packet(INTERIM, 600, 600, (0, 1_000_000))),
    )
    seen = (await quality(one.node)).seen
    assert (seen.ambiguous, seen.implausible) == (1, 0)
    await one.tell(tmp_path, (900.0, packet(INTERIM, 900, 900, (0, 2**60))))
    assert (await quality(one.node)).seen.implausible == 1


async def test_a_counter_beyond_all_measure_counts_as_the_most_there_is_and_is_told_each_time(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, (0.0, packet(START, 0)), (300.0, packet(INTERIM, 300, 300, (1, MB))))
    for at_s, octets in ((600, OCTETS_MAX + 1), (900, 2**64 - 1)):
        await one.tell(tmp_path, (at_s, packet(INTERIM, at_s, at_s, (1, octets))))
    assert (await quality(one.node)).seen.implausible == 1 + 2, "one interval, two records"
    await one.tell(tmp_path, (1200.0, packet(STOP, 1200, 1200, (1, OCTETS_MAX))))
    assert (await quality(one.node)).seen.implausible == 3, "that is not above it"
    used = "SELECT confidence, sum(output_octets)::bigint AS octets FROM usage GROUP BY 1"
    found = {row["confidence"]: row["octets"] for row in await rows(one.node.url, used)}
    assert (found[GOOD], found[QUARANTINE]) == (MB, OCTETS_MAX - MB)
    [session] = await rows(one.node.url, "SELECT output_octets FROM session")
    assert session["output_octets"] == OCTETS_MAX


async def test_what_cannot_be_counted_is_told(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *life("s"), (700.0, packet(99, 700)), (700.0, packet(None, 700)))
    seen = (await quality(one.node)).seen
    assert (seen.records, seen.unreadable) == (5, 2)


async def test_a_nas_that_counts_from_its_own_side_is_suspected(
    one: Sweeping, tmp_path: Path
) -> None:
    few = [each for sid in range(19) for each in life(f"s{sid}", (31 * MB, 10 * MB))]
    await one.tell(tmp_path, *few)
    assert not (await quality(one.node)).seen.is_swapped, "a median of few says nothing"
    await one.tell(tmp_path, *life("more", (31 * MB, 10 * MB)))
    found = await quality(one.node)
    assert found.seen.is_swapped
    assert found.quality.score == 80


async def test_a_silent_gap_is_seen_by_the_sweeper(one: Sweeping, tmp_path: Path) -> None:
    for sid in range(3):
        await one.tell(tmp_path, *life(f"s{sid}")[:2])
    await one.sweep(1300)
    await one.sweep(1900)
    seen = (await quality(one.node)).seen
    assert seen.silent_gaps == 1
    assert seen.silent_s >= 1000
    assert "silent" in {each.reason for each in (await quality(one.node)).quality.objections}


async def test_days_are_added_up_and_old_ones_are_left_out(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *life("s"))
    await execute(
        one.node.url,
        f"INSERT INTO nas_day (tenant_id, nas_id, day, records, skew_s) VALUES (1, {NAS},"
        f" '{TODAY.isoformat()}'::date - 1, 100, 50), (1, {NAS}, '{TODAY.isoformat()}'::date + 1,"
        " 7, NULL)",
    )
    seen = (await quality(one.node)).seen
    assert (seen.records, seen.skew_s) == (10, 0)


WORST = Seen(
    records=100, repeated=90, unreadable=90, odd_stamps=90, ambiguous=90, implausible=90, reaped=90,
    silent_gaps=9, skew_s=9_999, sessions=20, upload_octets=9, download_octets=1,
)  # fmt: skip


def test_every_rule_can_object_and_no_score_is_below_nothing() -> None:
    found = judge(WORST)
    assert len(found.objections) == len(RULES)
    assert found.score == 0
    assert all(each.points > 0 and each.text for each in found.objections)


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        pytest.param(replace(WORST, reaped=0, redialled=-1, stops=9), "missing-stops", id="back"),
        pytest.param(replace(WORST, skew_s=-5), "clock", id="five seconds"),
        pytest.param(replace(WORST, upload_octets=3), "swapped", id="three times"),
    ],
)
def test_what_is_tolerated_is_no_objection(seen: Seen, reason: str) -> None:
    assert reason not in {each.reason for each in judge(seen).objections}


async def test_what_is_said_for_metrics_begins_with_the_worst_and_leaves_out_the_mute(
    one: Sweeping, tmp_path: Path
) -> None:
    await execute(
        one.node.url,
        "INSERT INTO nas (id, tenant_id, name, address, secret_sealed)"
        " VALUES (12, 1, 'a-good-one', '192.0.2.2', 'x'), (13, 1, 'mute', '192.0.2.3', 'x');"
        "INSERT INTO nas_day (tenant_id, nas_id, day, records)"
        f" VALUES (1, 12, '{TODAY.isoformat()}', 9)",
    )
    await one.tell(tmp_path, *life("s"), *life("s"))
    said: list[QualityStatus] = []
    await QualityReport(one.node.database, one.clock, said.append).step()
    assert [(nas.nas, nas.score) for nas in said[0].nases] == [("bras-1", 85), ("a-good-one", 100)]
    assert said[0].nases[0].repeated_share == 0.5
