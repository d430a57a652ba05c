"""`turnpike jobs`, against a real database."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from app import cli_jobs
from core.db import Database
from core.errors import NotFound
from core.jobs import defer
from tests.conftest import execute


@pytest.fixture
def run(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    return CliRunner()


async def test_jobs_are_listed_and_a_held_one_is_retried(
    run: CliRunner, fresh_database_url: str
) -> None:
    database = Database(fresh_database_url)
    async with database.transaction(1) as tx:
        for n in (1, 2):
            await defer(tx, 1, "enforce", {"n": n})
    await database.dispose()
    await execute(
        fresh_database_url,
        "UPDATE turnpike_jobs.pgqueuer SET status = 'failed', attempts = 1,"
        """ headers = headers || '{"error": "Invalid: speed is 0"}' WHERE id = 1""",
    )
    [waiting, held] = json.loads(await in_thread(run, "list", "--json"))
    assert (waiting["id"], waiting["state"], waiting["error"]) == (2, "waiting", None)
    assert (held["id"], held["state"], held["error"]) == (1, "held", "Invalid: speed is 0")
    assert held["payload"] == {"tenant_id": 1, "n": 1}
    assert [job["id"] for job in json.loads(await in_thread(run, "list", "--held", "--json"))] == [
        1
    ]
    table = await in_thread(run, "list", "--before", "2")
    assert "Invalid: speed is 0" in table
    assert len(table.splitlines()) == 2

    assert await in_thread(run, "retry", "1") == "1 waiting again\n"
    assert json.loads(await in_thread(run, "list", "--held", "--json")) == []
    refused = await asyncio.to_thread(run.invoke, cli_jobs.commands, ["retry", "1", "2"])
    assert isinstance(refused.exception, NotFound)
    assert str(refused.exception) == "no held job 1, 2: see turnpike jobs list --held"


async def in_thread(run: CliRunner, *arguments: str) -> str:
    """The command has an event loop of its own."""
    told = await asyncio.to_thread(run.invoke, cli_jobs.commands, list(arguments))
    assert told.exit_code == 0, told.output
    return told.output
