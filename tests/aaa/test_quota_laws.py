"""The same packets, in any order and however often, use the same of a quota."""

import asyncio
import random
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aaa import quota_report
from aaa.quota import NOTHING, Amount, Direction, Rule, Scale, total
from aaa.quota_windows import Kind, Window
from aaa.zones import Zone, overlap
from accounting.counters import GOOD
from accounting.points import Mark
from accounting.records import Record
from accounting.rows import Contended
from core.db import Database
from tests.aaa.counting import (
    GB,
    MB,
    CountingNode,
    NoonClock,
    crossings,
    has_plan,
    jobs,
)
from tests.accounting.ingesting import INTERIM, START, packet, rows
from tests.accounting.telling import Told
from tests.accounting.test_groups import anything, well_behaved
from tests.conftest import execute

LAW = settings(deadline=None)


@st.composite
def rules(draw: st.DrawFn) -> Rule:
    """Around noon of 1 January 2026 UTC, where some of these have their midnight."""
    edges = sorted(draw(st.sets(st.integers(0, 95), min_size=0, max_size=6)))
    weights = st.integers(0, 1000)
    zones = [
        Zone(15 * begin, 15 * end, draw(weights))
        for begin, end in zip(edges[::2], edges[1::2], strict=False)
    ]
    assert overlap(zones) is None
    return Rule(
        draw(st.sampled_from(Direction)),
        draw(st.sampled_from(Kind)),
        tuple(zones),
        draw(st.sampled_from(["UTC", "Asia/Kathmandu", "Pacific/Auckland", "America/New_York"])),
        draw(st.dates(date(2025, 12, 1), date(2026, 1, 31))),
    )


def used(told: Told, rule: Rule) -> dict[Window, Amount]:
    """As it is counted: difference by difference, in the order in which they came."""
    scale = Scale(rule)
    amounts: dict[Window, Amount] = {}
    for _, begins_s, confidence, *more in told.rows:
        window = scale.place(begins_s).window
        if confidence == GOOD and window is not None:
            weighed = scale.weighed(begins_s, *more)
            amounts[window] = amounts.get(window, NOTHING).plus(weighed)
    return {window: amount for window, amount in amounts.items() if any(amount)}


@LAW
@given(rules(), well_behaved(), st.randoms(use_true_random=False))
def test_any_order_and_duplication_use_the_same(
    rule: Rule, told: list[Record], random: random.Random
) -> None:
    arrived = [*told, *random.choices(told, k=len(told) // 2)]
    random.shuffle(arrived)
    assert used(Told()(*arrived), rule) == used(Told()(*told), rule)


@LAW
@given(rules(), anything())
def test_nothing_that_a_nas_says_uses_less_than_nothing(
    rule: Rule, told: list[Record | Mark]
) -> None:
    found = used(Told()(*told), rule)
    assert all(min(amount) >= 0 for amount in found.values())


@LAW
@given(well_behaved(), st.sampled_from([Kind.DAY, Kind.CALENDAR, Kind.ANCHOR]))
def test_windows_and_zones_of_weight_one_lose_nothing(told: list[Record], kind: Kind) -> None:
    alike = (Zone(0, 360, 100), Zone(1080, 0, 100))
    rule = Rule(Direction.TOTAL, kind, alike, "Asia/Kathmandu", date(2026, 1, 2))
    group = Told()(*told)
    sure = [amounts for key, amounts in group.usage().items() if key[2] == GOOD]
    counted = total(used(group, rule).values())
    assert counted == (
        100 * sum(one.input_octets + one.output_octets for one in sure),
        100 * sum(one.session_time_s for one in sure),
    )


def a_day(chance: random.Random) -> list[tuple[float, bytes]]:
    """Three subscribers with four sessions each, past the midnight of Kathmandu (18:15)."""
    told: list[tuple[float, bytes]] = []
    for user in (b"a", b"b", b"c"):
        for n in range(4):
            sid = f"{user.decode()}{n}"
            told.append((n, packet(START, n, 0, sid=sid, user=user, station=sid.encode())))
            octets = 0
            for at_s in range(1800, 30_000, chance.choice([900, 1800, 3000])):
                octets += chance.randrange(100 * MB)
                report = packet(
                    INTERIM,
                    n + at_s,
                    at_s,
                    (octets, octets),
                    sid=sid,
                    user=user,
                    station=sid.encode(),
                )
                told.append((n + at_s, report))
    return sorted(told)


async def counted(
    url: str, root: Path, nodes: int, told: list[tuple[float, bytes]]
) -> tuple[object, ...]:
    """What is kept, told and left behind once so many nodes have taken it, by the handful."""
    clock = NoonClock()
    clock.at_s = 30_000
    await execute(url, "UPDATE tenant SET timezone = 'Asia/Kathmandu'")
    zones = [{"from": "18:30", "to": "21:15", "weight_hundredths": 33}]
    for name, window in (("a", "day"), ("b", "rolling"), ("c", "anchor")):
        await has_plan(url, name, quota_window=window, quota_octets=3 * GB, zones=zones)
    parts = [told[at : at + 7] for at in range(0, len(told), 7)]

    async def take(mine: list[list[tuple[float, bytes]]]) -> None:
        node = CountingNode(url, clock)
        for part in mine:
            while True:
                try:
                    await node.tell(root, *part)
                    break
                except Contended:
                    continue
        await node.database.dispose()

    await asyncio.gather(*(take(parts[at::nodes]) for at in range(nodes)))
    kept = await rows(url, "SELECT subscriber_id, starts_at, octets, time_s FROM quota_usage")
    waiting = [job["subscriber"] for job, _ in await jobs(url) if job["reason"] == "quota"]
    crossed = await crossings(url)
    concerned = await rows(url, "SELECT DISTINCT subscriber_id FROM quota_crossing ORDER BY 1")
    assert sorted(waiting) == [row["subscriber_id"] for row in concerned]
    database = Database(url)
    for user in (1, 2, 3):
        async with database.transaction(1) as tx:
            report = await quota_report.of_subscriber(tx, user, int(clock.unix_s()))
        assert report is not None
        assert report.starts_at is not None
        mine = [row for row in kept if row["subscriber_id"] == user]
        current = sum(row["octets"] for row in mine if row["starts_at"] >= report.starts_at)
        assert report.used.octets == current // 100
    await database.dispose()
    sums = sorted((row["subscriber_id"], row["starts_at"], row["octets"]) for row in kept)
    return sums, crossed


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
async def test_two_nodes_that_are_told_all_in_disorder_count_what_one_does_in_order(
    fresh_database_url: str, another_database_url: str, tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    told = a_day(chance)
    shuffled = [*told, *chance.choices(told, k=len(told) // 3)]
    chance.shuffle(shuffled)
    once = await counted(fresh_database_url, tmp_path, 1, told)
    assert once[1], "some threshold is crossed"
    assert await counted(another_database_url, tmp_path, 2, shuffled) == once
