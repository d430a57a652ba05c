"""Silence ends a session, unless it is the link's, or ours."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from accounting import silence
from core.db import NODE_ROLE, connect
from tests.accounting.ingesting import INTERIM, NOON_S, ON, START, STOP, packet, rows, totals
from tests.accounting.sweeping import Sweeping
from tests.conftest import execute

NOON = datetime.fromtimestamp(NOON_S, UTC)
MB = 1_000_000


@pytest_asyncio.fixture
async def one(fresh_database_url: str) -> AsyncIterator[Sweeping]:
    found = Sweeping(fresh_database_url)
    yield found
    await found.close()


def told(
    at_s: int, sids: range, *, status: int = INTERIM, nas: bytes = b"bras-1"
) -> list[tuple[float, bytes]]:
    """A report of each session, all begun at noon."""
    return [
        (
            at_s,
            packet(status, at_s, at_s, (at_s, MB + at_s), sid=f"s{sid}", station=b"", nas=nas),
        )
        for sid in sids
    ]


async def sessions(one: Sweeping) -> dict[str, dict[str, object]]:
    found = await rows(one.node.url, "SELECT * FROM session")
    return {row["acct_session_id"]: row for row in found}


async def still_open(one: Sweeping) -> set[str]:
    return {sid for sid, row in (await sessions(one)).items() if row["stopped_at"] is None}


async def test_a_session_that_fell_silent_ends_where_it_was_last_heard_of(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, *told(0, range(4), status=START))
    await one.tell(tmp_path, *told(300, range(4)))
    await one.tell(tmp_path, *told(600, range(3)), *told(900, range(3)), *told(1200, range(3)))
    swept = await one.sweep(1200)
    assert swept is not None
    assert (swept.looked, swept.closed) == (1, 0)
    swept = await one.sweep(1320)
    assert swept is not None
    assert swept.closed == 1
    dead = (await sessions(one))["s3"]
    assert dead["stopped_at"] == dead["last_seen_at"] == NOON + timedelta(seconds=300)
    assert (dead["terminate_cause"], dead["closed_by"]) == (3, "reaper")
    assert (dead["input_octets"], dead["output_octets"]) == (300, MB + 300)
    assert dead["session_time_s"] == 300
    assert await still_open(one) == {"s0", "s1", "s2"}
    assert [now.generation.number for batch in one.published for now in batch.sessions()] == [0]


async def test_a_later_report_opens_the_session_again_and_the_silence_is_not_billed(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, *told(0, range(3), status=START), *told(300, range(3)))
    await one.tell(tmp_path, *told(1500, range(2)))
    await one.sweep(1500)
    assert await still_open(one) == {"s0", "s1"}
    await one.tell(tmp_path, *told(1800, range(2, 3)))
    assert await still_open(one) == {"s0", "s1", "s2"}
    await one.tell(tmp_path, *told(2100, range(3), status=STOP))
    found = await sessions(one)
    assert len(found) == 3
    assert {row["closed_by"] for row in found.values()} == {"stop"}
    assert {row["output_octets"] for row in found.values()} == {MB + 2100}


@pytest.mark.slow
async def test_a_nas_that_goes_dark_keeps_its_sessions_open_and_they_are_in_doubt(
    one: Sweeping, tmp_path: Path
) -> None:
    """Its sessions report one after the other, and so they fell silent one after the other."""
    await one.tell(tmp_path, *told(0, range(60), status=START))
    staggered = [told(300 + 5 * sid, range(sid, sid + 1)) for sid in range(60)]
    await one.tell(tmp_path, *(each for report in staggered for each in report))
    await one.tell(tmp_path, *told(300, range(100, 110), nas=b"bras-2", status=START))
    for at_s in range(600, 2500, 60):
        await one.tell(tmp_path, *told(at_s, range(100, 110), nas=b"bras-2"))
        swept = await one.sweep(at_s)
        assert swept is not None
        assert swept.closed == 0
    await one.tell(tmp_path, *told(2500, range(100, 110), nas=b"bras-2", status=STOP))
    found = await sessions(one)
    assert await still_open(one) == {f"s{sid}" for sid in range(60)}
    doubted = {sid for sid, row in found.items() if row["silent_since"] is not None}
    assert doubted == {f"s{sid}" for sid in range(60)}
    assert set(one.doubted) == {found[sid]["id"] for sid in doubted}
    assert len(one.doubted) == 60
    assert all(found[sid]["silent_since"] == found[sid]["last_seen_at"] for sid in doubted)
    before = await totals(one.node.url)
    await one.sweep(6000)
    assert await totals(one.node.url) == before

    batch = await one.tell(tmp_path, *told(6100, range(40)))
    assert batch.heard_again == {found[f"s{sid}"]["id"] for sid in range(40)}
    found = await sessions(one)
    assert {sid for sid, row in found.items() if row["silent_since"] is not None} == {
        f"s{sid}" for sid in range(40, 60)
    }
    # The link is back, so who still says nothing is gone.
    await one.sweep(6200)
    assert await still_open(one) == {f"s{sid}" for sid in range(40)}
    [day] = await rows(one.node.url, "SELECT silent_gaps, silent_s FROM nas_day")
    assert day["silent_gaps"] == 1
    assert 4800 <= day["silent_s"] <= 6100


async def test_the_only_session_of_a_box_is_closed_too(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *told(0, range(1), status=START), *told(300, range(1)))
    await one.sweep(1201)
    assert await still_open(one) == set()


@pytest.mark.slow
async def test_who_never_reported_within_a_session_is_in_doubt_for_a_day(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, *told(0, range(1), status=START))
    await one.sweep(1000)
    assert await still_open(one) == {"s0"}
    assert one.doubted
    one.clock.at_s = 86_400
    await one.sweep(86_500)
    assert await still_open(one) == {"s0"}, "our own clock said nothing for a day"
    await one.sweep(2 * 86_400)
    assert await still_open(one) == set()


async def test_an_hour_without_us_closes_nobody(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *told(0, range(3), status=START), *told(300, range(3)))
    await one.sweep(400)
    one.clock.at_s = 4000  # nobody was there
    one.start()
    swept = await one.sweep(4100)
    assert swept is not None
    assert swept.looked == 1
    assert await still_open(one) == {"s0", "s1", "s2"}
    assert one.doubted == []
    # Heard now is who lives; and one was not, for a quarter of an hour of ours.
    await one.tell(tmp_path, *told(4200, range(2)))
    await one.tell(tmp_path, *told(4800, range(2)))
    await one.sweep(4820)
    assert await still_open(one) == {"s0", "s1"}


async def test_a_sleep_of_the_machine_is_not_the_end_of_sessions(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, *told(0, range(1), status=START), *told(300, range(1)))
    await one.sweep(400)
    one.clock.at_s = 9000  # the same process goes on
    await one.sweep(9060)
    assert await still_open(one) == {"s0"}


async def test_who_could_not_tell_us_for_our_spool_was_full_is_not_silent(
    one: Sweeping, tmp_path: Path
) -> None:
    """Nothing waits, and all that was taken is counted; it is what was sent away that lacks."""
    await one.tell(tmp_path, *told(0, range(1), status=START), *told(300, range(1)))
    await one.sweep(400)
    one.is_refusing = True
    assert await one.sweep(4000) is None
    one.is_refusing = False
    assert await one.sweep(4100) is not None
    assert await still_open(one) == {"s0"}
    assert one.doubted == []
    await one.sweep(5200)
    assert await still_open(one) == set(), "from then on it is"


async def test_nothing_is_judged_while_records_wait(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *told(0, range(1), status=START), *told(300, range(1)))
    await one.alive(400)
    one.clock.at_s = 5000
    one.progress.oldest_at = NOON_S + 450.0
    assert await one.sweeper.step() is None
    one.progress.oldest_at, one.progress.is_connected = 0.0, False
    assert await one.sweeper.step() is None
    assert await still_open(one) == {"s0"}


@pytest.mark.slow
async def test_a_node_that_is_down_keeps_its_own_until_it_is_forgotten_and_the_other_ends_its_own(
    one: Sweeping, tmp_path: Path
) -> None:
    other = Sweeping(one.node.url, "b")
    for at_s, status in ((0, START), (300, INTERIM)):
        await one.tell(tmp_path, *told(at_s, range(1), status=status))
        await other.tell(tmp_path, *told(at_s, range(1, 2), status=status), nas_id=12)
    await other.alive(500)
    await other.close()
    await one.sweep(1000)
    assert await still_open(one) == {"s0", "s1"}
    await one.sweep(1320)
    assert await still_open(one) == {"s1"}
    assert one.doubted == [(await sessions(one))["s1"]["id"]]
    await one.sweep(20_000)
    assert await still_open(one) == {"s1"}
    await one.sweep(500 + 86_401)
    assert await still_open(one) == set()


async def test_while_the_node_of_a_nas_is_deaf_who_fell_silent_is_in_doubt(
    one: Sweeping, tmp_path: Path
) -> None:
    """So that he holds no place under a session limit (fault P13), and nothing of his is lost."""
    other = Sweeping(one.node.url, "b")
    await other.tell(tmp_path, *told(0, range(1), status=START), *told(300, range(1)))
    await other.alive(300)
    await other.close()
    # Some of the NAS's reports come by the other way.
    await one.tell(tmp_path, *told(0, range(1, 4), status=START), *told(300, range(1, 4)))
    for at_s in range(600, 1300, 300):
        await one.tell(tmp_path, *told(at_s, range(1, 4)))
    await one.sweep(1320)
    found = await sessions(one)
    assert await still_open(one) == {"s0", "s1", "s2", "s3"}
    assert {sid for sid, row in found.items() if row["silent_since"] is not None} == {"s0"}
    assert one.doubted == [found["s0"]["id"]]
    batch = await one.tell(tmp_path, *told(1500, range(1)))
    assert batch.heard_again == {found["s0"]["id"]}


async def test_who_is_not_heard_by_the_node_that_the_nas_turned_to_is_gone(
    one: Sweeping, tmp_path: Path
) -> None:
    """The node before it is down; for an hour the NAS might have gone back to it."""
    other = Sweeping(one.node.url, "b")
    await other.tell(tmp_path, *told(0, range(4), status=START), *told(300, range(4)))
    await other.alive(300)
    await other.close()
    for at_s in range(600, 3900, 300):
        await one.tell(tmp_path, *told(at_s, range(1, 4)))
        await one.sweep(at_s + 20)
        assert await still_open(one) == {"s0", "s1", "s2", "s3"}
    await one.tell(tmp_path, *told(3950, range(1, 4)))
    await one.sweep(4000)
    assert await still_open(one) == {"s1", "s2", "s3"}


async def test_of_two_sweepers_one_looks(one: Sweeping, tmp_path: Path) -> None:
    await one.tell(tmp_path, *told(0, range(3), status=START), *told(300, range(3)))
    await one.tell(tmp_path, *told(1500, range(2)))
    other = Sweeping(one.node.url, "b")
    await asyncio.gather(one.alive(1500), other.alive(1500))
    swept = await asyncio.gather(one.sweeper.step(), other.sweeper.step())
    assert sum(each.closed for each in swept if each is not None) == 1
    holder = await connect(one.node.url, NODE_ROLE)
    await holder.execute("SELECT pg_advisory_lock($1)", 0x74757273)
    assert await other.sweeper.step() is None
    await holder.close()
    assert await other.sweeper.step() is not None
    await other.close()


async def test_a_nas_is_not_looked_at_before_one_of_its_sessions_can_be_stale(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, *told(0, range(3), status=START), *told(300, range(3)))
    looked = []
    for at_s in range(360, 1260, 60):
        swept = await one.sweep(at_s)
        assert swept is not None
        looked.append(swept.looked)
    assert sum(looked) == 2


async def test_a_nas_whose_clock_is_an_hour_behind_has_sessions_that_live(
    one: Sweeping, tmp_path: Path
) -> None:
    late = [(at_s + 3600.0, octets) for at_s, octets in told(0, range(2), status=START)]
    late += [(at_s + 3600.0, octets) for at_s, octets in told(300, range(2))]
    await one.tell(tmp_path, *late)
    await one.sweep(4000)
    assert await still_open(one) == {"s0", "s1"}
    await one.tell(tmp_path, *((at_s + 3600.0, octets) for at_s, octets in told(1500, range(1))))
    await one.sweep(5200)
    assert await still_open(one) == {"s0"}


@pytest.mark.parametrize("ahead_s", [0, 30 * 86_400])
async def test_old_marks_and_old_points_are_forgotten_unless_our_clock_errs(
    ahead_s: int, one: Sweeping
) -> None:
    now_s = int(datetime.now(UTC).timestamp())
    await execute(
        one.node.url,
        "INSERT INTO nas_mark VALUES (1, 1, '', 1, 7, to_timestamp(0)),"
        f" (1, 1, '', 2, 7, to_timestamp({now_s}));"
        "INSERT INTO session_history (key, number, tenant_id, points, sealed_at)"
        f" VALUES ('a', 0, 1, '', to_timestamp(0)), ('a', 1, 1, '', to_timestamp({now_s}));"
        "INSERT INTO hearing VALUES ('gone', to_timestamp(0), to_timestamp(1)),"
        f" ('a', to_timestamp(0), to_timestamp(1)), ('a', to_timestamp({now_s}),"
        f" to_timestamp({now_s}));"
        "INSERT INTO nas_heard VALUES (1, 1, 'gone', to_timestamp(0), to_timestamp(1)),"
        f" (1, 1, 'a', to_timestamp(0), to_timestamp({now_s}))",
    )
    one.clock.at_s = now_s + ahead_s - NOON_S
    await one.sweep(one.clock.at_s)
    marks = await rows(one.node.url, "SELECT at_s FROM nas_mark ORDER BY 1")
    points = await rows(one.node.url, "SELECT number FROM session_history ORDER BY 1")
    gone = await rows(one.node.url, "SELECT 1 FROM hearing WHERE node = 'gone'")
    hearers = [row["node"] for row in await rows(one.node.url, "SELECT node FROM nas_heard")]
    assert hearers == (["gone", "a"] if ahead_s else ["a"])
    if ahead_s:
        assert ([row["at_s"] for row in marks], len(points), len(gone)) == ([1, 2], 2, 1)
        return
    assert [row["at_s"] for row in marks] == [2]
    assert points == [{"number": 1}]
    assert gone == []
    # What ended long ago is still needed to tell how long it was silent after that.
    spoken = f"SELECT 1 FROM hearing WHERE node = 'a' AND since_at <= to_timestamp({now_s})"
    assert len(await rows(one.node.url, spoken)) == 2


async def test_the_sweeper_reads_open_sessions_by_their_index(one: Sweeping) -> None:
    connection = await connect(one.node.url, NODE_ROLE)
    await connection.execute(silence.SETTINGS)
    for query, arguments in ((silence.NASES, ()), (silence.OPEN, (1, 1))):
        plan = await connection.fetch(f"EXPLAIN {query}", *arguments)
        text = "\n".join(line[0] for line in plan)
        assert "Seq Scan on session" not in text
        assert "ix_session_open" in text
    await connection.close()


async def test_a_group_that_the_rules_fail_at_keeps_no_other_from_ending(
    one: Sweeping, tmp_path: Path
) -> None:
    """And counts against no limit: nobody can tell of it any more."""
    await one.tell(tmp_path, *told(0, range(9), status=START), *told(300, range(9)))
    await execute(
        one.node.url,
        "UPDATE session_group SET state = '\\xc1'"
        " WHERE sessions = (SELECT sessions FROM session_group ORDER BY sessions LIMIT 1)",
    )
    for at_s in range(600, 1500, 300):
        await one.tell(tmp_path, *told(at_s, range(3, 9)))
    with capture_logs() as log:
        for at_s in (1240, 1320, 1400, 1480):
            assert await one.sweep(at_s) is not None
    assert await still_open(one) == {"s0", *(f"s{sid}" for sid in range(3, 9))}
    assert (await sessions(one))["s0"]["silent_since"] == NOON + timedelta(seconds=300)
    assert [batch.unclosed for batch in one.published][:1] == [1]
    assert [batch.doubted for batch in one.published if batch.doubted] == [
        {(await sessions(one))["s0"]["id"]}
    ]
    [line] = [line for line in log if line["event"] == "session_not_closed"]
    assert line["acct_session_id"] == "s0"


async def test_a_restart_of_the_nas_ends_all_but_the_group_that_the_rules_fail_at(
    one: Sweeping, tmp_path: Path
) -> None:
    await one.tell(tmp_path, *told(0, range(6), status=START))
    await execute(
        one.node.url,
        "UPDATE session_group SET state = '\\xc1'"
        " WHERE sessions = (SELECT sessions FROM session_group ORDER BY sessions LIMIT 1)",
    )
    batch = await one.tell(tmp_path, (900, packet(ON, 900)))
    assert await still_open(one) == {"s0"}
    assert (batch.unclosed, batch.dead) == (1, {})
