"""Spooled records become sessions and usage, each counted once."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest_asyncio

from tests.accounting.ingesting import (
    INTERIM,
    NOON_S,
    START,
    STOP,
    Node,
    packet,
    rows,
)

NOON = datetime.fromtimestamp(NOON_S, UTC)
MB = 1_000_000


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[Node]:
    one = Node(fresh_database_url)
    yield one
    await one.database.dispose()


LIFE = (
    (0.0, packet(START, 0)),
    (300.0, packet(INTERIM, 300, 300, (MB, 10 * MB))),
    (600.0, packet(STOP, 600, 600, (2 * MB, 40 * MB))),
)


async def test_start_interim_and_stop_are_one_session_with_its_usage(
    node: Node, tmp_path: Path
) -> None:
    await node.tell(tmp_path, *LIFE)
    [session] = await rows(node.url, "SELECT * FROM session")
    assert session["acct_session_id"] == "81200001"
    assert session["username"] == "alice"
    assert str(session["framed_ip"]) == "198.51.100.7"
    assert session["mac"] == "020000000001"
    assert session["started_at"] == NOON
    assert session["stopped_at"] == session["last_seen_at"] == NOON + timedelta(seconds=600)
    assert session["closed_by"] == "stop"
    assert (session["input_octets"], session["output_octets"]) == (2 * MB, 40 * MB)
    assert session["session_time_s"] == 600
    [usage] = await rows(
        node.url,
        "SELECT hour, sum(input_octets) i, sum(output_octets) o, sum(session_time_s) t"
        " FROM usage_hour WHERE session_id = $1 GROUP BY hour",
        session["id"],
    )
    assert usage == {"hour": NOON, "i": 2 * MB, "o": 40 * MB, "t": 600}
    records = await rows(
        node.url, "SELECT session_id, seq, source, packet FROM accounting_record ORDER BY seq"
    )
    assert [record["packet"] for record in records] == [octets for _, octets in LIFE]
    assert {record["session_id"] for record in records} == {session["id"]}
    assert records[0]["source"] == "192.0.2.1:1646"
    [position] = await rows(node.url, "SELECT seq FROM spool_position")
    assert position["seq"] == 3
