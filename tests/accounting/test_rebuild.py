"""What is stored is what the raw packets give; what is not, a rebuild makes so by adding."""

import asyncio
from collections.abc import AsyncIterator, Collection
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from uuid import uuid4

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from accounting import usage_days
from accounting.batch import Batch, Claim
from accounting.corrections import GONE, LATE, STATELESS
from accounting.identity import SessionKey
from accounting.ingest import LOCK, Ingest
from accounting.points import BY_REAPER, Mark
from accounting.reading import digest, understand
from accounting.rebuild import Rebuild, Tally
from accounting.rebuild_survey import Scope
from accounting.records import NasView
from core.db import NodeDatabase, Tx
from tests.accounting.ingesting import (
    INTERIM,
    NAS,
    NOON_S,
    OFF,
    ON,
    START,
    STOP,
    TENANT,
    Node,
    packet,
    portion,
    rows,
    segment_of,
    spooled,
    totals,
)
from tests.accounting.rebuilding import ALL, differences, run
from tests.conftest import execute

MB = 1_000_000
DAY_S = 86_400


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[Node]:
    one = Node(fresh_database_url)
    yield one
    await one.database.dispose()


# --- honest schedules

Told = tuple[bool, bytes]
"""A packet, and whether the batch ends with it."""


@st.composite
def told(draw: st.DrawFn) -> list[Told]:
    """What no sane NAS sends, of few devices with few session ids, and restarts among it."""
    numbers = st.sampled_from([0, 1, 50, 299, 300, 301, 600, 1_200, 3_600, 7_200, 80_000])
    octets = st.sampled_from([0, 1, 10, 10**6, 10**9, 2**31 + 5, 2**32 - 1, 2**40])
    packets: list[Told] = []
    for _ in range(draw(st.integers(1, 14))):
        status = draw(st.sampled_from([START, STOP, INTERIM, INTERIM, INTERIM, ON, OFF]))
        # A stamp that nobody believes: then it happened when it came.
        at_s = draw(numbers) if draw(st.integers(0, 3)) else 40 * DAY_S
        station = draw(st.sampled_from([b"", b"02-00-00-00-00-01"]))
        packets.append(
            (
                draw(st.booleans()),
                packet(
                    status,
                    at_s,
                    draw(st.one_of(st.none(), numbers)),
                    (draw(octets), draw(octets)),
                    sid=draw(st.sampled_from("aab")),
                    user=draw(st.sampled_from([b"alice", b"bob"])),
                    station=station,
                ),
            )
        )
    repeated = draw(st.lists(st.sampled_from(packets), max_size=4))
    return draw(st.permutations([*packets, *repeated]))


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(arriving=told(), line_bps=st.sampled_from([None, 10**8]), lost_after=st.integers(0, 20))
@pytest.mark.slow
def test_whatever_comes_in_whatever_order_a_check_finds_nothing(
    fresh_database_url: str,
    tmp_path: Path,
    arriving: list[Told],
    line_bps: int | None,
    lost_after: int,
) -> None:
    """Also where all groups were lost in between, and made again."""
    asyncio.run(_find_nothing(fresh_database_url, tmp_path, arriving, line_bps, lost_after))


tenants = count(1_000)


async def _find_nothing(
    url: str, root: Path, arriving: list[Told], line_bps: int | None, lost_after: int
) -> None:
    tenant_id = next(tenants)
    node = Node(url)
    views = {tenant_id: NasView(tenant_id, tenant_id, line_bps=line_bps)}
    # Packets of days before are there as well, so that none of these sessions' can be gone.
    await node.tell(root, (-4.0 * DAY_S, packet(None)))
    waiting = []
    for number, (ends, octets) in enumerate(arriving, start=1):
        waiting.append(spooled(octets, 80_000 + number, nas_id=tenant_id, tenant_id=tenant_id))
        if ends or number == len(arriving):
            segment = segment_of(root, waiting, uuid4().hex)
            waiting = []
            async with node.database.transaction() as tx:
                await node.ingest.take(tx, understand([portion(segment)], views))
        if number == lost_after:
            await execute(url, f"DELETE FROM session_group WHERE tenant_id = {tenant_id}")
            await execute(url, f"DELETE FROM session_history WHERE tenant_id = {tenant_id}")
            assert (await run(url, Scope(tenant_id), mend=True))[1].skipped == 0
    found, tally = await run(url, Scope(tenant_id), mend=False)
    assert found == []
    assert tally.skipped == 0
    await node.database.dispose()


# --- damage


def session(
    sid: str, until_s: int = 7_200, *, step_s: int = 300, from_s: int = 0, ends: bool = True
) -> list[tuple[float, bytes]]:
    """One that reports every five minutes, from a device of its own."""
    station = sid.encode()
    arriving = []
    for at_s in range(0, until_s + 1, step_s):
        status = START if not at_s else STOP if ends and at_s == until_s else INTERIM
        octets = (at_s * 10, at_s * 1_000)
        told = packet(status, from_s + at_s, at_s, octets, sid=sid, station=station)
        arriving.append((float(from_s + at_s), told))
    return arriving


async def several(node: Node, root: Path) -> None:
    """Sessions of all kinds: closed by a Stop, open, superseded, reaped, restarted, reused."""
    await node.tell(root, *session("stopped"), *session("long", 40_000), *session("x", ends=False))
    await node.tell(root, *session("reused", 1_000, step_s=100))
    await node.tell(root, *session("reused", 1_000, step_s=100, from_s=5_000))
    dialled = {"station": b"02-00-00-00-00-09"}
    await node.tell(root, (0.0, packet(START, 0, sid="old", **dialled)))  # type: ignore[arg-type]
    await node.tell(root, (900.0, packet(START, 900, sid="new", **dialled)))  # type: ignore[arg-type]
    await node.tell(root, *session("reaped", 600, ends=False))
    [row] = await rows(node.url, "SELECT * FROM session WHERE acct_session_id = 'reaped'")
    key = (row["tenant_id"], row["nas_id"], row["nas_reported"], "reaped", row["class_nonce"])
    mark = Mark(NOON_S + 9_000, BY_REAPER, NOON_S + 600)
    async with node.database.transaction() as tx:
        await node.ingest.sweep(tx, {digest(SessionKey(*key)): (SessionKey(*key), mark)})
    await node.tell(root, (0.0, packet(START, 0, sid="rebooted", nas=b"bras-2", station=b"")))
    await node.tell(root, (900.0, packet(ON, 900, nas=b"bras-2")))
    assert await differences(node.url) == []


OF_STOPPED = "(SELECT id FROM session WHERE acct_session_id = 'stopped')"


def group_of(sid: str) -> str:
    key = SessionKey(TENANT, NAS, "bras-1", sid, "")
    return f"'\\x{digest(key).hex()}'"


DAMAGE = {
    "a counter was changed": (
        "UPDATE session SET output_octets = 1 WHERE acct_session_id = 'stopped'",
        [("stopped", "output_octets", 1, 7_200_000)],
    ),
    "a session was opened again": (
        "UPDATE session SET stopped_at = NULL, closed_by = '' WHERE acct_session_id = 'stopped'",
        [
            ("stopped", "stopped_at", None, NOON_S + 7_200),
            ("stopped", "closed_by", "", "stop"),
        ],
    ),
    "a name was changed": (
        "UPDATE session SET username = 'eve' WHERE acct_session_id = 'long'",
        [("long", "username", "eve", "alice")],
    ),
    "usage was deleted": (
        f"DELETE FROM usage WHERE session_id = {OF_STOPPED}"
        f" AND begins_at = to_timestamp({NOON_S + 900})",
        [
            ("stopped", f"usage {NOON_S + 900} 0 input_octets", 0, 9_000),
            ("stopped", f"usage {NOON_S + 900} 0 output_octets", 0, 900_000),
            ("stopped", f"usage {NOON_S + 900} 0 session_time_s", 0, 900),
        ],
    ),
    "usage was counted twice": (
        "INSERT INTO usage (tenant_id, session_id, begins_at, input_octets, output_octets,"
        f" session_time_s, confidence) SELECT 1, {OF_STOPPED}, to_timestamp({NOON_S}), 5, 0, 0, 0",
        [("stopped", f"usage {NOON_S} 0 input_octets", 9_005, 9_000)],
    ),
    "a session was deleted": (
        "DELETE FROM session WHERE acct_session_id = 'reused' AND generation = 1",
        [("reused", "session", None, "generation 1")],
    ),
    "a session was made up": (
        'INSERT INTO session SELECT (jsonb_populate_record(s, \'{"id": 9999, "generation": 1}\')).*'
        " FROM session s WHERE acct_session_id = 'stopped'",
        [
            ("stopped", "session", "generation 1", None),
            ("stopped", "group sessions", [1], [1, 9999]),
        ],
    ),
    "a group was lost": (
        f"DELETE FROM session_group WHERE key = {group_of('long')};"
        f" DELETE FROM session_history WHERE key = {group_of('long')}",
        [("long", "group", "lost", "there")],
    ),
    "a group with nothing but history left": (
        f"DELETE FROM session_group WHERE key = {group_of('long')}",
        [("long", "group", "lost", "there")],
    ),
    "the group of one that was superseded": (
        f"DELETE FROM session_group WHERE key = {group_of('old')}",
        [("old", "group", "lost", "there")],
    ),
    "the group of one that was reaped": (
        f"DELETE FROM session_group WHERE key = {group_of('reaped')}",
        [("reaped", "group", "lost", "there")],
    ),
    "a group's state was overwritten": (
        f"UPDATE session_group SET state = '\\x00' WHERE key = {group_of('x')}",
        [("x", "group", "unreadable", "there")],
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_damage_is_named_and_mended_by_adding(
    damage: str, node: Node, tmp_path: Path
) -> None:
    await several(node, tmp_path)
    before = await totals(node.url)
    statement, named = DAMAGE[damage]
    await execute(node.url, statement)
    billed = await rows(node.url, "SELECT * FROM usage ORDER BY id")
    assert await differences(node.url) == named
    assert await differences(node.url) == named, "a check changes nothing"
    found, tally = await run(node.url, mend=True)
    assert (len(found), tally.corrected) == (1, 1)
    assert await totals(node.url) == before
    usage = await rows(node.url, "SELECT * FROM usage ORDER BY id")
    assert usage[: len(billed)] == billed, "rows are only added"
    assert await run(node.url, mend=True) == ([], tally_of(await run(node.url, mend=False)))
    assert await rows(node.url, "SELECT * FROM usage ORDER BY id") == usage


def tally_of(result: tuple[object, Tally]) -> Tally:
    return result[1]


async def test_all_is_made_again_from_packets_that_name_no_session(
    node: Node, tmp_path: Path
) -> None:
    """But what only the sweeper knew: it will look again."""
    await several(node, tmp_path)
    before = await totals(node.url)
    await execute(
        node.url,
        "TRUNCATE session, session_group, session_history, usage;"
        " UPDATE accounting_record SET session_id = NULL",
    )
    _, tally = await run(node.url, mend=True)
    assert tally.corrected == tally.differing == 8
    after = await totals(node.url)
    assert after["usage"] == before["usage"]
    unlike = [a for a in after["sessions"] if a not in before["sessions"]]  # type: ignore[attr-defined, operator]
    assert [(one["acct_session_id"], one["closed_by"]) for one in unlike] == [("reaped", "")]
    assert await differences(node.url) == []
    nameless = "SELECT count(*) AS n FROM accounting_record WHERE session_id IS NULL"
    assert await rows(node.url, nameless) == [{"n": 1}], "the Accounting-On"


async def test_lost_sessions_get_their_numbers_back_from_the_packets(
    node: Node, tmp_path: Path
) -> None:
    """So usage that has been billed is not counted once more to a session of another number."""
    await several(node, tmp_path)
    numbers = "SELECT id, acct_session_id, generation FROM session ORDER BY id"
    before, usage = await rows(node.url, numbers), await rows(node.url, "SELECT * FROM usage")
    await execute(node.url, "TRUNCATE session, session_group, session_history")
    await run(node.url, mend=True)
    assert await rows(node.url, numbers) == before
    assert await rows(node.url, "SELECT * FROM usage") == usage


async def of_one(tx: Tx, claims: Collection[Claim]) -> dict[Claim, int]:
    """All belongs to one subscriber."""
    return dict.fromkeys(claims, 1)


@pytest.mark.parametrize("is_killed", [False, True])
async def test_days_are_summed_anew_of_whom_was_mended_also_where_the_rebuild_did_not_end(
    node: Node, tmp_path: Path, is_killed: bool
) -> None:
    """Usage that was lost is in the sums of its days, and would be there twice."""
    node.ingest = Ingest("test", owners=of_one)
    await node.tell(tmp_path, *session("a", 900), *session("b", 900))
    await usage_days.keep_up(node.database)
    summed = "SELECT sum(output_octets)::int AS octets FROM usage_day"
    assert await rows(node.url, summed) == [{"octets": 1_800_000}]
    await execute(node.url, "DELETE FROM usage")
    database = NodeDatabase(node.url, connections_max=1)
    running = Rebuild(database, Ingest("rebuild", owners=of_one)).run(ALL, mend=True)
    await anext(running)  # mended: what follows is to tell of it
    if not is_killed:
        assert len([one async for one in running]) == 1
    await running.aclose()
    await database.dispose()
    await usage_days.keep_up(node.database)
    assert await rows(node.url, summed) == [{"octets": 1_800_000}]


async def test_observers_are_told_under_the_lock_of_ingest(node: Node, tmp_path: Path) -> None:
    await node.tell(tmp_path, *session("a", 900))
    await execute(node.url, "DELETE FROM usage")
    seen: list[tuple[int, int]] = []
    alone = (
        "SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"
        f" AND objid = {LOCK} AND mode = 'ExclusiveLock'"
    )

    async def observe(tx: Tx, batch: Batch) -> None:
        seen.extend((row.session_id, row.usage.output_octets) for row in batch.usage())
        assert await tx.scalar(text(alone)) == 1

    database = NodeDatabase(node.url, connections_max=1)
    rebuild = Rebuild(database, Ingest("rebuild", observers=(observe,)))
    assert len([one async for one in rebuild.run(ALL, mend=True)]) == 1
    await database.dispose()
    [row] = await rows(node.url, "SELECT id FROM session")
    assert seen == [(row["id"], 900_000)]


async def test_sessions_are_mended_also_where_an_observer_fails_and_it_is_said(
    node: Node, tmp_path: Path
) -> None:
    await node.tell(tmp_path, *session("a", 900), *session("b", 900))
    await execute(node.url, "DELETE FROM usage")
    stood_in: list[int] = []

    async def refused(tx: Tx, batch: Batch) -> None:
        await tx.execute(text("SELECT 1 / (count(*) - count(*)) FROM session"))

    async def stand_in(tx: Tx, batch: Batch) -> None:
        stood_in.append(len(batch.groups))

    database = NodeDatabase(node.url, connections_max=1)
    failing = Ingest("rebuild", observers=(refused,), stand_ins=(stand_in,))
    rebuild = Rebuild(database, failing)
    assert len([one async for one in rebuild.run(ALL, mend=True)]) == 2
    await database.dispose()
    assert stood_in == [2]
    assert (rebuild.tally.corrected, rebuild.tally.stood_in) == (2, 2)
    assert await differences(node.url) == []


# --- while ingest runs


async def test_a_check_beside_ingest_finds_nothing_and_a_rebuild_loses_nothing(
    node: Node, tmp_path: Path
) -> None:
    await node.tell(tmp_path, *session("s0", 3_000), *session("s1", 3_000))
    await execute(node.url, "UPDATE session SET output_octets = 0 WHERE acct_session_id = 's0'")
    at_once = asyncio.Event()

    async def tell_all() -> None:
        arriving = sorted(one for n in range(2, 10) for one in session(f"s{n}", 9_000))
        for start in range(0, len(arriving), 8):
            await node.tell(tmp_path, *arriving[start : start + 8])
            at_once.set()

    telling = asyncio.create_task(tell_all())
    await at_once.wait()
    corrected, rounds = 0, 0
    while not telling.done():
        assert {one[0] for one in await differences(node.url)} <= {"s0"}
        corrected += (await run(node.url, mend=True))[1].corrected
        rounds += 1
    await telling
    assert rounds > 1
    assert corrected == 1
    assert await differences(node.url) == []
    octets = await rows(
        node.url, "SELECT output_octets, count(*) AS n FROM session GROUP BY 1 ORDER BY 1"
    )
    assert octets == [{"output_octets": 3 * MB, "n": 2}, {"output_octets": 9 * MB, "n": 8}]


# --- what cannot be known


async def skipped(url: str, scope: Scope = ALL, *, mend: bool = True) -> list[tuple[str, str]]:
    found, tally = await run(url, scope, mend=mend)
    named = [(one.key.acct_session_id, one.skipped) for one in found if one.skipped]
    assert tally.skipped == len(named)
    return named


@pytest.mark.parametrize(
    "also",
    [
        pytest.param("SELECT", id="remembered in its history"),
        pytest.param("DELETE FROM session_history", id="its history forgotten as well"),
        pytest.param("DELETE FROM session_history; DELETE FROM session_group", id="its group lost"),
    ],
)
async def test_sessions_whose_oldest_packets_are_gone_are_named_and_left_alone(
    also: str, node: Node, tmp_path: Path
) -> None:
    """Else they would be corrected to less than what has been billed."""
    await node.tell(tmp_path, *session("days", 2 * DAY_S))
    await node.tell(tmp_path, *session("young", 900, from_s=DAY_S))
    before = await totals(node.url)
    midnight = f"to_timestamp({NOON_S + DAY_S // 2})"
    await execute(node.url, f"DELETE FROM accounting_record WHERE received_at < {midnight}")
    await execute(node.url, also)
    assert await skipped(node.url, mend=False) == [("days", GONE)]
    assert await skipped(node.url, mend=True) == [("days", GONE)]
    assert await totals(node.url) == before


async def test_what_was_counted_when_its_quarter_had_been_forgotten_stays_so(
    node: Node, tmp_path: Path
) -> None:
    arriving = session("long", 70_000, step_s=700)
    await node.tell(tmp_path, *arriving)
    await execute(node.url, "DELETE FROM session_history")
    late = packet(INTERIM, 900, 900, (9_100, 905_000), sid="long", station=b"long")
    await node.tell(tmp_path, (900.0, late))
    before = await totals(node.url)
    assert await skipped(node.url) == [("long", LATE)]
    assert await totals(node.url) == before


async def test_a_range_is_of_arrival_and_whole_sessions_are_read(
    node: Node, tmp_path: Path
) -> None:
    await node.tell(tmp_path, *session("early", 900), *session("long", 9_000))
    await execute(node.url, "UPDATE session SET input_octets = 0")
    late = Scope(start=datetime.fromtimestamp(NOON_S + 5_000, UTC))
    early = Scope(end=datetime.fromtimestamp(NOON_S, UTC))
    assert {one[0] for one in await differences(node.url, late)} == {"long"}
    assert await differences(node.url, early) == []
    assert await differences(node.url, Scope(TENANT + 1)) == []
    await execute(node.url, f"DELETE FROM session_group WHERE key = {group_of('long')}")
    assert await skipped(node.url, late) == [("long", STATELESS)]
    assert {one[0] for one in await differences(node.url)} == {"early", "long"}
