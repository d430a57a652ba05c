"""Segments on disk end up in the database, whatever dies in between."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio

from accounting.batch import Batch, Claim
from accounting.drain import Drain
from accounting.ingest import Ingest
from accounting.records import NasView
from accounting.segment import SegmentWriter
from accounting.spool_reader import Segment
from core.clock import Clock
from core.db import SETTINGS, NodeDatabase, Tx
from core.radius.packet import attribute
from tests.accounting.ingesting import (
    INTERIM,
    NOON_S,
    ON,
    START,
    STOP,
    packet,
    rows,
    segment_of,
    spooled,
    totals,
    until,
)
from tests.accounting.spooling import until as until_true
from tests.conftest import beside, execute
from tests.passage import passage

MB = 1_000_000


@pytest_asyncio.fixture
async def database(fresh_database_url: str) -> AsyncIterator[NodeDatabase]:
    one = NodeDatabase(fresh_database_url)
    yield one
    await one.dispose()


def drain_of(root: Path, database: NodeDatabase, **more: object) -> Drain:
    return Drain(root, database, Ingest("test"), Clock(), **more)  # type: ignore[arg-type]


async def drained(drain: Drain) -> None:
    while await drain.step():
        pass


def lives(root: Path, *, is_sealed: bool = True) -> None:
    """Thirty sessions, their packets in three segments of two workers."""
    for worker, status, at_s in (("0", START, 0), ("1", INTERIM, 300), ("0", STOP, 600)):
        segment_of(
            root,
            [
                spooled(
                    packet(status, at_s, at_s, (0, at_s * MB), sid=f"s{number}", station=b""), at_s
                )
                for number in range(30)
            ],
            worker,
            is_sealed=is_sealed,
        )


def files(root: Path) -> list[Path]:
    """All that the spool has left."""
    return [path for path in root.rglob("*") if path.is_file()]


async def all_is_counted_once(url: str) -> None:
    sessions = await rows(url, "SELECT output_octets, closed_by FROM session")
    assert [(row["output_octets"], row["closed_by"]) for row in sessions] == [
        (600 * MB, "stop")
    ] * 30
    assert await rows(url, "SELECT sum(output_octets) AS o FROM usage") == [{"o": 30 * 600 * MB}]
    assert len(await rows(url, "SELECT 1 FROM accounting_record")) == 90


@pytest.mark.parametrize("records_max", [5, 64, 5000])
@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "writer killed"])
async def test_all_segments_are_counted_and_removed(
    records_max: int,
    is_sealed: bool,
    fresh_database_url: str,
    database: NodeDatabase,
    tmp_path: Path,
) -> None:
    lives(tmp_path, is_sealed=is_sealed)
    drain = drain_of(tmp_path, database, records_max=records_max)
    await drained(drain)
    await all_is_counted_once(fresh_database_url)
    assert files(tmp_path) == []
    assert (drain.progress.records, drain.progress.oldest_at) == (90, 0.0)


async def test_a_segment_that_was_committed_and_not_removed_changes_nothing(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    """Fault D8: killed between the commit and the unlink."""
    lives(tmp_path)
    kept = {path: path.read_bytes() for path in files(tmp_path)}
    await drained(drain_of(tmp_path, database))
    before = await totals(fresh_database_url)
    for path, octets in kept.items():
        path.write_bytes(octets)
    await drained(drain_of(tmp_path, database))
    assert await totals(fresh_database_url) == before
    await all_is_counted_once(fresh_database_url)
    assert files(tmp_path) == []


async def test_what_a_database_that_went_back_in_time_has_lost_is_counted_again(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    """A replica that was behind takes over while ingest lives, and knows what is not sealed yet."""
    (tmp_path / "0").mkdir()
    writer = SegmentWriter(tmp_path / "0", "0", now_s=float(NOON_S), now_monotonic=0.0)
    writer.append([spooled(packet(START, 0, sid=f"s{n}", station=b""), 0) for n in range(50)])
    drain = drain_of(tmp_path, database)
    await drained(drain)
    for table in ("session", "session_group", "accounting_record", "spool_position"):
        await execute(fresh_database_url, f"DELETE FROM {table}")
    writer.seal()
    await drained(drain)
    assert files(tmp_path) == []
    assert len(await rows(fresh_database_url, "SELECT 1 FROM session")) == 50


async def test_two_ingests_on_the_same_spool_count_once(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    lives(tmp_path)
    other = NodeDatabase(fresh_database_url)
    await asyncio.gather(
        drained(drain_of(tmp_path, database, records_max=7)),
        drained(drain_of(tmp_path, other, records_max=11)),
    )
    await other.dispose()
    await all_is_counted_once(fresh_database_url)


async def test_connections_that_break_at_any_moment_lose_and_double_nothing(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    """Fault D2, seen from ingest."""
    lives(tmp_path)
    drain = drain_of(tmp_path, database, records_max=2)
    running = asyncio.create_task(drain.run())
    for _ in range(12):
        await execute(
            fresh_database_url,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE application_name LIKE '%node' AND datname = current_database()",
        )
        await asyncio.sleep(0.05)

    async def nothing_is_left() -> bool:
        return not files(tmp_path)

    await until(nothing_is_left, 60)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await all_is_counted_once(fresh_database_url)


@pytest.mark.slow
async def test_a_database_that_is_away_is_asked_for_again_and_no_batch_is_read_meanwhile(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """Fault D2: records are stored soon after its return, and logins have the processor."""
    lives(tmp_path)
    read = 0

    def views() -> Mapping[int, NasView]:
        nonlocal read
        read += 1
        return {}

    server, name = beside(fresh_database_url, "postgres"), urlsplit(fresh_database_url).path[1:]
    await execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    database = NodeDatabase(fresh_database_url)
    drain = Drain(tmp_path, database, Ingest("test"), Clock(), views=views)
    running = asyncio.create_task(drain.run())
    await until_true(lambda: drain.progress.failures >= 4, 20.0)
    assert read == 1
    assert drain.progress.waiting > 0
    assert drain.progress.oldest_at > 0
    await execute(server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    await until_true(lambda: not files(tmp_path), 20.0)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await database.dispose()
    await all_is_counted_once(fresh_database_url)


@pytest.mark.slow
async def test_a_connection_that_falls_silent_in_a_batch_is_given_up_and_holds_up_nobody(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault D3, black-holed: the server keeps what we locked until it hears that we are gone."""
    monkeypatch.setattr("accounting.drain.TRANSACTION_TIMEOUT_S", 1.0)
    monkeypatch.setattr("core.db.ANSWER_TIMEOUT_S", 0.5)
    monkeypatch.setitem(SETTINGS, "idle_in_transaction_session_timeout", "3s")
    lives(tmp_path)
    with passage(fresh_database_url) as way:
        once: list[Batch] = []

        async def falls_silent(tx: Tx, batch: Batch) -> None:
            if not once:
                once.append(batch)
                way.fall_silent()

        database = NodeDatabase(way.url)
        ingest = Ingest("test", observers=[falls_silent])
        drain = Drain(tmp_path, database, ingest, Clock())
        running = asyncio.create_task(drain.run())

        async def is_given_up() -> bool:
            return drain.progress.failures > 0

        async def nothing_is_left() -> bool:
            return not files(tmp_path)

        await until(is_given_up, 10)
        way.open()
        await until(nothing_is_left, 20)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await database.dispose()
    await all_is_counted_once(fresh_database_url)


async def test_a_record_that_the_rules_fail_at_stops_nobody_else(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    """A bug, here in what finds subscribers: the culprit is a dead letter, all others count."""

    async def stumbles(tx: Tx, claims: Collection[Claim]) -> Mapping[Claim, int]:
        if any(claim.username == "culprit" for claim in claims):
            raise ZeroDivisionError
        return {}

    segment_of(
        tmp_path,
        [
            spooled(
                packet(
                    START,
                    0,
                    sid=f"s{number}",
                    user=b"culprit" if number == 17 else b"u%d" % number,
                    station=b"",
                ),
                0,
            )
            for number in range(40)
        ],
    )
    drain = Drain(tmp_path, database, Ingest("test", owners=stumbles), Clock())
    await drained(drain)
    [letter] = await rows(fresh_database_url, "SELECT reason, seq FROM dead_letter")
    assert letter == {"reason": "bug: ZeroDivisionError", "seq": 18}
    assert len(await rows(fresh_database_url, "SELECT 1 FROM session")) == 39
    assert len(await rows(fresh_database_url, "SELECT 1 FROM accounting_record")) == 40
    assert drain.progress.dead == 1


async def test_an_observer_that_fails_costs_no_record(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    published: list[int] = []

    async def fails(tx: Tx, batch: Batch) -> None:
        raise ZeroDivisionError

    async def publish(batch: Batch) -> None:
        published.append(batch.records)

    segment_of(tmp_path, [spooled(packet(START, 0, sid=f"s{n}", station=b""), 0) for n in range(4)])
    ingest = Ingest("test", observers=[fails])
    await drained(Drain(tmp_path, database, ingest, Clock(), published=[publish]))
    assert len(await rows(fresh_database_url, "SELECT 1 FROM session")) == 4
    assert await rows(fresh_database_url, "SELECT 1 FROM dead_letter") == []
    assert sum(published) == 4


@pytest.mark.slow
async def test_a_batch_that_takes_too_long_comes_again_in_smaller_parts(
    fresh_database_url: str,
    database: NodeDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("accounting.drain.TRANSACTION_TIMEOUT_S", 1.0)

    async def takes_time(tx: Tx, batch: Batch) -> None:
        await asyncio.sleep(0.2 * batch.records)

    segment_of(tmp_path, [spooled(packet(START, 0, sid=f"s{n}", station=b""), 0) for n in range(9)])
    ingest = Ingest("test", observers=[takes_time])
    running = asyncio.create_task(Drain(tmp_path, database, ingest, Clock()).run())

    async def nothing_is_left() -> bool:
        return not files(tmp_path)

    await until(nothing_is_left, 30)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert len(await rows(fresh_database_url, "SELECT 1 FROM session")) == 9


@pytest.mark.parametrize("is_killed", [False, True], ids=["at once", "after its own restart"])
async def test_a_restart_of_a_large_nas_closes_its_sessions_by_and_by(
    is_killed: bool,
    fresh_database_url: str,
    database: NodeDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("accounting.ingest.CLOSED_AT_ONCE_MAX", 4)
    closed: list[int] = []

    async def observes(tx: Tx, batch: Batch) -> None:
        closed.append(sum(bool(one.generation.closed_by) for one in batch.sessions()))

    ingest = Ingest("test", observers=[observes])
    drain = Drain(tmp_path, database, ingest, Clock())
    segment_of(
        tmp_path, [spooled(packet(START, 0, sid=f"s{n}", station=b""), 0) for n in range(10)]
    )
    await drained(drain)
    closed.clear()
    segment_of(tmp_path, [spooled(packet(ON, 900), 900)])
    assert await drain.step() == 1
    open_ones = "SELECT count(*) FILTER (WHERE stopped_at IS NULL) AS open FROM session"
    assert await rows(fresh_database_url, open_ones) == [{"open": 6}]
    if is_killed:
        drain = Drain(tmp_path, database, ingest, Clock())
    await drained(drain)
    assert await rows(fresh_database_url, open_ones) == [{"open": 0}]
    assert closed == [4, 4, 2]
    [day] = await rows(fresh_database_url, "SELECT sum(restarted) AS restarted FROM nas_day")
    assert day == {"restarted": 10}


async def test_what_cannot_be_read_is_not_drained(
    fresh_database_url: str,
    database: NodeDatabase,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A disk that fails to read: its records may be the ones that somebody waits for."""
    segment_of(tmp_path, [spooled(packet(START, 0), 0)])
    asked = Segment._ask

    def fails(self: Segment, query: str, parameters: tuple[int, ...]) -> list[object]:
        if "seq > ?" in query:
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error
        return asked(self, query, parameters)  # type: ignore[return-value]

    with monkeypatch.context() as broken:
        broken.setattr(Segment, "_ask", fails)
        drain = drain_of(tmp_path, database)
        assert await drain.step() == 0
        assert drain.progress.waiting == 1
        assert drain.progress.oldest_at == NOON_S
        assert drain.progress.drained_at == 0
    await drained(drain)
    assert drain.progress.oldest_at == 0
    assert drain.progress.drained_at > 0
    assert len(await rows(fresh_database_url, "SELECT 1 FROM session")) == 1


async def test_progress_tells_how_old_the_oldest_undrained_record_is(
    database: NodeDatabase, tmp_path: Path
) -> None:
    """Fault O4."""
    segment_of(tmp_path, [spooled(packet(START, 0, more=attribute(25, b"x")), 5.0)])
    nowhere = NodeDatabase("postgresql://nobody@127.0.0.1:1/none")
    drain = drain_of(tmp_path, nowhere)
    with pytest.raises(OSError, match=r"refused|Connect"):
        await drain.step()
    assert drain.progress.oldest_at == spooled(b"", 5.0).received_at
    await nowhere.dispose()
