"""Of a box that restarts without end, no more is kept and read than a record looks at."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from accounting import staging
from accounting.marks import REMEMBERED, REMEMBERED_MAX
from tests.accounting.ingesting import (
    INTERIM,
    NAS,
    NOON_S,
    ON,
    START,
    TENANT,
    Node,
    packet,
    rows,
    totals,
)
from tests.conftest import execute

MARKS = "SELECT nas_reported, at_s FROM nas_mark ORDER BY 1, 2"


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[Node]:
    one = Node(fresh_database_url)
    yield one
    await one.database.dispose()


async def has_marks(node: Node, count: int, *, reported: str = "bras-1") -> None:
    """One a second, the last a second before noon."""
    await execute(
        node.url,
        f"INSERT INTO nas_mark SELECT {TENANT}, {NAS}, '{reported}', {NOON_S} - n, 7, now()"
        f" FROM generate_series(1, {count}) AS n",
    )


async def test_of_many_marks_of_a_box_only_the_last_are_read(node: Node) -> None:
    await has_marks(node, 5_000)
    await has_marks(node, 10, reported="bras-2")
    async with node.database.transaction() as tx:
        connection = await staging.begin(tx)
        boxes = [[TENANT] * 2, [NAS] * 2, ["bras-1", "bras-2"]]
        found = await connection.fetch(REMEMBERED, *boxes)
        [[plan]] = await connection.fetch(
            f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {REMEMBERED}", *boxes
        )
    assert [row["at_s"] for row in found if row["nas_reported"] == "bras-1"] == [
        NOON_S - n for n in range(1, REMEMBERED_MAX + 1)
    ]
    assert len(found) == REMEMBERED_MAX + 10
    [scan] = [one for one in nodes(plan[0]["Plan"]) if "Index Name" in one]
    assert scan["Actual Rows"] <= REMEMBERED_MAX


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(one for each in plan.get("Plans", ()) for one in nodes(each))]


async def test_a_box_that_restarts_again_and_again_keeps_its_last_marks(
    node: Node, tmp_path: Path
) -> None:
    await has_marks(node, 1_000)
    await has_marks(node, 100, reported="bras-2")
    await node.tell(tmp_path, (5, packet(ON, 5)), (6, packet(ON, 6)))
    kept = [row["at_s"] for row in await rows(node.url, MARKS) if row["nas_reported"] == "bras-1"]
    assert len(kept) == REMEMBERED_MAX
    assert kept[-2:] == [NOON_S + 5, NOON_S + 6]
    assert len(await rows(node.url, MARKS)) == REMEMBERED_MAX + 100, "another box's are its own"


async def test_a_late_record_meets_the_marks_of_its_own_box(node: Node, tmp_path: Path) -> None:
    """Its session was over with the restart, which came first."""
    await has_marks(node, 1_000, reported="bras-2")
    await node.tell(tmp_path, (0, packet(START, 0)), (600, packet(ON, 600)))
    await node.tell(
        tmp_path, (601, packet(START, 500, sid="late")), (602, packet(INTERIM, 550, 50, sid="late"))
    )
    found = await rows(node.url, "SELECT acct_session_id AS sid, closed_by FROM session ORDER BY 1")
    assert [(row["sid"], row["closed_by"]) for row in found] == [
        ("81200001", "accounting-on"),
        ("late", "accounting-on"),
    ]


def lives(*reports: tuple[int, int, int]) -> list[tuple[float, bytes]]:
    """Interims at that time, of that session time, with so many octets."""
    return [
        (at_s, packet(INTERIM, at_s, seconds, (octets, octets)))
        for at_s, seconds, octets in reports
    ]


@pytest.mark.parametrize(
    ("before", "since", "open_ones"),
    [
        pytest.param([(560, 560, 9)], [(590, 590, 10)], 0, id="it was as good as over"),
        pytest.param([(300, 300, 9)], [(1200, 590, 99)], 1, id="what came since is another"),
        pytest.param([(300, 300, 9)], [(900, 900, 99)], 1, id="it went on all the same"),
    ],
)
async def test_a_restart_that_is_heard_of_late_closes_at_once_what_it_would_have_closed(
    node: Node,
    tmp_path: Path,
    before: list[tuple[int, int, int]],
    since: list[tuple[int, int, int]],
    open_ones: int,
) -> None:
    restart = (2000.0, packet(ON, 570))
    start = (0.0, packet(START, 0))
    await node.tell(tmp_path, start, *lives(*before))
    await node.tell(tmp_path, restart)
    await node.tell(tmp_path, *lives(*since))
    early = await totals(node.url)
    for table in ("session", "session_group", "session_history", "usage", "nas_mark"):
        await execute(node.url, f"DELETE FROM {table}")
    await node.tell(tmp_path, start, *lives(*before))
    await node.tell(tmp_path, *lives(*since))
    await node.tell(tmp_path, restart)
    assert await totals(node.url) == early
    found = await rows(node.url, "SELECT closed_by FROM session WHERE stopped_at IS NULL")
    assert len(found) == open_ones
