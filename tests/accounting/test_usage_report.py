"""Usage, summed for those who ask."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from accounting import listing, usage_days, usage_report
from accounting.counters import GOOD, LOW, QUARANTINE
from accounting.usage_report import By, Used
from bench.listings import END, populate, populate_usage
from core.db import Database, NodeDatabase
from tests.accounting.keeping import HOUR, NOON, Reading, keep


@pytest_asyncio.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url)
    yield database
    await database.dispose()


async def test_hours_days_and_months_are_sums_of_the_same_rows(
    fresh_database_url: str, app: Database
) -> None:
    hours = [
        datetime(2025, 5, 31, 23, tzinfo=UTC),
        datetime(2025, 6, 1, 0, tzinfo=UTC),
        datetime(2025, 6, 1, 0, tzinfo=UTC),
        datetime(2025, 6, 2, 5, tzinfo=UTC),
    ]
    await keep(fresh_database_url, usage=tuple({"begins_at": hour} for hour in hours))
    async with app.transaction(1) as tx:
        bounds = {"start": hours[0], "end": hours[-1] + HOUR}
        by = {
            by: await usage_report.of_subscriber(tx, 1, by, **(bounds if by is By.HOUR else {}))
            for by in By
        }
    assert [(u.start, u.upload_octets) for u in by[By.HOUR]] == [
        (hours[0], 10),
        (hours[1], 20),
        (hours[3], 10),
    ]
    assert [(u.start.day, u.download_octets) for u in by[By.DAY]] == [(31, 100), (1, 200), (2, 100)]
    assert [(u.start.month, u.session_time_s) for u in by[By.MONTH]] == [(5, 60), (6, 180)]


async def test_a_row_that_was_taken_back_leaves_no_usage(
    fresh_database_url: str, app: Database
) -> None:
    back = {"input_octets": -10, "output_octets": -100, "session_time_s": -60}
    moved = {"begins_at": NOON + HOUR}
    await keep(fresh_database_url, usage=({}, back, moved))
    async with app.transaction(1) as tx:
        used = await usage_report.of_subscriber(tx, 1, By.DAY)
        hours = await usage_report.of_subscriber(tx, 1, By.HOUR, start=NOON, end=NOON + 2 * HOUR)
    assert used == [Used(NOON - 12 * HOUR, 10, 100, 60, GOOD)]
    assert hours == [Used(NOON + HOUR, 10, 100, 60, GOOD)]


async def test_a_guess_lowers_the_confidence_until_it_is_taken_back(
    fresh_database_url: str, app: Database
) -> None:
    guess = {"confidence": QUARANTINE}
    await keep(fresh_database_url, usage=({}, {"confidence": LOW}, guess))
    async with app.transaction(1) as tx:
        [doubtful] = await usage_report.of_subscriber(tx, 1, By.DAY)
    back = guess | {"input_octets": -10, "output_octets": -100, "session_time_s": -60}
    await keep(fresh_database_url, usage=(back,))
    async with app.transaction(1) as tx:
        [better] = await usage_report.of_subscriber(tx, 1, By.DAY)
    assert (doubtful.upload_octets, doubtful.confidence) == (30, QUARANTINE)
    assert (better.upload_octets, better.confidence) == (20, LOW)


async def test_only_what_lies_within_the_bounds_is_summed_and_the_end_is_without(
    fresh_database_url: str, app: Database
) -> None:
    rows = tuple({"begins_at": NOON + n * HOUR, "input_octets": 10**n} for n in range(4))
    await keep(fresh_database_url, usage=rows)
    async with app.transaction(1) as tx:
        [used] = await usage_report.of_subscriber(
            tx, 1, By.DAY, start=NOON + HOUR, end=NOON + 3 * HOUR
        )
    assert used.upload_octets == 10 + 100


async def test_sums_beyond_64_bits_are_exact(fresh_database_url: str, app: Database) -> None:
    most = {"input_octets": 2**62}
    await keep(fresh_database_url, usage=(most, most, most))
    async with app.transaction(1) as tx:
        [used] = await usage_report.of_subscriber(tx, 1, By.MONTH)
    assert used.upload_octets == 3 * 2**62


async def test_neither_another_subscriber_nor_another_tenant_is_summed(
    fresh_database_url: str, app: Database
) -> None:
    await keep(fresh_database_url, usage=({"subscriber_id": 2}, {"tenant_id": 2}))
    async with app.transaction(1) as tx:
        assert await usage_report.of_subscriber(tx, 1, By.MONTH) == []


async def test_a_sessions_usage_is_told_by_hour_and_is_its_own(
    fresh_database_url: str, app: Database
) -> None:
    await keep(
        fresh_database_url,
        {"subscriber_id": 1, "started_at": NOON + timedelta(minutes=50)},
        {"subscriber_id": 1},
        {},
        usage=({}, {"begins_at": NOON + HOUR}, {"session_id": 2}),
    )
    async with app.transaction(1) as tx:
        used = await usage_report.of_session(tx, await listing.get(tx, 1))
        nobodys = await usage_report.of_session(tx, await listing.get(tx, 3))
    assert used == [Used(NOON, 10, 100, 60, GOOD), Used(NOON + HOUR, 10, 100, 60, GOOD)]
    assert nobodys is None


@pytest.mark.slow
async def test_only_the_subscribers_own_rows_are_read(
    fresh_database_url: str, app: Database
) -> None:
    await populate(fresh_database_url, 2_000)
    await populate_usage(fresh_database_url, hours=500, rows_an_hour=20)
    async with app.transaction(1) as tx:
        reading = await Reading.of(tx, "usage")
        bounds = {"start": END - 100 * HOUR, "end": END - 90 * HOUR}
        assert len(await usage_report.of_subscriber(tx, 1, By.HOUR, **bounds)) == 10
        assert await reading.rows() == 10
    async with app.transaction(1) as tx:
        reading = await Reading.of(tx, "usage")
        days = await usage_report.of_subscriber(tx, 1, By.DAY)
        assert sum(day.session_time_s for day in days) == 500 * 300
        assert await reading.rows() == 500, "nothing is summed yet"
    node = NodeDatabase(fresh_database_url)
    assert not await usage_days.keep_up(node)
    await node.dispose()
    await keep(fresh_database_url, usage=({"begins_at": END}, {"begins_at": NOON}))
    async with app.transaction(1) as tx:
        reading = await Reading.of(tx, "usage")
        assert len(await usage_report.of_subscriber(tx, 1, By.DAY)) == len(days) + 2
        assert await reading.rows() <= 10
