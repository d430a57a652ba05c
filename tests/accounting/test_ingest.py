"""Spooled records become sessions and usage, each counted once."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import text

from aaa.owners import owners
from accounting import staging
from accounting.batch import Batch
from accounting.ingest import Ingest, Moved
from accounting.reading import understand
from accounting.rows import SAME_DEVICE, Contended
from accounting.spool import Record
from accounting.staging import NumberTaken
from accounting.trouble import is_the_worlds
from core.db import Tx
from core.radius.packet import attribute
from tests.accounting.ingesting import (
    INTERIM,
    NOON_S,
    OFF,
    ON,
    START,
    STOP,
    Node,
    packet,
    portion,
    rows,
    segment_of,
    spooled,
    totals,
    until,
)
from tests.conftest import execute

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
        "SELECT begins_at, sum(input_octets) i, sum(output_octets) o, sum(session_time_s) t"
        " FROM usage WHERE session_id = $1 GROUP BY begins_at",
        session["id"],
    )
    assert usage == {"begins_at": NOON, "i": 2 * MB, "o": 40 * MB, "t": 600}
    records = await rows(
        node.url, "SELECT session_id, seq, source, packet FROM accounting_record ORDER BY seq"
    )
    assert [record["packet"] for record in records] == [octets for _, octets in LIFE]
    assert {record["session_id"] for record in records} == {session["id"]}
    assert records[0]["source"] == "192.0.2.1:1646"
    [position] = await rows(node.url, "SELECT seq FROM spool_position")
    assert position["seq"] == 3


async def test_a_batch_whose_position_moved_is_refused_with_the_truth(
    node: Node, tmp_path: Path
) -> None:
    """So a commit whose outcome nobody learned is neither lost nor counted twice (D8)."""
    segment = segment_of(tmp_path, [spooled(octets, at_s) for at_s, octets in LIFE])
    await node.take(portion(segment))
    before = await totals(node.url)
    with pytest.raises(Moved) as told:
        await node.take(portion(segment))
    assert list(told.value.positions.values()) == [3]
    with pytest.raises(Moved):
        await node.take(portion(segment, after_seq=1))
    assert await totals(node.url) == before


async def test_numbers_that_the_sequence_gives_twice_mix_up_no_sessions(
    node: Node, tmp_path: Path
) -> None:
    """As after a failover to a replica: it has a new connection, and an older sequence."""
    await node.tell(tmp_path, (0, packet(START, 0, sid="a1", station=b"", user=b"alice")))
    await execute(node.url, "SELECT setval('session_id_seq', (SELECT max(id) FROM session))")
    other = Node(node.url)
    await other.tell(tmp_path, (0, packet(START, 0, sid="b1", station=b"", user=b"bob")))
    await other.database.dispose()
    await node.database.dispose()
    await node.tell(tmp_path, (0, packet(START, 0, sid="a2", station=b"", user=b"carol")))
    names = await rows(node.url, "SELECT username FROM session ORDER BY username")
    assert [row["username"] for row in names] == ["alice", "bob", "carol"]


async def test_a_sequence_behind_the_sessions_is_an_error_that_passes(
    node: Node, tmp_path: Path
) -> None:
    """A replica by logical replication has the sessions, and its sequence begins at one."""
    await node.tell(tmp_path, (0, packet(START, 0, sid="a1", station=b"", user=b"alice")))
    await execute(node.url, "ALTER SEQUENCE session_id_seq RESTART WITH 1")
    await node.database.dispose()
    with pytest.raises(NumberTaken) as told:
        await node.tell(tmp_path, (0, packet(START, 0, sid="b1", station=b"", user=b"bob")))
    assert is_the_worlds(told.value)
    assert [row["username"] for row in await rows(node.url, "SELECT username FROM session")] == [
        "alice"
    ]
    await node.tell(tmp_path, (0, packet(START, 0, sid="b1", station=b"", user=b"bob")))
    assert len(await rows(node.url, "SELECT 1 FROM session")) == 2


@pytest.mark.parametrize(
    ("asked", "given"), [("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")]
)
async def test_a_commit_of_ingest_is_on_the_disk_whatever_the_server_thinks_enough(
    asked: str, given: str, node: Node
) -> None:
    [name] = await rows(node.url, "SELECT current_database() AS it")
    await execute(node.url, f"ALTER DATABASE {name['it']} SET synchronous_commit = {asked}")
    async with node.database.transaction() as tx:
        connection = await staging.begin(tx)
        assert await connection.fetchval("SHOW synchronous_commit") == given


async def test_a_batch_that_is_not_committed_leaves_nothing(node: Node, tmp_path: Path) -> None:
    segment = segment_of(tmp_path, [spooled(octets, at_s) for at_s, octets in LIFE])
    reading = understand([portion(segment)], {})

    async def killed() -> None:
        async with node.database.transaction() as tx:
            await node.ingest.take(tx, reading)
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await killed()
    for table in ("session", "session_group", "usage", "accounting_record", "spool_position"):
        assert await rows(node.url, f"SELECT 1 FROM {table}") == [], table
    await node.take(portion(segment))
    assert len(await rows(node.url, "SELECT 1 FROM session")) == 1


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0), (1, 1, 0, 2, 2)])
async def test_any_order_and_repetition_over_segments_is_one_session(
    order: tuple[int, ...], node: Node, tmp_path: Path
) -> None:
    for at in order:
        await node.tell(tmp_path, LIFE[at])
    [session] = await rows(node.url, "SELECT * FROM session")
    assert (session["output_octets"], session["session_time_s"]) == (40 * MB, 600)
    assert session["closed_by"] == "stop"
    usage = await rows(node.url, "SELECT sum(output_octets) AS o FROM usage")
    assert usage == [{"o": 40 * MB}]


async def test_a_group_that_another_node_changed_meanwhile_is_read_again(
    node: Node, fresh_database_url: str, tmp_path: Path
) -> None:
    """Fault D15: each has read the group before the other has written it."""
    await node.tell(tmp_path, (0, packet(START, 0)), (300, packet(INTERIM, 300, 300, (0, MB))))
    other = Node(fresh_database_url)
    segments = [
        segment_of(tmp_path, [spooled(packet(INTERIM, at_s, at_s, (0, octets)), at_s)], worker)
        for worker, at_s, octets in (("a", 600, 2 * MB), ("b", 900, 7 * MB))
    ]
    mine, theirs = (understand([portion(segment)], {}) for segment in segments)
    async with node.database.transaction() as tx:
        await node.ingest.take(tx, mine)
        late = asyncio.create_task(other.take(portion(segments[1])))
        waiting = "SELECT count(*) AS n FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

        async def waits() -> bool:
            return bool((await rows(node.url, waiting))[0]["n"])

        await until(waits)
    with pytest.raises(Contended):
        await late
    async with other.database.transaction() as tx:
        await other.ingest.take(tx, theirs)
    await other.database.dispose()
    [session] = await rows(node.url, "SELECT session_time_s, output_octets FROM session")
    assert session == {"session_time_s": 900, "output_octets": 7 * MB}
    [usage] = await rows(node.url, "SELECT sum(output_octets)::bigint AS o FROM usage")
    assert usage["o"] == 7 * MB


async def test_two_nodes_with_packets_of_the_same_sessions_make_each_once(
    node: Node, fresh_database_url: str, tmp_path: Path
) -> None:
    """Fault D15."""
    other = Node(fresh_database_url)
    numbers = range(60)
    halves: tuple[list[Record], list[Record]] = ([], [])
    for at_s, status in ((0, START), (300, INTERIM), (600, INTERIM), (900, STOP)):
        for number in numbers:
            octets = packet(
                status, at_s, at_s, (at_s, at_s * number), sid=f"s{number}", station=b""
            )
            halves[(at_s // 300 + number) % 2].append(spooled(octets, at_s))

    async def drain(one: Node, records: list[Record], worker: str) -> None:
        segment = segment_of(tmp_path, records, worker)
        after = 0
        while part := portion(segment, after, 7).records:
            try:
                await one.take(portion(segment, after, 7))
            except Contended:
                continue
            after = part[-1].seq

    await asyncio.gather(drain(node, halves[0], "a"), drain(other, halves[1], "b"))
    await other.database.dispose()
    sessions = await rows(node.url, "SELECT acct_session_id, output_octets, closed_by FROM session")
    assert {row["acct_session_id"]: row["output_octets"] for row in sessions} == {
        f"s{number}": 900 * number for number in numbers
    }
    assert len(sessions) == len(numbers)
    assert {row["closed_by"] for row in sessions} == {"stop"}
    [usage] = await rows(node.url, "SELECT sum(output_octets) AS o FROM usage")
    assert usage["o"] == sum(900 * number for number in numbers)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        pytest.param(packet(None), "no-status-type", id="no status"),
        pytest.param(packet(99), "status-type", id="unknown status"),
        pytest.param(packet(START, sid=""), "no-session-id", id="no session id"),
        pytest.param(b"\x04\x01\x00\x15" + bytes(17), "malformed", id="no packet at all"),
    ],
)
async def test_what_cannot_be_understood_is_a_dead_letter_and_blocks_nothing(
    octets: bytes, reason: str, node: Node, tmp_path: Path
) -> None:
    batch = await node.tell(tmp_path, LIFE[0], (1.0, octets), LIFE[2])
    [letter] = await rows(node.url, "SELECT reason, packet, nas_id, seq FROM dead_letter")
    assert letter["reason"].startswith(reason)
    assert (letter["packet"], letter["nas_id"], letter["seq"]) == (octets, 11, 2)
    assert sum(batch.dead.values()) == 1
    [session] = await rows(node.url, "SELECT closed_by FROM session")
    assert session["closed_by"] == "stop"
    assert len(await rows(node.url, "SELECT 1 FROM accounting_record")) == 3


ODD = {
    "a name with NUL and broken UTF-8": packet(START, sid="a", user=b"a\0b\xff\xfe"),
    "64 bits, all set": packet(STOP, 0, 1, (2**64 - 1, 2**64 - 1), sid="b"),
    "136 years online": packet(STOP, 0, 2**32 - 1, (1, 1), sid="c"),
    "SQL": packet(START, sid="'; DROP TABLE session; --"),
    "253 octets": packet(START, sid="x" * 253),
    "nothing used": packet(STOP, 0, 0, sid="d"),
    "1970": packet(START, -NOON_S, sid="e"),
    "2106": packet(START, 2**32 - 1 - NOON_S, sid="f"),
}


@pytest.mark.parametrize("received_at_s", [0.0, -NOON_S, 2**32 - NOON_S])
async def test_odd_packets_are_counted_at_any_time(
    received_at_s: float, node: Node, tmp_path: Path
) -> None:
    await node.tell(tmp_path, *((received_at_s, octets) for octets in ODD.values()))
    assert len(await rows(node.url, "SELECT 1 FROM session")) == len(ODD)
    assert await rows(node.url, "SELECT 1 FROM dead_letter") == []
    records = await rows(node.url, "SELECT packet FROM accounting_record ORDER BY seq")
    assert [record["packet"] for record in records] == list(ODD.values())


@pytest.mark.parametrize("status", [ON, OFF])
async def test_a_restart_closes_the_sessions_of_that_box_where_they_were(
    status: int, node: Node, tmp_path: Path
) -> None:
    """Fault D10."""
    await node.tell(
        tmp_path,
        *((0.0, packet(START, 0, sid=f"s{number}", station=b"")) for number in range(20)),
        (300.0, packet(INTERIM, 300, 300, (1, MB), sid="s7", station=b"")),
        (300.0, packet(START, 300, sid="other", nas=b"bras-2", station=b"")),
    )
    await node.tell(tmp_path, (1000.0, packet(status, 1000)))
    found = await rows(node.url, "SELECT * FROM session")
    sessions = {row["acct_session_id"]: row for row in found}
    assert sessions["other"]["stopped_at"] is None
    assert sessions["s7"]["stopped_at"] == NOON + timedelta(seconds=300)
    assert sessions["s8"]["stopped_at"] == NOON
    closed = {row["closed_by"] for name, row in sessions.items() if name != "other"}
    assert closed == {"accounting-on" if status == ON else "accounting-off"}
    assert {row["terminate_cause"] for name, row in sessions.items() if name != "other"} == {11}
    assert sessions["s7"]["output_octets"] == MB

    before = await totals(node.url)
    await node.tell(tmp_path, (1001.0, packet(status, 1000)))
    assert await totals(node.url) == before


async def test_a_record_of_before_the_restart_that_comes_after_it_is_closed_by_it(
    node: Node, tmp_path: Path
) -> None:
    await node.tell(tmp_path, (1000.0, packet(ON, 1000)))
    await node.tell(tmp_path, (1001.0, packet(START, 0)))
    await node.tell(tmp_path, (1100.0, packet(START, 1100, sid="fresh", station=b"")))
    found = await rows(node.url, "SELECT acct_session_id, closed_by FROM session")
    assert {row["acct_session_id"]: row["closed_by"] for row in found} == {
        "81200001": "accounting-on",
        "fresh": "",
    }


async def test_a_device_that_dials_again_supersedes_its_old_session(
    node: Node, tmp_path: Path
) -> None:
    await node.tell(tmp_path, (0.0, packet(START, 0, sid="old")))
    await node.tell(tmp_path, (300.0, packet(INTERIM, 300, 300, (1, 1), sid="old")))
    await node.tell(
        tmp_path,
        (900.0, packet(START, 900, sid="new")),
        (901.0, packet(START, 901, sid="elsewhere", port=b"ether2")),
    )
    found = await rows(node.url, "SELECT acct_session_id, closed_by, stopped_at FROM session")
    sessions = {row["acct_session_id"]: row for row in found}
    assert sessions["old"]["closed_by"] == "redial"
    assert sessions["old"]["stopped_at"] == NOON + timedelta(seconds=300)
    assert sessions["new"]["stopped_at"] is None
    assert sessions["elsewhere"]["stopped_at"] is None


async def test_observers_see_what_changed_inside_the_transaction(
    fresh_database_url: str, tmp_path: Path
) -> None:
    seen: list[tuple[str, int]] = []

    async def observe(tx: Tx, batch: Batch) -> None:
        assert await tx.scalar(text("SELECT count(*) FROM session")) == 1
        seen.extend((one.about.user_name, one.generation.output_octets) for one in batch.sessions())
        seen.extend(("usage", row.usage.output_octets) for row in batch.usage())

    node = Node(fresh_database_url, observe)
    await node.tell(tmp_path, *LIFE)
    assert seen == [("alice", 40 * MB), ("usage", 40 * MB)]
    await node.database.dispose()


async def test_the_subscriber_is_found_by_class_or_by_name(
    fresh_database_url: str, tmp_path: Path
) -> None:
    await execute(
        fresh_database_url,
        "INSERT INTO tenant (code, name) VALUES ('x', 'x'); INSERT INTO subscriber"
        " (id, tenant_id, username) VALUES (1001, 1, 'alice'), (1002, 1, 'bob'), (1003, 2, 'eve');"
        " INSERT INTO subscriber (id, tenant_id, username, access, mac)"
        " VALUES (1004, 1, 'tablet', 'hotspot', '02005e100004'),"
        " (1005, 2, 'theirs', 'hotspot', '02005e100005')",
    )
    node = Node(fresh_database_url)
    node.ingest = Ingest("test", owners=owners)
    ours = attribute(25, b"ai:%016x%016x" % (1002, 1))
    theirs = attribute(25, b"ai:%016x%016x" % (1003, 1))
    nobodys = attribute(25, b"ai:%016x%016x" % (0, 1))  # of who was let in to register
    await node.tell(
        tmp_path,
        (0.0, packet(START, sid="by-name", station=b"")),
        (0.0, packet(START, sid="by-class", station=b"", more=ours)),
        (0.0, packet(START, sid="foreign", user=b"nobody", station=b"", more=theirs)),
        (0.0, packet(START, sid="by-mac", user=b"02-00-5E-10-00-04", station=b"")),
        (0.0, packet(START, sid="stranger", user=b"02-00-5E-10-00-05", station=b"", more=nobodys)),
        (9.0, packet(STOP, 9, 9, (1, 1), sid="by-class", station=b"", more=ours)),
    )
    found = await rows(node.url, "SELECT acct_session_id, subscriber_id FROM session")
    assert {row["acct_session_id"]: row["subscriber_id"] for row in found} == {
        "by-name": 1001,
        "by-class": 1002,
        "foreign": None,
        "by-mac": 1004,
        "stranger": None,
    }
    [usage] = await rows(node.url, "SELECT subscriber_id FROM usage")
    assert usage["subscriber_id"] == 1002
    await node.database.dispose()


async def test_a_redial_is_looked_up_by_the_device_whatever_the_statistics(node: Node) -> None:
    """Of 50 000 sessions on one NAS that had no statistics yet, each new one read all."""
    async with node.database.transaction() as tx:
        connection = await staging.begin(tx)
        plan = await connection.fetch(f"EXPLAIN {SAME_DEVICE}", list(range(5000)))
    told = "\n".join(line[0] for line in plan)
    assert re.findall(r"using (\w+) on session", told) == ["pk_session", "ix_session_open_device"]


@pytest.mark.slow
@pytest.mark.long
async def test_a_restart_of_a_box_with_50000_sessions_closes_them_in_time(
    node: Node, tmp_path: Path
) -> None:
    """Fault D10."""
    for first in range(0, 50_000, 5_000):
        numbers = range(first, first + 5_000)
        await node.tell(
            tmp_path,
            *((0.0, packet(START, 0, sid=f"s{number}", station=b"")) for number in numbers),
            *(
                (300.0, packet(INTERIM, 300, 300, (1, MB), sid=f"s{number}", station=b""))
                for number in numbers
            ),
        )
    await node.tell(tmp_path, (300.0, packet(START, 300, sid="other", nas=b"bras-2")))
    began = asyncio.get_running_loop().time()
    await node.tell(tmp_path, (1000.0, packet(ON, 1000)))
    assert asyncio.get_running_loop().time() - began <= 30.0
    closed = await rows(
        node.url,
        "SELECT nas_reported, stopped_at, terminate_cause, output_octets, count(*)"
        " FROM session GROUP BY 1, 2, 3, 4 ORDER BY 1",
    )
    at_s = NOON + timedelta(seconds=300)
    assert [tuple(row.values()) for row in closed] == [
        ("bras-1", at_s, 11, MB, 50_000),
        ("bras-2", None, 0, 0, 1),
    ]
    [day] = await rows(node.url, "SELECT restarted, stops FROM nas_day")
    assert day == {"restarted": 50_000, "stops": 0}
    began = asyncio.get_running_loop().time()
    await node.tell(tmp_path, (1001.0, packet(ON, 1000)))
    assert asyncio.get_running_loop().time() - began <= 1.0
    assert await rows(node.url, "SELECT restarted FROM nas_day") == [{"restarted": 50_000}]
