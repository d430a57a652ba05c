"""`turnpike nas quality`, against a real database."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from app import cli_nas
from tests.accounting.ingesting import NAS
from tests.conftest import execute

OURS = ("--tenant", "demo-isp")


@pytest.fixture
def run(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    return CliRunner()


async def test_a_box_that_reports_badly_is_told_with_its_reasons(
    run: CliRunner, fresh_database_url: str
) -> None:
    await execute(
        fresh_database_url,
        "INSERT INTO tenant (id, code, name) VALUES (2, 'other-isp', 'x');"
        "INSERT INTO nas (id, tenant_id, name, address, secret_sealed)"
        f" VALUES ({NAS}, 1, 'bras-1', '192.0.2.1', 'x'), (12, 1, 'bras-2', '192.0.2.2', 'x'),"
        " (13, 2, 'theirs', '192.0.2.3', 'x');"
        "INSERT INTO nas_day (tenant_id, nas_id, day, records, stops, reaped, skew_s)"
        f" VALUES (1, {NAS}, current_date, 100, 80, 20, 4000),"
        f" (1, {NAS}, current_date - 9, 100, 0, 900, 0), (2, 13, current_date, 1, 0, 0, 0)",
    )
    found = {
        row["nas"]: row for row in json.loads(await in_thread(run, "quality", *OURS, "--json"))
    }
    assert set(found) == {"bras-1", "bras-2"}
    assert found["bras-2"]["score"] is None
    bad = found["bras-1"]
    assert (bad["records"], bad["missing_stops"], bad["missing_stop_share"]) == (100, 20, 0.2)
    assert {one["reason"]: one["points"] for one in bad["reasons"]} == {
        "missing-stops": 16,
        "clock": 20,
    }
    assert bad["score"] == 64
    assert bad["latest_sessions"] == bad["latest_sessions_median_upload_octets"] == 0
    assert not {"sessions", "upload_octets", "download_octets"} & set(bad)
    told = await in_thread(run, "quality", *OURS, "--days", "30")
    assert "92% of sessions had no Stop: 920 fell silent" in told
    assert "its clock is 4000 s ahead" in told


async def in_thread(run: CliRunner, *arguments: str) -> str:
    """The command has an event loop of its own."""
    told = await asyncio.to_thread(run.invoke, cli_nas.commands, list(arguments))
    assert told.exit_code == 0, told.output
    return told.output
