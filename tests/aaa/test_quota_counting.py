"""Usage against quotas, through ingest: what is kept, told and left behind."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from aaa.quota_counting import SETTLES_AFTER_S
from accounting.ingest import ObserverFailed
from tests.aaa.counting import (
    GB,
    MB,
    CountingNode,
    NoonClock,
    changes,
    crossings,
    day,
    has_plan,
    jobs,
    states,
    sums,
    take_jobs,
)
from tests.accounting.ingesting import INTERIM, START, STOP, Node, packet, rows
from tests.conftest import execute

HOUR_S = 3600
DAY_S = 24 * HOUR_S
JANUARY, FEBRUARY = day(2026, 1, 1), day(2026, 2, 1)


@pytest_asyncio.fixture
async def clock() -> NoonClock:
    return NoonClock()


@pytest_asyncio.fixture
async def node(fresh_database_url: str, clock: NoonClock) -> AsyncIterator[CountingNode]:
    one = CountingNode(fresh_database_url, clock)
    yield one
    await one.database.dispose()


def session(
    *points: tuple[int, int], sid: str = "81200001", user: bytes = b"alice", begins_s: int = 0
) -> list[tuple[float, bytes]]:
    """A Start, and Interims of (seconds after it, octets down), a quarter of that up."""
    told: list[tuple[float, bytes]] = [
        (begins_s, packet(START, begins_s, 0, sid=sid, user=user, station=sid.encode()))
    ]
    for at_s, octets in points:
        counters = (octets // 4, octets)
        octets_ = packet(
            INTERIM, begins_s + at_s, at_s, counters, sid=sid, user=user, station=sid.encode()
        )
        told.append((begins_s + at_s, octets_))
    return told


async def test_usage_is_counted_and_told_to_logins(node: CountingNode, tmp_path: Path) -> None:
    await has_plan(node.url, quota_octets=10 * GB, quota_time_s=10 * HOUR_S)
    await node.tell(tmp_path, *session((300, 400 * MB), (600, 800 * MB)))
    assert await sums(node.url) == {JANUARY: (100 * GB, 60_000)}
    assert await states(node.url) == [
        {"octets": GB, "time_s": 600, "window_starts_at": JANUARY, "window_ends_at": FEBRUARY}
    ]
    assert await crossings(node.url) == []
    assert await jobs(node.url) == []


async def test_a_direction_and_a_zone_count_what_they_say(
    node: CountingNode, tmp_path: Path
) -> None:
    """From noon to two, of which the second hour counts half."""
    await has_plan(
        node.url,
        quota_direction="download",
        zones=[{"from": "13:00", "to": "14:00", "weight_hundredths": 50}],
    )
    await node.tell(tmp_path, *session((2 * HOUR_S, 400 * MB)))
    assert await sums(node.url) == {JANUARY: (100 * 300 * MB, 100 * 5400)}


async def test_without_a_plan_that_has_a_quota_nothing_is_written(
    node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(node.url, quota_octets=None)
    await node.tell(tmp_path, *session((300, 400 * MB)))
    await has_plan(node.url, "bob")
    await node.tell(tmp_path, *session((300, 400 * MB), begins_s=600, sid="2"))
    assert await sums(node.url) == {}
    assert await states(node.url) == []


async def test_a_threshold_leaves_one_job_whatever_is_said_again(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    alice = await has_plan(node.url, at_quota="throttle")
    told = session((300, 640 * MB), (600, 800 * MB), (900, 960 * MB))
    for packets in (told[:2], told[:3], told, told, told[1:]):
        # After a restart nothing is remembered but what is in the database.
        again = CountingNode(node.url, clock)
        await again.tell(tmp_path, *packets)
        await again.database.dispose()
        await take_jobs(node.url)
    assert await crossings(node.url) == [80, 100, 120]
    left = await jobs(node.url)
    assert [job for job, _ in left] == [
        {"tenant_id": 1, "subscriber": alice, "reason": "quota", "threshold": 80},
        {"tenant_id": 1, "subscriber": alice, "reason": "quota", "threshold": 100},
        {"tenant_id": 1, "subscriber": alice, "reason": "quota-reset"},
        {"tenant_id": 1, "subscriber": alice, "reason": "quota", "threshold": 120},
    ]
    assert FEBRUARY <= left[2][1] < FEBRUARY + timedelta(minutes=5)


async def test_while_a_job_waits_a_subscriber_gets_no_second_one(
    node: CountingNode, tmp_path: Path
) -> None:
    """Nobody may be there to take them; and what to do is seen when it is done."""
    alice = await has_plan(node.url, at_quota="throttle")
    told = session((300, 640 * MB), (600, 800 * MB), (900, 960 * MB))
    for packets in (told[:2], told[2:3], told[3:]):
        await node.tell(tmp_path, *packets)
    assert await crossings(node.url) == [80, 100, 120]
    assert [job for job, _ in await jobs(node.url)] == [
        {"tenant_id": 1, "subscriber": alice, "reason": "quota", "threshold": 120},
        {"tenant_id": 1, "subscriber": alice, "reason": "quota-reset"},
    ]


async def test_nothing_comes_back_where_nothing_was_taken(
    node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(node.url, at_quota="nothing")
    await has_plan(node.url, "bob", quota_window="none", at_quota="block")
    await node.tell(tmp_path, *session((300, GB)), *session((300, GB), sid="2", user=b"bob"))
    assert [job["reason"] for job, _ in await jobs(node.url)] == ["quota"] * 2
    [_, forever] = await states(node.url)
    assert (forever["window_ends_at"], forever["octets"]) == (None, GB + GB // 4)


async def test_what_is_rolled_back_leaves_neither_crossing_nor_job(
    node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(node.url)
    await execute(node.url, "ALTER TABLE quota_crossing ADD CHECK (threshold <> 120) NOT VALID")
    with pytest.raises(ObserverFailed, match="CheckViolation"):
        await node.tell(tmp_path, *session((300, GB)))
    assert (await crossings(node.url), await jobs(node.url), await sums(node.url)) == ([], [], {})


async def test_two_nodes_count_one_subscriber_together(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    """Each has one of his sessions, and only both together cross the threshold."""
    await has_plan(node.url, quota_octets=10 * GB)
    other = CountingNode(node.url, clock)
    for round_ in range(1, 6):
        at_s, octets = round_ * 300, round_ * 800 * MB
        await asyncio.gather(
            node.tell(tmp_path, *session((at_s, octets), sid="1")),
            other.tell(tmp_path, *session((at_s, octets), sid="2")),
        )
    await other.database.dispose()
    assert await sums(node.url) == {JANUARY: (100 * 10 * GB, 100 * 3000)}
    assert await crossings(node.url) == [80, 100]
    assert [job.get("threshold") for job, _ in await jobs(node.url)] == [100]


async def test_what_comes_late_counts_in_the_window_that_it_was_in(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    await has_plan(node.url, quota_window="day")
    told = session((600, 80 * MB), (DAY_S, 160 * MB))
    await node.tell(tmp_path, *told[:2])
    clock.at_s = DAY_S
    await node.tell(tmp_path, told[2])
    [state] = await states(node.url)
    assert state["window_starts_at"] == day(2026, 1, 2)
    before = await sums(node.url)
    late = packet(INTERIM, 11 * HOUR_S, 11 * HOUR_S, (39 * MB, 156 * MB), station=b"81200001")
    await node.tell(tmp_path, (DAY_S + 60, late))
    after = await sums(node.url)
    assert sum(used for used, _ in after.values()) == sum(used for used, _ in before.values())
    assert after[JANUARY][0] > before[JANUARY][0], "most of it was used on the first day"
    assert (await states(node.url))[0]["window_starts_at"] == day(2026, 1, 2)


async def test_a_threshold_that_was_left_again_is_not_crossed_again(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    """A late report moves usage to the day before; more brings it back."""
    await has_plan(node.url, quota_window="day", quota_direction="download")
    begins, more, again = session(
        (20 * HOUR_S, 1200 * MB), (20 * HOUR_S + 600, 1600 * MB), (20 * HOUR_S + 1200, 2000 * MB)
    )[1:]
    late = packet(INTERIM, 11 * HOUR_S, 11 * HOUR_S, (300 * MB, 1200 * MB), station=b"81200001")
    clock.at_s = 20 * HOUR_S
    used = []
    for one in (begins, more, (20 * HOUR_S + 700, late), again):
        await node.tell(tmp_path, one)
        used.append((await states(node.url))[0]["octets"] // MB)
    assert used == [480, 880, 400, 800]
    assert await crossings(node.url) == [80]
    assert len(await jobs(node.url)) == 1


async def test_another_plan_keeps_what_was_used(node: CountingNode, tmp_path: Path) -> None:
    await has_plan(node.url, quota_octets=None)
    told = session((300, 400 * MB), (600, 480 * MB), (900, 560 * MB), (1200, 600 * MB))
    await node.tell(tmp_path, *told[:2])
    await has_plan(node.url)  # with a quota: what was used before counts
    await node.tell(tmp_path, told[2])
    assert await sums(node.url) == {JANUARY: (100 * 600 * MB, 60_000)}
    await has_plan(node.url, quota_octets=2 * GB)  # a larger one
    await node.tell(tmp_path, told[3])
    assert await sums(node.url) == {JANUARY: (100 * 700 * MB, 90_000)}
    await has_plan(node.url, quota_direction="upload")  # another rule: the same usage by it
    await node.tell(tmp_path, told[4])
    assert await sums(node.url) == {JANUARY: (100 * 150 * MB, 120_000)}


async def test_a_smaller_quota_is_crossed_by_what_was_used_before(
    node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(node.url, quota_octets=10 * GB)
    told = session((300, 400 * MB), (600, 404 * MB), (900, 408 * MB))
    await node.tell(tmp_path, *told[:2])
    await has_plan(node.url, quota_octets=500 * MB)
    await node.tell(tmp_path, told[2])
    assert await crossings(node.url) == [80, 100]
    await take_jobs(node.url)
    await has_plan(node.url, quota_octets=400 * MB)
    await node.tell(tmp_path, told[3])
    assert [job["threshold"] for job, _ in await jobs(node.url)] == [100, 120]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("UPDATE profile SET quota_window = 'day'", id="window"),
        pytest.param("UPDATE profile SET quota_direction = 'upload'", id="direction"),
        pytest.param(
            """UPDATE profile SET zones =
            '[{"from": "12:00", "to": "13:00", "weight_hundredths": 0}]'""",
            id="zones",
        ),
        pytest.param("UPDATE subscriber SET quota_anchor = '2026-01-02'", id="anchor"),
    ],
)
async def test_another_rule_blocks_nobody_by_what_was_used_under_the_old_one(
    node: CountingNode, tmp_path: Path, change: str
) -> None:
    """Who is blocked uses nothing, and would never be counted anew."""
    await has_plan(node.url, at_quota="block", quota_window="none")
    await node.tell(tmp_path, *session((300, 2 * GB)))
    [told] = await states(node.url)
    assert (told["octets"] > GB, told["window_ends_at"]) == (True, None)
    await execute(node.url, "UPDATE profile SET quota_octets = quota_octets + 1")
    assert await states(node.url) == [told], "another quota is compared with what is used"
    await execute(node.url, change)
    [now] = await states(node.url)
    assert now["window_ends_at"] is not None
    assert await crossings(node.url) == []


async def test_a_plan_of_another_rule_blocks_nobody_either(
    node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(node.url, at_quota="block", quota_window="none")
    await node.tell(tmp_path, *session((300, 2 * GB)))
    await has_plan(node.url, at_quota="block", quota_window="none", quota_octets=GB - 1)
    assert (await states(node.url))[0]["window_ends_at"] is None
    await has_plan(node.url, at_quota="block", quota_window="calendar", quota_octets=10 * GB)
    assert (await states(node.url))[0]["window_ends_at"] is not None
    await node.tell(tmp_path, *session((600, 7 * GB)))
    [state] = await states(node.url)
    assert (state["window_ends_at"], state["octets"]) == (FEBRUARY, 8_750 * MB)
    assert await crossings(node.url) == [80]


async def test_logins_are_told_by_the_hundredth_and_not_by_the_interim(
    node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(node.url, quota_octets=100 * GB)
    await node.tell(tmp_path, *session((60, 0)))
    before = await changes(node.url)
    told = session(*((60 * n, 8 * n * MB) for n in range(1, 61)))
    for one in told[1:]:
        await node.tell(tmp_path, one)
    assert (await sums(node.url))[JANUARY][0] == 100 * 600 * MB
    assert await changes(node.url) == before, "less than one per cent"
    await node.tell(tmp_path, *session((3700, 800 * MB))[1:])
    assert await changes(node.url) == before + 1
    assert (await states(node.url))[0]["octets"] == GB


async def test_a_new_window_is_told_with_its_first_usage(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    await has_plan(node.url, quota_window="day", at_quota="block")
    told = session((300, GB), (DAY_S, GB), (DAY_S + 300, GB + 80 * MB))
    await node.tell(tmp_path, *told[:2])
    clock.at_s = DAY_S + 300
    await node.tell(tmp_path, *told[2:])
    [state] = await states(node.url)
    assert state["window_starts_at"] == day(2026, 1, 2)
    assert state["octets"] == 100 * MB
    await node.tell(tmp_path, *session((DAY_S + 600, 1900 * MB))[1:])
    assert await crossings(node.url) == [80, 100, 120, 80, 100]
    resets = [at for job, at in await jobs(node.url) if job["reason"] == "quota-reset"]
    assert [at.date().day for at in resets] == [2, 3]


async def test_what_was_crossed_long_ago_is_forgotten_with_its_window(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    await has_plan(node.url, quota_window="day")
    await has_plan(node.url, "bob", quota_window="none")
    await node.tell(tmp_path, *session((300, GB)), *session((300, GB), sid="2", user=b"bob"))
    assert await crossings(node.url) == [80, 100, 120] * 2
    for after_s in (62 * DAY_S, 64 * DAY_S):
        before = await crossings(node.url)
        clock.at_s = after_s
        begins = session((60, MB), begins_s=after_s, sid=str(after_s))
        both = session((60, MB), begins_s=after_s, sid=f"{after_s}-2", user=b"bob")
        await node.tell(tmp_path, *begins, *both)
    assert len(before) == 6
    assert await crossings(node.url) == [80, 100, 120], "of the window that never ends"


async def test_a_local_month_begins_with_the_tenants_midnight(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    """Kolkata is five and a half hours ahead; the anchor is the day of the entitlement there."""
    await execute(node.url, "UPDATE tenant SET timezone = 'Asia/Kolkata'")
    await has_plan(node.url, quota_window="anchor")
    await node.tell(tmp_path, *session((300, 400 * MB)))
    [state] = await states(node.url)
    assert state["window_starts_at"] == day(2025, 12, 30, 18, 30)
    assert state["window_ends_at"] == day(2026, 1, 30, 18, 30)
    await execute(node.url, "UPDATE subscriber SET quota_anchor = '2025-12-15'")
    await node.tell(tmp_path, *session((600, 800 * MB)))
    [state] = await states(node.url)
    assert state["window_starts_at"] == day(2025, 12, 14, 18, 30)
    assert state["octets"] == GB


async def test_a_rolling_quota_forgets_a_day_after_thirty(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    await has_plan(
        node.url, quota_window="rolling", at_quota="throttle", quota_direction="download"
    )
    for n, octets in enumerate((600 * MB, 300 * MB, 200 * MB)):
        clock.at_s = n * DAY_S + 600
        await node.tell(tmp_path, *session((600, octets), begins_s=n * DAY_S, sid=str(n)))
    [state] = await states(node.url)
    assert state["octets"] == 1100 * MB
    assert state["window_ends_at"] == day(2026, 1, 31), "when the first day drops out"
    [reset] = [at for job, at in await jobs(node.url) if job["reason"] == "quota-reset"]
    assert reset.date() == day(2026, 1, 31).date()
    clock.at_s = 30 * DAY_S + 600
    told = session((600, 100 * MB), (900, 500 * MB), begins_s=30 * DAY_S, sid="30")
    await node.tell(tmp_path, *told[:2])
    assert (await states(node.url))[0]["octets"] == 600 * MB
    assert await crossings(node.url) == [80, 100]
    await node.tell(tmp_path, told[2])
    assert (await states(node.url))[0]["octets"] == 1000 * MB
    assert await crossings(node.url) == [80, 100, 80, 100], "over once more"


async def test_usage_that_a_counter_left_in_doubt_cuts_nobody_off(
    node: CountingNode, tmp_path: Path
) -> None:
    """Terabytes in five minutes are for a person to look at."""
    await has_plan(node.url)
    await node.tell(tmp_path, *session((300, 80 * MB), (600, 10**17)))
    doubtful = await rows(node.url, "SELECT * FROM usage WHERE confidence > 0")
    assert doubtful != []
    assert await sums(node.url) == {JANUARY: (100 * 100 * MB, 30_000)}
    assert await crossings(node.url) == []


async def test_a_sum_that_is_kept_is_the_one_that_would_be_worked_out(
    node: CountingNode, tmp_path: Path, clock: NoonClock
) -> None:
    """Sessions that were counted by a node that knows of no quota are found later."""
    await has_plan(node.url, quota_octets=100 * GB)
    ignorant = Node(node.url)
    ignorant.ingest._owners = node.ingest._owners
    await node.tell(tmp_path, *session((300, 80 * MB)))
    await ignorant.tell(tmp_path, *session((300, 40 * MB), sid="2"))
    await ignorant.database.dispose()
    await node.tell(tmp_path, *session((600, 160 * MB)))
    assert await sums(node.url) == {JANUARY: (100 * 200 * MB, 60_000)}
    clock.at_s = SETTLES_AFTER_S
    await node.tell(tmp_path, *session((900, 240 * MB)))
    assert await sums(node.url) == {JANUARY: (100 * 350 * MB, 120_000)}
    [row] = await rows(node.url, "SELECT unsettled_since FROM quota_usage")
    assert row["unsettled_since"] is None


async def test_what_is_too_much_to_work_out_at_once_is_not_lost(
    fresh_database_url: str, tmp_path: Path, clock: NoonClock
) -> None:
    node = CountingNode(fresh_database_url, clock, worked_out_days_max=1)
    names = [b"alice", b"bob", b"carol"]
    for name in names:
        await has_plan(node.url, name.decode())
    for n in range(1, 4):
        told = [session((300 * n, 80 * n * MB), user=name, sid=name.decode()) for name in names]
        await node.tell(tmp_path, *[one for each in told for one in each])
        assert len(await rows(node.url, "SELECT FROM quota_usage")) == n
    found = await rows(node.url, "SELECT DISTINCT octets::bigint AS octets FROM quota_usage")
    assert [row["octets"] for row in found] == [100 * 300 * MB]
    await node.database.dispose()


async def test_who_is_gone_leaves_nothing_behind(node: CountingNode, tmp_path: Path) -> None:
    await has_plan(node.url)
    await node.tell(tmp_path, *session((300, GB)))
    await execute(node.url, "DELETE FROM subscriber")
    assert (await sums(node.url), await states(node.url), await crossings(node.url)) == ({}, [], [])
    await node.tell(tmp_path, *session((600, 2 * GB)))
    assert await sums(node.url) == {}


async def test_a_plan_that_nobody_can_read_stops_nothing(
    node: CountingNode, tmp_path: Path
) -> None:
    await has_plan(node.url, zones=[{"from": "00:10", "to": "06:00", "weight_hundredths": 0}])
    await has_plan(node.url, "bob")
    await node.tell(
        tmp_path, *session((300, 80 * MB)), *session((300, 80 * MB), sid="2", user=b"bob")
    )
    assert await sums(node.url) == {JANUARY: (100 * 100 * MB, 30_000)}


async def test_a_stop_ends_no_window(node: CountingNode, tmp_path: Path) -> None:
    """A quota is the subscriber's: logging out does not begin it anew."""
    await has_plan(node.url)
    await node.tell(tmp_path, *session((300, 400 * MB)))
    stop = packet(STOP, 600, 600, (100 * MB, 400 * MB), station=b"81200001")
    await node.tell(tmp_path, (600, stop))
    await node.tell(tmp_path, *session((300, 400 * MB), sid="2", begins_s=900))
    assert await sums(node.url) == {JANUARY: (100 * GB, 90_000)}
    assert await crossings(node.url) == [80, 100]
