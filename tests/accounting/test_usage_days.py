"""Days are sums of the quarters, whatever happens between two passes."""

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio
from sqlalchemy import text

from accounting import usage_days, usage_report
from accounting.ingest import LOCK
from accounting.usage_days import keep_up, resum, settle, sum_next
from accounting.usage_report import By
from core.db import Database, NodeDatabase
from tests.accounting.ingesting import rows
from tests.accounting.keeping import HOUR, NOON, keep
from tests.conftest import execute

ROOT = Path(__file__).parents[2]
DAY = timedelta(days=1)
OCTETS = "SELECT coalesce(sum(input_octets), 0) AS i FROM "


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[NodeDatabase]:
    database = NodeDatabase(fresh_database_url, connections_max=5)
    yield database
    await database.dispose()


@pytest_asyncio.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url)
    yield database
    await database.dispose()


async def days(url: str) -> list[tuple[object, ...]]:
    found = await rows(
        url,
        "SELECT tenant_id, subscriber_id, day, confidence, input_octets FROM usage_day"
        " ORDER BY 1, 2, 3, 4",
    )
    return [tuple(row.values()) for row in found]


async def is_the_sum_of_all(url: str, app: Database, tenants: dict[int, str]) -> None:
    """What people are told is what the raw rows say, in the zone of each tenant."""
    for tenant_id, zone in tenants.items():
        wanted = await rows(
            url,
            "SELECT subscriber_id, (begins_at AT TIME ZONE $2)::date AS day,"
            " sum(input_octets)::bigint AS i, sum(output_octets)::bigint AS o,"
            " sum(session_time_s)::bigint AS t FROM usage WHERE tenant_id = $1"
            " AND subscriber_id IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
            tenant_id,
            zone,
        )
        subscribers = {row["subscriber_id"] for row in wanted}
        told = []
        async with app.transaction(tenant_id) as tx:
            for subscriber in sorted(subscribers):
                told += [
                    {
                        "subscriber_id": subscriber,
                        "day": used.start.date(),
                        "i": used.upload_octets,
                        "o": used.download_octets,
                        "t": used.session_time_s,
                    }
                    for used in await usage_report.of_subscriber(tx, subscriber, By.DAY)
                ]
        assert told == wanted


async def test_rows_are_summed_by_day_and_confidence_once(
    fresh_database_url: str, node: NodeDatabase
) -> None:
    await keep(
        fresh_database_url,
        usage=(
            {},
            {"begins_at": NOON + 11 * HOUR + 45 * timedelta(minutes=1)},
            {"begins_at": NOON + 12 * HOUR, "input_octets": 7},
            {"confidence": 1},
            {"subscriber_id": None},
        ),
    )
    assert not await keep_up(node)
    assert not await keep_up(node)
    first = [
        (1, 1, date(2025, 6, 1), 0, Decimal(20)),
        (1, 1, date(2025, 6, 1), 1, Decimal(10)),
        (1, 1, date(2025, 6, 2), 0, Decimal(7)),
    ]
    assert await days(fresh_database_url) == first
    await keep(fresh_database_url, usage=({"input_octets": -4}, {"subscriber_id": 2}))
    assert not await keep_up(node)
    assert await days(fresh_database_url) == [
        (1, 1, date(2025, 6, 1), 0, Decimal(16)),
        *first[1:],
        (1, 2, date(2025, 6, 1), 0, Decimal(10)),
    ]


async def test_a_batch_that_has_its_numbers_and_is_not_committed_is_not_passed_over(
    fresh_database_url: str, node: NodeDatabase, app: Database
) -> None:
    async with node.transaction() as slow:
        await slow.execute(text(f"SELECT pg_advisory_xact_lock_shared({LOCK})"))
        await slow.execute(
            text(
                "INSERT INTO usage (tenant_id, subscriber_id, session_id, begins_at, input_octets,"
                " output_octets, session_time_s, confidence) VALUES (1, 1, 1, :noon, 5, 5, 5, 0)"
            ),
            {"noon": NOON},
        )
        await keep(fresh_database_url, usage=({},))  # a later number, and there already
        assert await keep_up(node), "it cannot be known what is settled"
        assert await days(fresh_database_url) == []
        await is_the_sum_of_all(fresh_database_url, app, {1: "UTC"})
    assert not await keep_up(node)
    assert await days(fresh_database_url) == [(1, 1, date(2025, 6, 1), 0, Decimal(15))]


async def test_passes_are_bounded_and_go_on_where_the_last_one_ended(
    fresh_database_url: str, node: NodeDatabase, app: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await keep(fresh_database_url, usage=tuple({"begins_at": NOON + n * HOUR} for n in range(100)))
    monkeypatch.setattr(usage_days, "ROWS_MAX", 30)
    for summed in (300, 600, 900):
        assert await keep_up(node, passes_max=1)
        assert await rows(fresh_database_url, OCTETS + "usage_day") == [{"i": summed}]
        await is_the_sum_of_all(fresh_database_url, app, {1: "UTC"})
    assert not await keep_up(node)
    assert await rows(fresh_database_url, OCTETS + "usage_day") == [{"i": 1000}]


async def test_what_is_not_summed_yet_is_found_wherever_it_lies(
    fresh_database_url: str, node: NodeDatabase, app: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and behind what is late, while the mark has not come to the end of what is settled."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    begun = tuple(
        {"begins_at": now - late, "recorded_at": now - ago}
        for ago in (40 * HOUR, 20 * HOUR, timedelta())
        for late in (ago, ago + 2 * HOUR, ago + 2 * HOUR + timedelta(minutes=15), ago + 9 * HOUR)
    )
    await keep(fresh_database_url, usage=begun)
    monkeypatch.setattr(usage_days, "ROWS_MAX", 5)
    for _ in range(3):
        assert await keep_up(node, passes_max=1)
        await is_the_sum_of_all(fresh_database_url, app, {1: "UTC"})
    assert not await keep_up(node)
    for late in (timedelta(), timedelta(minutes=119), timedelta(minutes=121), 30 * DAY):
        now = datetime.now(UTC)
        await keep(fresh_database_url, usage=({"begins_at": now - late, "recorded_at": now},))
        await is_the_sum_of_all(fresh_database_url, app, {1: "UTC"})


async def test_two_nodes_at_once_sum_once(
    fresh_database_url: str, node: NodeDatabase, app: Database
) -> None:
    await keep(fresh_database_url, usage=({},) * 50)
    await asyncio.gather(*(keep_up(node) for _ in range(4)))
    assert await rows(fresh_database_url, OCTETS + "usage_day") == [{"i": 500}]


async def test_while_one_sums_another_leaves_it_alone(
    fresh_database_url: str, node: NodeDatabase
) -> None:
    await keep(fresh_database_url, usage=({},))
    async with node.transaction() as tx:
        settled = await settle(tx)
    async with node.transaction() as one, node.transaction() as another:
        assert await sum_next(one, settled)
        assert not await sum_next(another, settled)
    assert await rows(fresh_database_url, OCTETS + "usage_day") == [{"i": 10}]


@pytest.mark.parametrize(
    ("zone", "begins_at", "day"),
    [
        pytest.param("Asia/Kolkata", "2026-01-01 18:15+00", date(2026, 1, 1), id="India, before"),
        pytest.param("Asia/Kolkata", "2026-01-01 18:30+00", date(2026, 1, 2), id="India, midnight"),
        pytest.param("Asia/Kathmandu", "2026-01-01 18:15+00", date(2026, 1, 2), id="a quarter"),
        pytest.param("Europe/Berlin", "2026-03-29 21:45+00", date(2026, 3, 29), id="23 hours"),
        pytest.param("Europe/Berlin", "2026-03-29 22:00+00", date(2026, 3, 30), id="and after"),
        pytest.param("Europe/Berlin", "2026-10-25 22:45+00", date(2026, 10, 25), id="25 hours"),
        pytest.param("Europe/Berlin", "2026-10-25 23:00+00", date(2026, 10, 26), id="after it"),
        pytest.param("America/Sao_Paulo", "2018-11-04 02:45+00", date(2018, 11, 3), id="no 0:00"),
        pytest.param("America/Sao_Paulo", "2018-11-04 03:00+00", date(2018, 11, 4), id="the jump"),
    ],
)
async def test_days_are_those_of_the_tenants_zone_summed_or_not(
    fresh_database_url: str,
    node: NodeDatabase,
    app: Database,
    zone: str,
    begins_at: str,
    day: date,
) -> None:
    await execute(fresh_database_url, f"UPDATE tenant SET timezone = '{zone}'")
    await keep(fresh_database_url, usage=({"begins_at": datetime.fromisoformat(begins_at)},))
    local = ZoneInfo(zone)
    bounds = {
        "start": datetime(day.year, day.month, day.day, tzinfo=local).astimezone(UTC),
        "end": datetime(day.year, day.month, day.day + 1, tzinfo=local).astimezone(UTC),
    }
    for _ in range(2):
        async with app.transaction(1) as tx:
            for asked in ({}, bounds):
                [used] = await usage_report.of_subscriber(tx, 1, By.DAY, **asked)
                assert (used.start.date(), used.upload_octets) == (day, 10)
                assert str(used.start.tzinfo) == zone
            [hour] = await usage_report.of_subscriber(tx, 1, By.HOUR, **bounds)
            assert hour.start.minute == 0
        assert not await keep_up(node)
    assert [row[2] for row in await days(fresh_database_url)] == [day]


async def test_the_hour_that_comes_twice_is_told_twice(
    fresh_database_url: str, app: Database
) -> None:
    await execute(fresh_database_url, "UPDATE tenant SET timezone = 'Europe/Berlin'")
    first = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    await keep(fresh_database_url, usage=({"begins_at": first}, {"begins_at": first + HOUR}))
    async with app.transaction(1) as tx:
        hours = await usage_report.of_subscriber(tx, 1, By.HOUR, start=first, end=first + 2 * HOUR)
    assert [str(used.start) for used in hours] == [
        "2026-10-25 02:00:00+02:00",
        "2026-10-25 02:00:00+01:00",
    ]


async def test_another_zone_makes_other_days_and_no_report_is_ever_wrong(
    fresh_database_url: str, node: NodeDatabase, app: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await execute(
        fresh_database_url, "INSERT INTO tenant (code, name) VALUES ('other-isp', 'Other')"
    )
    late = {"begins_at": NOON + 9 * HOUR}
    await keep(fresh_database_url, usage=(late, {}, late | {"tenant_id": 2}) * 10)
    assert not await keep_up(node)
    await execute(fresh_database_url, "UPDATE tenant SET timezone = 'Asia/Kolkata' WHERE id = 1")
    monkeypatch.setattr(usage_days, "ROWS_MAX", 7)
    zones = {1: "Asia/Kolkata", 2: "UTC"}
    for _ in range(6):
        await is_the_sum_of_all(fresh_database_url, app, zones)
        await keep(fresh_database_url, usage=(late, late | {"tenant_id": 2}))
        await keep_up(node, passes_max=1)
    assert not await keep_up(node)
    await is_the_sum_of_all(fresh_database_url, app, zones)
    assert await days(fresh_database_url) == [
        (1, 1, date(2025, 6, 1), 0, Decimal(100)),
        (1, 1, date(2025, 6, 2), 0, Decimal(160)),
        (2, 1, date(2025, 6, 1), 0, Decimal(160)),
    ]


async def test_a_zone_that_postgresql_does_not_know_stops_nobodys_sums(
    fresh_database_url: str, node: NodeDatabase
) -> None:
    await keep(fresh_database_url, usage=({},))
    assert not await keep_up(node)
    await execute(fresh_database_url, "UPDATE tenant SET timezone = 'Mars/Olympus' WHERE id = 1")
    await execute(
        fresh_database_url,
        "INSERT INTO tenant (code, name, timezone) VALUES ('other-isp', 'Other', 'Mars/Olympus')",
    )
    await keep(fresh_database_url, usage=({}, {"tenant_id": 2}))
    assert not await keep_up(node)
    assert [row[4] for row in await days(fresh_database_url)] == [Decimal(20), Decimal(10)]


async def test_days_are_summed_anew_where_rows_were_changed(
    fresh_database_url: str, node: NodeDatabase, app: Database
) -> None:
    await keep(fresh_database_url, usage=({}, {"begins_at": NOON + DAY}))
    assert not await keep_up(node)
    await execute(fresh_database_url, "DELETE FROM usage WHERE id = 1")
    async with node.transaction() as tx:
        await resum(tx, {1})
    await is_the_sum_of_all(fresh_database_url, app, {1: "UTC"})
    assert not await keep_up(node)
    assert await days(fresh_database_url) == [(1, 1, date(2025, 6, 2), 0, Decimal(10))]


async def test_days_that_are_asked_for_anew_while_another_sums_them_are_not_doubled(
    fresh_database_url: str, node: NodeDatabase, app: Database
) -> None:
    """Summed and not committed yet: who asks sees nothing of that to drop."""
    await keep(fresh_database_url, usage=({},))
    assert not await keep_up(node)
    await keep(fresh_database_url, usage=({"begins_at": NOON + DAY}, {"begins_at": NOON + 2 * DAY}))

    async def ask() -> None:
        async with node.transaction() as tx:
            await resum(tx, {1})

    async with node.transaction() as tx:
        settled = await settle(tx)
    async with node.transaction() as tx:
        assert await sum_next(tx, settled)
        asking = asyncio.create_task(ask())
        await asyncio.sleep(0.3)
    await asking
    for _ in range(2):
        await is_the_sum_of_all(fresh_database_url, app, {1: "UTC"})
        assert not await keep_up(node)
    assert await rows(fresh_database_url, OCTETS + "usage_day") == await rows(
        fresh_database_url, OCTETS + "usage"
    )


async def test_days_asked_for_anew_of_a_tenant_without_a_known_zone_are_summed(
    fresh_database_url: str, node: NodeDatabase
) -> None:
    await keep(fresh_database_url, usage=({},))
    assert not await keep_up(node)
    await execute(fresh_database_url, "UPDATE tenant SET timezone = '' WHERE id = 1")
    async with node.transaction() as tx:
        await resum(tx, {1})
    assert not await keep_up(node)
    assert [row[4] for row in await days(fresh_database_url)] == [Decimal(10)]


async def test_a_tenants_days_and_marks_are_its_own(
    fresh_database_url: str, node: NodeDatabase, app: Database
) -> None:
    await execute(
        fresh_database_url,
        "INSERT INTO tenant (code, name, timezone) VALUES ('other-isp', 'Other', 'Asia/Kolkata')",
    )
    await keep(fresh_database_url, usage=({}, {"tenant_id": 2, "input_octets": 3}))
    assert not await keep_up(node)
    await keep(fresh_database_url, usage=({}, {"tenant_id": 2, "input_octets": 3}))
    async with app.transaction(2) as tx:
        [used] = await usage_report.of_subscriber(tx, 1, By.DAY)
        assert used.upload_octets == 6
        assert (await tx.scalars(text("SELECT DISTINCT tenant_id FROM usage_day"))).all() == [2]
        assert (await tx.scalars(text("SELECT zone FROM usage_summed"))).all() == ["Asia/Kolkata"]


CHILD = """
import asyncio, sys
from accounting import usage_days
from core.db import NodeDatabase
usage_days.ROWS_MAX = 997
async def main():
    database = NodeDatabase(sys.argv[1])
    while True:
        await usage_days.keep_up(database, passes_max=1)
        print(flush=True)
asyncio.run(main())
"""


@pytest.mark.slow
async def test_batches_that_come_and_fail_while_it_sums_and_is_killed_leave_equal_sums(
    fresh_database_url: str, node: NodeDatabase, app: Database
) -> None:
    """Numbers are given in one order and committed in another; some never are."""
    zones = {1: "Asia/Kolkata", 2: "America/New_York"}
    await execute(
        fresh_database_url,
        "UPDATE tenant SET timezone = 'Asia/Kolkata';"
        "INSERT INTO tenant (code, name, timezone)"
        " VALUES ('other-isp', 'Other', 'America/New_York')",
    )
    dice = random.Random(5)
    over = asyncio.Event()

    async def ingest() -> None:
        while not over.is_set():
            try:
                async with node.transaction() as tx:
                    await tx.execute(text(f"SELECT pg_advisory_xact_lock_shared({LOCK})"))
                    for _ in range(dice.randrange(1, 4)):
                        await tx.execute(
                            text(
                                "INSERT INTO usage (tenant_id, subscriber_id, session_id,"
                                " begins_at, recorded_at, input_octets, output_octets,"
                                " session_time_s, confidence)"
                                " SELECT 1 + n % 2, 1 + n % 3, 1, date_trunc('minute', now())"
                                "  - n * :back * interval '15 minutes', now(), n, -n, 300, n % 3"
                                " FROM generate_series(1, :many) AS n"
                            ),
                            {"many": dice.randrange(1, 20), "back": dice.choice([0, 1, 97])},
                        )
                        await asyncio.sleep(dice.choice([0, 0.01, 0.1, 0.2]))
                    if dice.random() < 0.2:
                        raise LookupError
            except LookupError:
                continue

    ingesting = [asyncio.create_task(ingest()) for _ in range(3)]
    killed = 0
    for _ in range(5):
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CHILD, fresh_database_url),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        assert child.stdout is not None
        for _ in range(dice.randrange(2, 12)):
            assert await child.stdout.readline()
        await asyncio.sleep(dice.random() * 0.02)
        child.kill()
        assert await child.wait() == -9
        killed += 1
        async with app.transaction(1) as tx:
            # One statement sees one moment: a day is never counted twice, nor left out.
            told = await usage_report.of_subscriber(tx, 1, By.MONTH)
            assert all(u.upload_octets == -u.download_octets for u in told)
    over.set()
    await asyncio.gather(*ingesting)
    assert killed == 5
    await is_the_sum_of_all(fresh_database_url, app, zones)
    while await keep_up(node):
        pass
    await is_the_sum_of_all(fresh_database_url, app, zones)
    raw = await rows(fresh_database_url, OCTETS + "usage WHERE subscriber_id IS NOT NULL")
    assert await rows(fresh_database_url, OCTETS + "usage_day") == raw
    assert raw[0]["i"] > 1000
