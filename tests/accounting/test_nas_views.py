"""What ingest knows of a NAS, what it learns, and that a rebuild counts as we did."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from struct import pack

import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from accounting.batch import Batch
from accounting.counted_as import counted_as, view_of
from accounting.counters import GOOD, LOW, QUARANTINE
from accounting.dead_letters import retry
from accounting.nas_views import NasViews
from accounting.reading import understand
from accounting.records import NasView, Record
from accounting.request import read
from core.radius.packet import attribute, parse
from nas_adapters.counting import OCTET_UNITS
from tests.accounting.ingesting import (
    INTERIM,
    NOON_S,
    START,
    STOP,
    TENANT,
    Node,
    packet,
    portion,
    rows,
    segment_of,
    spooled,
    until,
)
from tests.conftest import execute

NAS = 11
MB, GIB = 10**6, 2**30
ROUND = 2**32


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[Node]:
    await execute(
        fresh_database_url,
        "INSERT INTO nas (id, tenant_id, name, address, secret_sealed)"
        f" VALUES ({NAS}, {TENANT}, 'bras-1', '192.0.2.1/32', 'x')",
    )
    one = Node(fresh_database_url)
    yield one
    await one.database.dispose()


async def nas_is(node: Node, setting: str) -> None:
    await execute(node.url, f"UPDATE nas SET {setting} WHERE id = {NAS}")


class Spool:
    """Tells packets to a node's ingest, with the views it has."""

    def __init__(self, node: Node, views: NasViews, root: Path) -> None:
        self.node, self.views, self.root = node, views, root

    async def tell(self, *packets: tuple[float, bytes]) -> Batch:
        segment = segment_of(
            self.root, [spooled(octets, at_s, nas_id=NAS) for at_s, octets in packets]
        )
        async with self.node.database.transaction() as tx:
            batch = await self.node.ingest.take(tx, understand([portion(segment)], self.views()))
        await self.views.learn(batch)
        return batch


@pytest_asyncio.fixture
async def spool(node: Node, tmp_path: Path) -> Spool:
    views = NasViews(node.database)
    await views.refresh()
    return Spool(node, views, tmp_path)


# --- kept


async def test_the_settings_of_every_nas_are_there_and_follow_what_changes(node: Node) -> None:
    views = NasViews(node.database)
    assert views() == {}
    assert not views.known.is_set()
    await views.refresh()
    assert views.known.is_set()
    assert views() == {NAS: NasView(NAS, TENANT)}
    await nas_is(node, "line_bps = 1000000000, sends_gigawords = true")
    await views.refresh()
    assert views()[NAS] == NasView(NAS, TENANT, line_bps=10**9, sends_gigawords=True)


async def test_the_old_ones_stay_while_the_database_is_away(node: Node) -> None:
    await nas_is(node, "line_bps = 1000")
    views = NasViews(node.database, every_s=0.02)
    running = asyncio.create_task(views.run())
    async with asyncio.timeout(10):
        await views.known.wait()
    await execute(node.url, "ALTER TABLE nas RENAME TO away")
    await asyncio.sleep(0.1)
    assert views()[NAS].line_bps == 1000
    await execute(node.url, "UPDATE away SET line_bps = 2000")
    await execute(node.url, "ALTER TABLE away RENAME TO nas")

    async def is_new() -> bool:
        return views()[NAS].line_bps == 2000

    await until(is_new)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


# --- learned


async def test_a_box_that_sent_gigawords_is_remembered_once(node: Node, spool: Spool) -> None:
    batch = await spool.tell(
        (0, packet(START, 0)),
        (300, packet(INTERIM, 300, 300, (0, 5 * GIB))),
        (600, packet(INTERIM, 600, 600, (0, 6 * GIB))),
    )
    assert batch.gigawords == {NAS}
    assert spool.views()[NAS].sends_gigawords, "at once, on this node"
    await spool.views.refresh()
    stored = "SELECT sends_gigawords, xmin::text FROM nas"
    [first] = await rows(node.url, stored)
    assert first["sends_gigawords"]
    batch = await spool.tell((900, packet(INTERIM, 900, 900, (0, 7 * GIB))))
    assert batch.gigawords == set()
    await spool.views.refresh()
    assert await rows(node.url, stored) == [first]


async def test_gigawords_of_zero_teach_nothing(spool: Spool) -> None:
    """Some boxes send the attribute, and never anything but zero in it."""
    empty = attribute(52, bytes(4)) + attribute(53, bytes(4))
    batch = await spool.tell((300, packet(INTERIM, 300, 300, (0, GIB), more=empty)))
    assert batch.gigawords == set()


async def test_what_is_learned_waits_for_nobody_who_is_writing_the_nas(
    node: Node, spool: Spool
) -> None:
    await spool.tell((300, packet(INTERIM, 300, 300, (0, 5 * GIB))))
    other = await node.database.connect()
    transaction = other.transaction()
    await transaction.start()
    await other.execute("SELECT FROM nas FOR UPDATE")
    async with asyncio.timeout(3):
        await spool.views.refresh()
    assert spool.views()[NAS].sends_gigawords
    await transaction.rollback()
    await other.close()
    await spool.views.refresh()
    assert await rows(node.url, "SELECT sends_gigawords FROM nas") == [{"sends_gigawords": True}]


async def test_a_node_may_write_nothing_else_of_a_nas(node: Node) -> None:
    connection = await node.database.connect()
    with pytest.raises(Exception, match="permission denied"):
        await connection.execute("UPDATE nas SET swap_octets = true")
    await connection.close()


# --- counted, from the packet to the table


async def counters(node: Node) -> tuple[int, int, int]:
    [row] = await rows(node.url, "SELECT input_octets, output_octets, confidence FROM session")
    return row["input_octets"], row["output_octets"], row["confidence"]


@pytest.mark.parametrize(
    ("line_bps", "expected"),
    [
        # 300 s at 100 Mbit/s are 3.75 GB: once round, and no more than that.
        pytest.param(100_000_000, (ROUND + MB, GOOD), id="a line too slow for two rounds"),
        # At 300 Mbit/s they are 11 GB: once is the least.
        pytest.param(300_000_000, (ROUND + MB, LOW), id="a line that could have gone round twice"),
        pytest.param(None, (ROUND + MB, LOW), id="nobody said what the line carries"),
        # 300 s at 1 Mbit/s are 37 MB: nothing went round, the report is wrong.
        pytest.param(1_000_000, (ROUND - 100 * MB, QUARANTINE), id="a line too slow for one"),
    ],
)
async def test_a_counter_that_fell_is_a_wrap_by_what_the_line_carries(
    line_bps: int | None, expected: tuple[int, int], node: Node, spool: Spool
) -> None:
    """Domain §5.2, with §5.4 for the slowest line; BUG6 is that nobody looks."""
    await nas_is(node, f"line_bps = {line_bps or 'NULL'}")
    await spool.views.refresh()
    high = ROUND - 100 * MB
    await spool.tell(
        (0, packet(START, 0)),
        (600, packet(INTERIM, 600, 600, (0, high))),
        (900, packet(STOP, 900, 900, (0, MB))),
    )
    received, sent, confidence = await counters(node)
    assert (received, sent, confidence) == (0, *expected)


async def test_a_counter_of_a_box_that_sends_gigawords_does_not_wrap(
    node: Node, spool: Spool
) -> None:
    await nas_is(node, "line_bps = 100000000, sends_gigawords = true")
    await spool.views.refresh()
    high = ROUND - 100 * MB
    await spool.tell(
        (600, packet(INTERIM, 600, 600, (0, high))),
        (900, packet(STOP, 900, 900, (0, MB))),
    )
    assert (await counters(node))[1] == high


async def test_more_than_the_line_carries_is_for_a_person_to_look_at(
    node: Node, spool: Spool
) -> None:
    """Domain §5.4: half as much again is allowed."""
    await nas_is(node, "line_bps = 8000000")  # a megabyte a second
    await spool.views.refresh()
    await spool.tell(
        (0, packet(START, 0)),
        (300, packet(INTERIM, 300, 300, (0, 450 * MB))),
        (600, packet(INTERIM, 600, 600, (0, 901 * MB))),
    )
    assert await counters(node) == (0, 901 * MB, QUARANTINE)


async def test_a_swapped_box_is_turned_round(node: Node, spool: Spool) -> None:
    await nas_is(node, "swap_octets = true")
    await nas_is(node, "swapped_at = '{}'")
    await spool.views.refresh()
    await spool.tell((0, packet(START, 0)), (300, packet(INTERIM, 300, 300, (900 * MB, 100 * MB))))
    assert await counters(node) == (100 * MB, 900 * MB, GOOD)


@pytest.mark.parametrize("first", [False, True])
async def test_a_session_keeps_the_direction_that_it_began_with(
    first: bool, node: Node, spool: Spool
) -> None:
    await nas_is(node, f"swap_octets = {not first}")
    await nas_is(node, f"swapped_at = ARRAY[to_timestamp({NOON_S + 450})]")
    await spool.views.refresh()
    await spool.tell(
        (300, packet(INTERIM, 300, 300, (1 * MB, 10 * MB), sid="old")),
        (600, packet(INTERIM, 600, 600, (2 * MB, 20 * MB), sid="old")),
        (500, packet(START, 500, 0, sid="new", station=b"")),
        (800, packet(INTERIM, 800, 300, (1 * MB, 10 * MB), sid="new", station=b"")),
    )
    found = await rows(
        node.url,
        "SELECT acct_session_id AS sid, input_octets AS i, output_octets AS o FROM session",
    )
    turned = {False: {"i": 2 * MB, "o": 20 * MB}, True: {"i": 20 * MB, "o": 2 * MB}}
    by_sid = {row.pop("sid"): row for row in found}
    assert by_sid["old"] == turned[first]
    assert by_sid["new"] == {key: value // 2 for key, value in turned[not first].items()}


async def test_whoever_changes_the_direction_the_moment_is_noted(node: Node) -> None:
    await nas_is(node, "swap_octets = true")
    await nas_is(node, "swap_octets = true, line_bps = 5")
    await nas_is(node, "swap_octets = false")
    [row] = await rows(
        node.url, "SELECT swapped_at, now() - swapped_at[2] < interval '1 minute' AS c FROM nas"
    )
    assert len(row["swapped_at"]) == 2
    assert row["c"]


# --- counted again


async def test_a_changed_setting_leaves_what_was_counted_as_it_was(
    node: Node, spool: Spool
) -> None:
    """Raw packets read again, by what is kept with each, make the records of then."""
    await nas_is(node, "line_bps = 100000000")
    await spool.views.refresh()
    before = {}
    packets = {
        "plain": packet(INTERIM, 300, 300, (3, 5)),
        "wide": packet(INTERIM, 600, 600, (3, 5 * GIB)),
        "learned": packet(INTERIM, 900, 900, (3, 5), sid="other"),
        "swapped": packet(INTERIM, 1200, 60, (3, 5), sid="third"),
    }
    for name, octets in packets.items():
        if name == "swapped":
            await nas_is(node, "swap_octets = true, line_bps = NULL")
            await nas_is(node, f"swapped_at = ARRAY[to_timestamp({NOON_S - 3600})]")
            await spool.views.refresh()
        record = read(parse(octets), float(NOON_S), spool.views()[NAS])
        assert isinstance(record, Record)
        before[octets] = record
        await spool.tell((0, octets))
    assert [record.swapped for record in before.values()] == [False, False, False, True]
    assert [record.wide for record in before.values()] == [False, True, True, True]
    kept = await rows(
        node.url, "SELECT nas_id, tenant_id, packet, counted_as FROM accounting_record"
    )
    assert len(kept) == len(before)
    for row in kept:
        view = view_of(row["nas_id"], row["tenant_id"], row["counted_as"])
        assert read(parse(row["packet"]), float(NOON_S), view) == before[row["packet"]]


numbers = st.integers(0, 2**32 - 1)
views = st.builds(
    NasView,
    st.just(NAS),
    st.just(TENANT),
    swap_octets=st.booleans(),
    line_bps=st.none() | st.integers(1, 100 * 10**12),
    sends_gigawords=st.booleans(),
    swapped_at_s=st.lists(st.integers(NOON_S - 900, NOON_S + 900), max_size=4).map(tuple),
    octet_unit=st.sampled_from(OCTET_UNITS),
)


@given(
    nas=views,
    values=st.dictionaries(st.sampled_from([42, 43, 46, 52, 53]), numbers),
    session_time_s=st.none() | st.integers(0, 1800),
)
def test_whatever_the_settings_were_the_record_is_made_again(
    nas: NasView, values: dict[int, int], session_time_s: int | None
) -> None:
    if session_time_s is not None:
        values[46] = session_time_s
    more = b"".join(attribute(code, pack(">I", value)) for code, value in values.items())
    sent = attribute(40, pack(">I", INTERIM)) + attribute(44, b"81") + more
    octets = parse(b"\4\1" + pack(">H", 20 + len(sent)) + bytes(16) + sent)
    record = read(octets, float(NOON_S), nas)
    assert isinstance(record, Record)
    kept = counted_as(record, nas)
    assert kept is None or 0 < kept < 2**63
    assert read(octets, float(NOON_S), view_of(NAS, TENANT, kept)) == record


def test_a_box_that_counts_in_kilobytes_has_carried_a_thousand_times_more() -> None:
    octets = parse(packet(INTERIM, 300, 300, (3, 5)))
    record = read(octets, float(NOON_S), NasView(NAS, TENANT, octet_unit=1024))
    assert isinstance(record, Record)
    plain = read(octets, float(NOON_S), NasView(NAS, TENANT))
    assert isinstance(plain, Record)
    assert record.input_octets == plain.input_octets * 1024
    assert record.output_octets == plain.output_octets * 1024
    assert record.wide, "four terabytes is where it would go round"


async def test_a_dead_letter_is_tried_again_by_the_settings_of_its_nas(
    node: Node, spool: Spool
) -> None:
    octets = packet(INTERIM, 300, 300, (1, 9))
    await nas_is(node, "swap_octets = true")
    await nas_is(node, "swapped_at = '{}'")
    segment = segment_of(spool.root, [spooled(octets, 300, nas_id=NAS)])
    one = portion(segment)
    async with node.database.transaction() as tx:
        refused = {(one.segment, 1): "bug: of yesterday"}
        await node.ingest.take(tx, understand([one], {}, refused))
    [letter] = await rows(node.url, "SELECT id FROM dead_letter")
    told = await retry(node.database, node.ingest, TENANT, [letter["id"]])
    assert told.counted == 1
    assert await counters(node) == (9, 1, GOOD)
    assert await rows(node.url, "SELECT counted_as FROM accounting_record") == [{"counted_as": 1}]
