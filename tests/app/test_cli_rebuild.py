"""`turnpike accounting rebuild`, against a real database."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import cli_accounting
from core.errors import Refused
from tests.accounting.ingesting import INTERIM, START, STOP, Node, packet, rows
from tests.conftest import execute

MB = 1_000_000
LIFE = (
    (0.0, packet(START, 0)),
    (300.0, packet(INTERIM, 300, 300, (MB, 10 * MB))),
    (600.0, packet(STOP, 600, 600, (2 * MB, 40 * MB))),
)


@pytest.fixture
def run(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    return CliRunner()


async def rebuild(run: CliRunner, *arguments: str, status: int = 0) -> str:
    """The command has an event loop of its own."""
    told = await asyncio.to_thread(run.invoke, cli_accounting.commands, ["rebuild", *arguments])
    assert told.exit_code == status, told.output
    return told.output


async def test_a_check_tells_what_differs_and_a_rebuild_mends_it(
    run: CliRunner, fresh_database_url: str, tmp_path: Path
) -> None:
    node = Node(fresh_database_url)
    await node.tell(tmp_path, *LIFE)
    await node.database.dispose()
    right = "no differences in 1 sessions, 3 records\n"
    assert await rebuild(run, "--check") == right
    assert await rebuild(run, "--check", "--json") == "[]\n"
    assert await rebuild(run, "--check", "--tenant", "demo-isp", "--from", "2026-01-01") == right
    before = "no differences in 0 sessions, 0 records\n"
    assert await rebuild(run, "--check", "--to", "2026-01-01T12:00:00Z") == before

    await execute(fresh_database_url, "UPDATE session SET stopped_at = NULL; DELETE FROM usage")
    told = await rebuild(run, "--check", status=1)
    assert told.endswith("1 differ in 1 sessions, 3 records\n")
    found = json.loads(await rebuild(run, "--check", "--json", status=1))
    [session] = await rows(fresh_database_url, "SELECT id FROM session")
    of = {
        "tenant": "demo-isp",
        "session": session["id"],
        "acct_session_id": "81200001",
        "nas": 11,
    }
    at = {"quarter": "2026-01-01T12:00:00.000Z", "confidence": "good"}
    none = {"quarter": None, "confidence": None}
    stopped = {"stored": None, "derived": "2026-01-01T12:10:00.000Z"}
    assert found == [
        {**of, "field": "stopped_at", **none, **stopped},
        {**of, "field": "input_octets", **at, "stored": 0, "derived": 2 * MB},
        {**of, "field": "output_octets", **at, "stored": 0, "derived": 40 * MB},
        {**of, "field": "session_time_s", **at, "stored": 0, "derived": 600},
    ]

    told = await rebuild(run)
    assert "stopped_at" in told
    assert told.endswith("1 corrected in 1 sessions, 3 records\n")
    assert await rebuild(run) == right
    assert await rebuild(run, "--check") == right


async def test_what_the_packets_no_longer_tell_is_named_and_no_difference(
    run: CliRunner, fresh_database_url: str, tmp_path: Path
) -> None:
    node = Node(fresh_database_url)
    await node.tell(tmp_path, *LIFE)
    await node.database.dispose()
    await execute(fresh_database_url, "DELETE FROM accounting_record WHERE seq = 1")
    told = await rebuild(run, "--check")
    assert "skipped" in told
    assert told.endswith("no differences in 0 sessions, 2 records; 1 skipped\n")


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--from", "yesterday"), id="no time"),
        pytest.param(("--from", "2026-01-02", "--to", "2026-01-02"), id="an empty range"),
        pytest.param(("--tenant", "nobody"), id="no such tenant"),
    ],
)
async def test_what_makes_no_sense_is_refused(run: CliRunner, arguments: tuple[str, ...]) -> None:
    told = await asyncio.to_thread(run.invoke, cli_accounting.commands, ["rebuild", *arguments])
    assert isinstance(told.exception, Refused)
