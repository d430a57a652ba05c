"""Groups that are long over get small, and still know what was counted."""

from collections.abc import AsyncIterator
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from accounting.identity import SessionKey
from accounting.reading import digest
from accounting.tombstones import DAYS_LATE, KEPT_DAYS_MIN, Tombstones
from core.clock import Clock
from core.radius.packet import attribute
from tests.accounting.ingesting import (
    INTERIM,
    NAS,
    ON,
    START,
    STOP,
    TENANT,
    Node,
    packet,
    rows,
    totals,
)
from tests.accounting.rebuilding import differences
from tests.conftest import execute

KB = 1_000
DAY_S = 86_400
LATE_S = 40 * DAY_S
OURS = attribute(25, b"ai:" + b"%016x" % 7 + b"%016x" % 99)


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[Node]:
    one = Node(fresh_database_url)
    yield one
    await one.database.dispose()


def life(
    reports: int, *, class_: bytes = OURS, sid: str = "81200001", stops: bool = True
) -> list[bytes]:
    """A session that reports every two minutes."""
    told = [packet(START, 0, 0, sid=sid, more=class_, station=b"")]
    for number in range(1, reports):
        at_s = 120 * number
        octets = (KB * at_s, 3 * KB * at_s)
        status = STOP if stops and number == reports - 1 else INTERIM
        told.append(packet(status, at_s, at_s, octets, sid=sid, more=class_, station=b""))
    return told


async def take(node: Node, root: Path, packets: list[bytes], at_s: float = 9_000.0) -> None:
    await node.tell(root, *((at_s, octets) for octets in packets))


def tombstones(node: Node, keep_raw_days: int = 1) -> Tombstones:
    return Tombstones(node.database, Clock(), keep_raw_days)


async def age(url: str, days: int) -> None:
    await execute(url, f"UPDATE session_group SET updated_at = now() - interval '{days} days'")


async def size(url: str) -> int:
    [found] = await rows(
        url,
        "SELECT sum(octet_length(state) + octet_length(abouts))::int AS size FROM session_group",
    )
    size: int = found["size"]
    return size


async def used(node: Node) -> tuple[int, int]:
    summed = "SELECT sum(input_octets)::bigint AS i, sum(output_octets)::bigint AS o FROM usage"
    [found] = await rows(node.url, summed)
    return found["i"], found["o"]


@pytest.mark.parametrize("reports", [1, 2, 3, 9, 60], ids="{} reports".format)
async def test_what_is_counted_once_more_from_a_spool_is_refused_and_news_are_not(
    node: Node, tmp_path: Path, reports: int
) -> None:
    """In any order.  It says when it came."""
    told = life(reports) if reports > 1 else life(2)[1:]
    await take(node, tmp_path, told)
    before, large = await totals(node.url), await size(node.url)
    await age(node.url, 40)
    assert await tombstones(node).step() == 1
    assert await size(node.url) < large
    assert await tombstones(node).step() == 0, "once is enough"

    Random(reports).shuffle(told)
    await take(node, tmp_path, told)
    assert await totals(node.url) == before
    assert await differences(node.url) == []
    stop_s = 120 * max(reports - 1, 1)
    larger = (4 * KB * stop_s, 4 * KB * stop_s)
    await take(node, tmp_path, [packet(STOP, stop_s, stop_s, larger, more=OURS, station=b"")])
    [session] = await rows(node.url, "SELECT * FROM session")
    assert (session["input_octets"], session["output_octets"]) == larger
    assert (session["username"], session["closed_by"]) == ("alice", "stop")
    assert await used(node) == larger


@pytest.mark.parametrize("seed", range(4))
async def test_what_a_box_sends_again_a_month_later_is_judged_as_if_all_were_remembered(
    node: Node, tmp_path: Path, seed: int
) -> None:
    """Nobody believes so old a time, so it counts as of its arrival: in any order, some of it."""
    twins = ("emptied", "whole")
    for sid in twins:
        await take(node, tmp_path, life(9, sid=sid))
    before = await of_each(node)
    assert before["emptied"] == before["whole"]
    await age(node.url, 40)
    key = digest(SessionKey(TENANT, NAS, "bras-1", "whole", f"{99:016x}"))
    await execute(
        node.url, f"UPDATE session_group SET updated_at = now() WHERE key = '\\x{key.hex()}'"
    )
    assert await tombstones(node).step() == 1
    chance = Random(seed)
    for number in chance.sample(range(9), chance.randint(1, 9)):
        at_s = LATE_S + chance.randrange(3_600)
        for sid in twins:
            await take(node, tmp_path, [life(9, sid=sid)[number]], at_s)
    after = await of_each(node)
    assert after["emptied"] == after["whole"]


async def of_each(node: Node) -> dict[str, list[tuple[object, ...]]]:
    """Sessions with what they used, by Acct-Session-Id."""
    found: dict[str, list[tuple[object, ...]]] = {}
    for row in await rows(
        node.url,
        "SELECT s.acct_session_id, s.generation, s.username, s.started_at, s.stopped_at,"
        " s.session_time_s, s.output_octets, (SELECT sum(u.output_octets)::bigint FROM usage AS u"
        " WHERE u.session_id = s.id) AS used FROM session AS s ORDER BY 1, 2",
    ):
        sid, *facts = row.values()
        found.setdefault(sid, []).append(tuple(facts))
    return found


async def test_only_what_is_over_for_long_and_of_one_login_and_generation_is_emptied(
    node: Node, tmp_path: Path
) -> None:
    await take(node, tmp_path, life(9, sid="open", stops=False))
    await take(node, tmp_path, life(9, sid="anybody", class_=b""))
    again = packet(START, 7_000, sid="twice", more=OURS, station=b"")
    await take(node, tmp_path, [*life(9, sid="twice"), again])
    large = await size(node.url)
    await age(node.url, 40)
    assert await tombstones(node).step() == 0
    assert await size(node.url) == large
    await take(node, tmp_path, life(9, sid="over"))
    await age(node.url, KEPT_DAYS_MIN + DAYS_LATE - 1)
    assert await tombstones(node).step() == 0
    await age(node.url, 40)
    assert await tombstones(node, keep_raw_days=40).step() == 0, "its packets are still there"
    assert await tombstones(node).step() == 1


async def test_a_restart_that_ended_it_is_remembered_in_what_it_ended(
    node: Node, tmp_path: Path
) -> None:
    told = life(9, stops=False)
    await take(node, tmp_path, told)
    await take(node, tmp_path, [packet(ON, 1_000)])
    before = await totals(node.url)
    await age(node.url, 40)
    assert await tombstones(node).step() == 1
    await execute(node.url, "DELETE FROM nas_mark")
    await take(node, tmp_path, [*told, packet(ON, 1_000)])
    assert await totals(node.url) == before


async def test_all_groups_have_their_turn(node: Node, tmp_path: Path) -> None:
    packets = [octets for number in range(5) for octets in life(3, sid=f"s{number}")]
    await take(node, tmp_path, packets)
    await age(node.url, 40)
    walk = Tombstones(node.database, Clock(), 1, page=2)
    assert [await walk.step() for _ in range(4)] == [2, 2, 1, 0]
