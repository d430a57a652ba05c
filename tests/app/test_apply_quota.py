"""Quotas from a file into the database and back."""

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import text

from aaa import profiles, subscribers
from app.apply import Applied, apply
from app.manifest import parse
from app.manifest_file import reply_check
from core.db import Database
from core.secret import Vault
from dictionaries.loader import load

CHECK = reply_check(load())
VAULT = Vault(bytes(32), random=lambda n: bytes(n))
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
FEBRUARY = datetime(2026, 2, 1, tzinfo=UTC)
PLAN: dict[str, Any] = {
    "code": "home-50",
    "quota": "100GB",
    "quota_time": "30h",
    "at_quota": "throttle",
    "fup": {"download": "2M", "upload": "1M"},
    "zones": [{"from": "00:00", "to": "06:00", "weight": 0}],
    "thresholds": [50, 100],
}
ALICE: dict[str, Any] = {
    "username": "alice",
    "password": "hunter2",
    "plan": "home-50",
    "quota_anchor": date(2026, 1, 31),
}


async def run(database: Database, *, now: datetime = NOON, **document: Any) -> Applied:
    return await apply(database, VAULT, parse(document, CHECK), tenant="demo-isp", now=now)


async def test_a_quota_is_stored_as_the_file_says_it(database: Database, tenant_id: int) -> None:
    assert (await run(database, plan=[PLAN], subscriber=[ALICE])).lines == (
        "+ plan home-50",
        "+ subscriber alice",
    )
    assert (await run(database, plan=[PLAN], subscriber=[ALICE])).lines == ()
    async with database.transaction(tenant_id) as tx:
        stored = await profiles.all_of(tx)
        assert (stored["home-50"].spec,) == parse({"plan": [PLAN]}, CHECK).plans
        alice = await subscribers.get(tx, "alice")
        assert alice.spec.quota_anchor == date(2026, 1, 31)


async def test_what_changes_is_told_in_the_words_of_the_file(database: Database) -> None:
    await run(database, plan=[PLAN], subscriber=[ALICE])
    noon = PLAN["zones"] + [{"from": "12:00", "to": "13:15", "weight": 2.5}]
    changed = PLAN | {"quota": "100GiB", "quota_window": "day", "zones": noon, "thresholds": []}
    changed = changed | {"fup": {"download": "3M", "upload": "1M"}, "quota_time": "90m"}
    [line] = (await run(database, plan=[changed])).lines
    assert line == (
        "~ plan home-50: quota 100GB -> 100GiB, quota_time 30h -> 90m, quota_window anchor -> day,"
        " fup.download 2M -> 3M, zones 00:00-06:00 x0 -> 00:00-06:00 x0,12:00-13:15 x2.5,"
        " thresholds 50,100 -> none"
    )
    without = {key: value for key, value in ALICE.items() if key != "quota_anchor"}
    assert (await run(database, subscriber=[without])).lines == (
        "~ subscriber alice: quota_anchor 2026-01-31 -> none",
    )


async def test_a_quotas_months_begin_on_the_day_of_the_first_plan(
    database: Database, tenant_id: int
) -> None:
    await run(database, plan=[PLAN, PLAN | {"code": "home-100"}], subscriber=[ALICE])
    await run(database, subscriber=[ALICE | {"plan": "home-100"}], now=FEBRUARY)
    async with database.transaction(tenant_id) as tx:
        assert await tx.scalar(text("SELECT made_at FROM entitlement")) == NOON


async def test_a_tenants_time_zone_is_told_when_it_changes(database: Database) -> None:
    assert (await run(database, timezone="Europe/Berlin")).lines == (
        "~ tenant demo-isp: timezone UTC -> Europe/Berlin",
    )
    assert (await run(database, timezone="Europe/Berlin")).lines == ()
    assert (await run(database)).lines == ()
