"""`turnpike plan`: what a manifest said, said again."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from aaa import profiles
from app import cli_plan
from app.manifest import parse
from app.manifest_file import reply_check
from core.db import Database
from core.errors import NotFound
from dictionaries.loader import load

WHOLE = {
    "code": "home-50",
    "download": "50M",
    "upload": "20M",
    "burst": {"download": "80M", "upload": "30M", "threshold": "40M", "time_s": 16},
    "session_limit": 1,
    "at_limit": "kick_oldest",
    "session_timeout_s": 86400,
    "interim_s": 0,
    "address_pool": "pool-a",
    "on_nas": {"vlan": 100},
    "ipv4_pool": None,
    "ipv6_pool": None,
    "delegated_pool": None,
    "quota": "100GB",
    "quota_time": "300h",
    "quota_direction": "download",
    "quota_window": "calendar",
    "at_quota": "throttle",
    "fup": {"download": "2M", "upload": "1M"},
    "zones": [{"from": "22:00", "to": "06:00", "weight": 0.5}],
    "thresholds": [80, 100],
}
WRITTEN = {key: value for key, value in WHOLE.items() if value is not None}


@pytest.fixture
async def run(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    plans = parse({"plan": [WRITTEN, {"code": "open"}]}, reply_check(load())).plans
    database = Database(fresh_database_url)
    async with database.transaction(1) as tx:
        await profiles.put(tx, 1, plans)
    await database.dispose()
    return CliRunner()


async def test_a_plan_is_shown_in_the_words_of_its_manifest(run: CliRunner) -> None:
    assert json.loads(await in_thread(run, "show", "home-50", "--json")) == WHOLE
    bare = json.loads(await in_thread(run, "show", "open", "--json"))
    assert list(bare) == list(WHOLE)
    assert (bare["quota"], bare["at_quota"], bare["thresholds"]) == (None, None, [])
    assert [row["code"] for row in json.loads(await in_thread(run, "list", "--json"))] == [
        "home-50",
        "open",
    ]


async def test_people_get_a_plan_in_lines(run: CliRunner) -> None:
    lines = (await in_thread(run, "show", "home-50")).splitlines()
    facts = dict(line.split(maxsplit=1) for line in lines)
    assert facts["burst"] == "80M down 30M up threshold 40M 16s"
    assert facts["fup"] == "2M down 1M up"
    assert facts["zones"] == "22:00-06:00 x0.5"
    header, line, _ = (await in_thread(run, "list")).splitlines()
    assert header.index("QUOTA_TIME") == line.index("300h")


async def test_a_plan_that_nobody_made_is_not_found(run: CliRunner) -> None:
    refused = await asyncio.to_thread(run.invoke, cli_plan.commands, ["show", "gold"])
    assert isinstance(refused.exception, NotFound)
    assert str(refused.exception) == "there is no plan gold"


async def in_thread(run: CliRunner, *arguments: str) -> str:
    """The command has an event loop of its own."""
    told = await asyncio.to_thread(run.invoke, cli_plan.commands, list(arguments))
    assert told.exit_code == 0, told.output
    return told.output
