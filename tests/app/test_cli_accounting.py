"""`turnpike accounting dead-letters`, against a real database."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from accounting import dead_letters
from accounting.batch import Batch
from accounting.dead_letters import Retried
from accounting.ingest import Ingest
from app import cli_accounting, cli_rebuild
from core.db import NodeDatabase, Tx, connect
from core.errors import NotFound
from tests.accounting.ingesting import NAS, START, TENANT, Node, packet, rows
from tests.conftest import execute

LETTER = """
INSERT INTO dead_letter (tenant_id, received_at, nas_id, source, packet, reason, segment, seq)
SELECT 1, r.received_at, r.nas_id, r.source, r.packet, 'bug: ZeroDivisionError', r.segment, r.seq
  FROM accounting_record r WHERE r.seq = 1
"""


@pytest.fixture
def run(fresh_database_url: str, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    monkeypatch.setenv("DATABASE_URL", fresh_database_url)
    return CliRunner()


async def dead(url: str, tmp_path: Path) -> None:
    """A sound record that a bug made a dead letter, and one that nobody understands."""
    node = Node(url)
    await node.tell(tmp_path, (0.0, packet(START)), (1.0, packet(99)))
    await node.database.dispose()
    owner = await connect(url, None)
    await owner.execute(LETTER)
    await owner.execute(
        "DELETE FROM session; DELETE FROM session_group; UPDATE accounting_record"
        " SET session_id = NULL"
    )
    await owner.close()


async def test_dead_letters_are_listed_and_what_can_be_counted_by_now_is(
    run: CliRunner, fresh_database_url: str, tmp_path: Path
) -> None:
    await dead(fresh_database_url, tmp_path)
    listed = await in_thread(run, "dead-letters", "list", "--json")
    found = json.loads(listed)
    assert [row["reason"] for row in found] == ["bug: ZeroDivisionError", "status-type"]
    assert [row["nas"] for row in found] == [NAS, NAS], "a NAS that is gone has a number"
    await execute(
        fresh_database_url,
        "INSERT INTO nas (id, tenant_id, name, address, secret_sealed)"
        f" VALUES ({NAS}, 1, 'bras-1', '192.0.2.1', 'x')",
    )
    named = await in_thread(run, "dead-letters", "list", "--before", str(found[0]["id"]), "--json")
    assert [row["nas"] for row in json.loads(named)] == ["bras-1"]
    assert found[0]["packet"] == packet(START).hex()
    assert "bug: ZeroDivisionError" in await in_thread(run, "dead-letters", "list")

    told = await in_thread(run, "dead-letters", "retry")
    assert told == "1 counted, 1 still not\n"
    [session] = await rows(fresh_database_url, "SELECT id, username FROM session")
    assert session["username"] == "alice"
    [record] = await rows(
        fresh_database_url, "SELECT session_id FROM accounting_record WHERE seq = 1"
    )
    assert record["session_id"] == session["id"]
    [left] = await rows(fresh_database_url, "SELECT reason, retried_at FROM dead_letter")
    assert left["reason"] == "status-type"
    assert left["retried_at"] is not None
    assert await in_thread(run, "dead-letters", "retry") == "0 counted, 1 still not\n"


async def test_a_letter_is_counted_also_where_an_observer_fails_and_it_is_said(
    fresh_database_url: str, tmp_path: Path
) -> None:
    await dead(fresh_database_url, tmp_path)

    async def has_a_bug(tx: Tx, batch: Batch) -> None:
        raise ZeroDivisionError

    failing = Ingest("retry", observers=(has_a_bug,), stand_ins=(has_a_bug,))
    database = NodeDatabase(fresh_database_url)
    ids = [row["id"] for row in await rows(fresh_database_url, "SELECT id FROM dead_letter")]
    told = await dead_letters.retry(database, failing, TENANT, ids)
    await database.dispose()
    assert told == Retried(counted=1, still_dead=1, stood_in=1)
    assert "failed at 1 (see the log)" in cli_rebuild.stood_in(told.stood_in)
    [left] = await rows(fresh_database_url, "SELECT reason FROM dead_letter")
    assert left["reason"] == "status-type"
    assert len(await rows(fresh_database_url, "SELECT FROM session")) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("retry", "999", "1000"), "no dead letter 999, 1000: see turnpike accounting dead-lett"),
        (
            ("list", "--reason", "bogus"),
            "no dead letter has the reason bogus; there are: bug: ZeroDivisionError, status-type",
        ),
        (("retry", "--reason", "bogus"), "no dead letter has the reason bogus; there are: bug: "),
    ],
)
async def test_what_no_dead_letter_has_is_not_found(
    run: CliRunner, fresh_database_url: str, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    await dead(fresh_database_url, tmp_path)
    refused = await asyncio.to_thread(
        run.invoke, cli_accounting.commands, ["dead-letters", *arguments]
    )
    assert isinstance(refused.exception, NotFound)
    assert words in str(refused.exception)


async def in_thread(run: CliRunner, *arguments: str) -> str:
    """The command has an event loop of its own."""
    told = await asyncio.to_thread(run.invoke, cli_accounting.commands, list(arguments))
    assert told.exit_code == 0, told.output
    return told.output
