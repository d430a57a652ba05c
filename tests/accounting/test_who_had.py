"""Who had an address: what an authority asks, and what must not be claimed too firmly."""

from collections.abc import AsyncIterator
from datetime import timedelta
from ipaddress import ip_address, ip_interface
from typing import Any

import pytest
import pytest_asyncio

from accounting import who_had
from accounting.who_had import Certainty
from bench.listings import END, HOTSPOT, populate
from core.db import Database
from tests.accounting.keeping import HOUR, NOON, OPEN, Reading, keep
from tests.conftest import execute

MINUTE = timedelta(minutes=1)
ADDRESS = ip_address("198.51.100.7")
HERS = {"framed_ip": ADDRESS}
REAPED = {"closed_by": "reaper", "terminate_cause": 3}
CERTAIN, LIKELY = Certainty.CERTAIN, Certainty.LIKELY


@pytest_asyncio.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url)
    yield database
    await database.dispose()


@pytest.mark.parametrize(
    ("session", "at", "expected"),
    [
        pytest.param({}, NOON - MINUTE, None, id="before it began"),
        pytest.param({}, NOON, CERTAIN, id="as it began"),
        pytest.param({}, NOON + HOUR, CERTAIN, id="as it stopped"),
        pytest.param({}, NOON + HOUR + MINUTE, None, id="after its Stop"),
        pytest.param(
            {"last_seen_at": NOON + MINUTE}, NOON + 2 * MINUTE, LIKELY,
            id="between the last report and the Stop",
        ),
        pytest.param(OPEN, NOON + MINUTE, CERTAIN, id="open, and reported later"),
        pytest.param(OPEN, NOON + HOUR + MINUTE, LIKELY, id="open, and not heard of since"),
        pytest.param(REAPED, NOON + MINUTE, LIKELY, id="no Stop, found to be over later"),
        pytest.param(REAPED, NOON + HOUR + 14 * MINUTE, LIKELY, id="silent, not yet over"),
        pytest.param(REAPED, NOON + HOUR + 16 * MINUTE, None, id="silent for long"),
        pytest.param(
            REAPED | {"interval_s": 3_600}, NOON + 4 * HOUR, LIKELY, id="silent, reports hourly"
        ),
        pytest.param(
            REAPED | {"interval_s": 3_600}, NOON + 4 * HOUR + MINUTE, None, id="for three hours"
        ),
        pytest.param({"closed_by": "redial"}, NOON + MINUTE, LIKELY, id="dialled again later"),
        pytest.param(
            {"closed_by": "redial"}, NOON + HOUR + MINUTE, None, id="after it dialled again"
        ),
    ],
)  # fmt: skip
async def test_certain_is_only_what_packets_before_and_after_prove(
    fresh_database_url: str,
    app: Database,
    session: dict[str, Any],
    at: Any,
    expected: Certainty | None,
) -> None:
    await keep(fresh_database_url, HERS | session)
    async with app.transaction(1) as tx:
        claims = await who_had.at(tx, ADDRESS, at)
    assert [claim.certainty for claim in claims] == ([] if expected is None else [expected])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"closed_by": "redial"}, {}, id="it dialled again"),
        pytest.param(
            {"closed_by": "next-generation", "acct_session_id": "7"},
            {"generation": 1, "acct_session_id": "7", "calling_station": "x"},
            id="its id was used again",
        ),
        pytest.param({"closed_by": "accounting-on"}, None, id="its NAS restarted"),
        pytest.param({"closed_by": "accounting-off"}, None, id="its NAS went down"),
    ],
)
async def test_who_was_online_since_his_last_report_is_likely_until_what_showed_the_end(
    fresh_database_url: str, app: Database, old: dict[str, Any], new: dict[str, Any] | None
) -> None:
    """Closed at the last report, for nobody is billed for silence: but he was there."""
    over_at = NOON + HOUR + 4 * MINUTE
    sessions = [HERS | old]
    if new is None:
        await execute(
            fresh_database_url,
            "INSERT INTO nas_mark (tenant_id, nas_id, nas_reported, at_s, kind, received_at)"
            f" SELECT 1, 1, 'bras-1', {over_at.timestamp():.0f} + more, 7, now()"
            " FROM (VALUES (-86400), (0), (86400)) AS m (more)",
        )
    else:
        sessions.append(OPEN | {"started_at": over_at, "last_seen_at": over_at} | new)
    await keep(fresh_database_url, *sessions)
    for at, expected in (
        (NOON + HOUR + 3 * MINUTE, [(1, LIKELY)]),
        (over_at + MINUTE, []),
    ):
        async with app.transaction(1) as tx:
            claims = await who_had.at(tx, ADDRESS, at)
        assert [(claim.session.id, claim.certainty) for claim in claims] == expected


@pytest.mark.parametrize(
    ("session", "matched"),
    [
        pytest.param({"framed_ipv6": "2001:db8::7"}, "framed_ipv6", id="the address"),
        pytest.param({"framed_ipv6": "2001:db8::/64"}, "framed_ipv6", id="in the framed prefix"),
        pytest.param({"delegated_ipv6": "2001:db8::/56"}, "delegated_ipv6", id="in the delegated"),
        pytest.param({"delegated_ipv6": "2001:db8::/33"}, "delegated_ipv6", id="in a short one"),
        pytest.param({"framed_ipv6": "2001:db8::8"}, None, id="its neighbour's"),
        pytest.param({"framed_ipv6": "2001:db8:0:1::/64"}, None, id="in the next prefix"),
        pytest.param({"framed_ip": "198.51.100.7"}, None, id="of the other kind"),
    ],
)
async def test_an_ipv6_address_is_had_by_whose_prefix_contains_it(
    fresh_database_url: str, app: Database, session: dict[str, str], matched: str | None
) -> None:
    await keep(fresh_database_url, {name: ip_interface(text) for name, text in session.items()})
    async with app.transaction(1) as tx:
        claims = await who_had.at(tx, ip_address("2001:db8::7"), NOON)
    assert [claim.matched for claim in claims] == ([] if matched is None else [matched])


async def test_overlapping_claims_name_each_other_and_the_certain_come_first(
    fresh_database_url: str, app: Database
) -> None:
    await keep(
        fresh_database_url,
        HERS,
        HERS | {"nas_id": 2},
        HERS | REAPED | {"started_at": NOON + MINUTE},
        HERS | {"started_at": NOON - 2 * HOUR, "last_seen_at": NOON, "stopped_at": NOON},
        HERS | {"tenant_id": 2},
    )
    async with app.transaction(1) as tx:
        claims = await who_had.at(tx, ADDRESS, NOON + 2 * MINUTE)
    assert [(c.session.id, c.certainty, c.overlaps) for c in claims] == [
        (1, CERTAIN, (2, 3)),
        (2, CERTAIN, (1, 3)),
        (3, LIKELY, (1, 2)),
    ]


@pytest.mark.slow
async def test_only_sessions_of_the_address_are_read(
    fresh_database_url: str, app: Database
) -> None:
    await populate(fresh_database_url, 20_000)
    async with app.transaction(1) as tx:
        reading = await Reading.of(tx, "session")
        claims = await who_had.at(tx, ip_address("100.64.0.7"), END - HOUR)
        assert len(claims) == 1
        assert await reading.rows() <= 110
    async with app.transaction(1) as tx:
        reading = await Reading.of(tx, "session")
        claims = await who_had.at(tx, ip_address("2001:db8:0:7::9"), END - HOUR)
        assert len(claims) == 1
        assert await reading.rows() <= 110
    async with app.transaction(1) as tx:
        reading = await Reading.of(tx, "session")
        claims = await who_had.at(tx, ip_address(HOTSPOT), END - HOUR)
        assert len(claims) > 1
        assert await reading.rows() <= 210
