"""Sessions as people look them up."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from accounting import listing
from accounting.listing import PAGE_MAX, SessionNotFound, Wanted
from accounting.terminate_causes import name_of
from bench.listings import populate
from core.db import Database
from dictionaries.loader import FILES
from tests.accounting.keeping import OPEN, Reading, keep

SESSIONS = 20_000


@pytest_asyncio.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url)
    yield database
    await database.dispose()


async def test_sessions_are_listed_newest_first_and_the_next_page_goes_on_behind(
    fresh_database_url: str, app: Database
) -> None:
    await keep(fresh_database_url, *[{}] * 5)
    async with app.transaction(1) as tx:
        first = await listing.page(tx, limit=3)
        second = await listing.page(tx, before=first[-1].id, limit=3)
        beyond = await listing.page(tx, before=second[-1].id, limit=3)
    assert [s.id for s in first] == [5, 4, 3]
    assert [s.id for s in second] == [2, 1]
    assert beyond == []


@pytest.mark.parametrize(
    ("wanted", "ids"),
    [
        pytest.param(Wanted(username="bob"), [4, 2], id="a user name"),
        pytest.param(Wanted(username="BOB"), [], id="a user name in another case"),
        pytest.param(Wanted(nas_id=2), [4, 3], id="a NAS"),
        pytest.param(Wanted(acct_session_id="1"), [1], id="an Acct-Session-Id"),
        pytest.param(Wanted(open_only=True), [4, 1], id="open ones"),
        pytest.param(Wanted(nas_id=2, open_only=True), [4], id="open ones of a NAS"),
        pytest.param(Wanted(username="bob", nas_id=1), [2], id="a name at a NAS"),
    ],
)
async def test_all_that_is_wanted_must_hold(
    fresh_database_url: str, app: Database, wanted: Wanted, ids: list[int]
) -> None:
    await keep(
        fresh_database_url,
        OPEN,
        {"username": "bob"},
        {"nas_id": 2},
        {"username": "bob", "nas_id": 2, **OPEN},
    )
    async with app.transaction(1) as tx:
        assert [s.id for s in await listing.page(tx, wanted)] == ids


async def test_another_tenants_sessions_are_not_there(
    fresh_database_url: str, app: Database
) -> None:
    await keep(fresh_database_url, {"tenant_id": 2})
    async with app.transaction(1) as tx:
        assert await listing.page(tx) == []
        with pytest.raises(SessionNotFound):
            await listing.get(tx, 1)
    async with app.transaction(2) as tx:
        assert (await listing.get(tx, 1)).username == "alice"


async def test_a_session_whose_nas_is_gone_is_listed_without_its_name(
    fresh_database_url: str, app: Database
) -> None:
    await keep(fresh_database_url, {"nas_id": 77})
    async with app.transaction(1) as tx:
        [session] = await listing.page(tx)
    assert (session.nas, session.nas_id, session.nas_reported) == (None, 77, "bras-1")


@pytest.mark.slow
async def test_a_page_reads_no_more_sessions_than_it_shows(
    fresh_database_url: str, app: Database
) -> None:
    await populate(fresh_database_url, SESSIONS)
    middle = SESSIONS // 2
    cases = [
        (Wanted(), listing.ID_MAX),
        (Wanted(), middle),
        (Wanted(username="user-7"), listing.ID_MAX),
        (Wanted(username="user-7"), middle),
        (Wanted(username="nobody"), listing.ID_MAX),
        (Wanted(nas_id=7), listing.ID_MAX),
        (Wanted(nas_id=7), middle),
        (Wanted(acct_session_id="s77"), listing.ID_MAX),
        (Wanted(open_only=True), listing.ID_MAX),
        (Wanted(nas_id=7, open_only=True), listing.ID_MAX),
    ]
    for wanted, before in cases:
        async with app.transaction(1) as tx:
            reading = await Reading.of(tx, "session")
            page = await listing.page(tx, wanted, before=before, limit=20)
            assert await reading.rows() <= len(page) + 1, wanted
            assert page or wanted.username == "nobody"
    async with app.transaction(2) as tx:
        reading = await Reading.of(tx, "session")
        assert len(await listing.page(tx)) == 10, "a small tenant's, older than all others"
        assert await reading.rows() <= 11
    assert PAGE_MAX < SESSIONS, "or a page would be all there are"


def test_causes_have_the_names_of_the_dictionary() -> None:
    lines = [
        line.split() for file in FILES.glob("dictionary*") for line in file.read_text().splitlines()
    ]
    told = {
        int(words[3]): words[2] for words in lines if words[:2] == ["VALUE", "Acct-Terminate-Cause"]
    }
    assert len(told) >= 18
    assert {cause: name_of(cause) for cause in told} == told
    assert (name_of(0), name_of(4_000)) == (None, "4000")
