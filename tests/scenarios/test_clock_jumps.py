"""The wall clock jumps, and comes back (fault D9): no answer, lock or record hangs on it.

How long something took or may take is asked of the monotonic clock.  What is stored has
the time that the NAS stamped, where it can be believed, and else that of its arrival by
our own clock, however wrong: but once, and with no negative duration.
"""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounting import partitions
from accounting.drain import Drain
from accounting.ingest import Ingest
from accounting.spool import Record
from accounting.spool_reader import segments
from accounting.spool_writer import DiskSpool, SpoolLimits
from accounting.status import LATE_AFTER_S, IngestStatus
from core import status
from core.clock import Clock
from core.db import NodeDatabase, connect
from tests.aaa.world import DELAY_S, PASSWORD, SECRET, World
from tests.accounting.ingesting import INTERIM, NOON_S, START, STOP, packet, rows
from tests.accounting.spooling import Caller
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, pap_request, tlv
from web.health import assess

pytestmark = pytest.mark.scenario

HOUR_S, DAY_S = 3600.0, 86_400.0
AFTER_2038_S = 2**31 - NOON_S + 400 * DAY_S
THERE = {
    HOUR_S: "an hour ahead",
    -HOUR_S: "an hour back",
    DAY_S: "a day ahead",
    -DAY_S: "a day back",
    AFTER_2038_S: "past 2038",
}
JUMPS = [pytest.param(jump_s, id=name) for jump_s, name in THERE.items()]


class Jumping(Clock):
    """True seconds after noon, which the test counts, and a wall clock that errs."""

    def __init__(self) -> None:
        self.at_s = 0.0
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.unix_s(), UTC)

    def unix_s(self) -> float:
        return NOON_S + self.at_s + self.ahead_s

    def monotonic(self) -> float:
        return self.at_s


@pytest.mark.parametrize("jump_s", JUMPS)
def test_a_copy_gets_the_answer_that_was_sent_and_a_reject_leaves_in_time(
    tmp_path: Path, jump_s: float
) -> None:
    world = World(tmp_path)
    request = pap_request("nemo", PASSWORD, secret=SECRET, identifier=1)
    answer = world.respond(request)
    wrong = pap_request("nemo", "wrong", secret=SECRET, identifier=2)
    assert world.respond(wrong) is None
    for ahead_s in (jump_s, 0.0):
        world.clock.wall_ahead_s = ahead_s
        assert world.respond(request) == answer
        assert world.respond(wrong) is None
        assert world.responder.next_due == DELAY_S
    assert [one.outcome for one in world.decisions()] == ["accept", "reject"]
    assert len(world.responder.due(DELAY_S)) == 1
    world.clock.at = 25.0  # twice what a duplicate is remembered for, and more
    world.clock.wall_ahead_s = -jump_s
    assert world.respond(request) != answer, "it is a new request by now"


@pytest.mark.parametrize("jump_s", JUMPS)
def test_a_name_that_was_guessed_at_is_locked_for_its_time_and_no_longer(
    tmp_path: Path, jump_s: float
) -> None:
    world = World(tmp_path)
    station = tlv(31, "02-00-00-00-00-01")
    while world.login("nemo", "guess", station).code == ACCESS_REJECT:
        if world.decisions()[-1].reason != "password":
            break
    locked_at = world.clock.at
    for ahead_s in (jump_s, 0.0, -jump_s):
        world.clock.wall_ahead_s = ahead_s
        assert world.login("nemo", PASSWORD, station).code == ACCESS_REJECT
    world.clock.at = locked_at + 30.0
    for ahead_s in (jump_s, 0.0):
        world.clock.wall_ahead_s = ahead_s
        assert world.login("nemo", PASSWORD, station).code == ACCESS_ACCEPT


def unstamped(*arguments: Any, **more: Any) -> bytes:
    """The same `packet` of a NAS that has no clock: its first attribute is the Event-Timestamp."""
    octets = packet(*arguments, **more)
    assert octets[20:22] == b"\x37\x06"
    return octets[:2] + (len(octets) - 6).to_bytes(2, "big") + octets[4:20] + octets[26:]


class Node:
    """A spool, an ingest, and the upkeep of its days, by a clock that jumps under all of them."""

    def __init__(self, root: Path, url: str) -> None:
        self.clock = Jumping()
        self.root = root
        self.asked = 0
        self._url = url
        self._caller = Caller()
        limits = SpoolLimits(segment_records_max=7, segment_age_s=30.0)
        self._spool: DiskSpool[int] = DiskSpool(root, "0", self.clock, limits)
        self._spool.start(self._caller.settled)
        self._database = NodeDatabase(url)
        self._drain = Drain(root, self._database, Ingest("test"), self.clock)

    def hears(self, octets: bytes) -> None:
        record = Record(self.clock.unix_s(), 1, 11, "192.0.2.1", 1646, octets)
        assert self._spool.append(record, self.asked) == ""
        self.asked += 1

    async def works(self) -> None:
        await self._caller.told(self.asked)
        owner = await connect(self._url, None)
        await partitions.keep_up(owner, self.clock.now(), keep_days=30)
        await owner.close()
        await drained(self._drain)

    async def ends(self) -> None:
        await self._spool.stop()
        await drained(self._drain)
        await self._database.dispose()
        assert self._caller.refused == []
        assert segments(self.root) == []

    async def rows(self, query: str) -> list[dict[str, Any]]:
        return await rows(self._url, query)


@pytest.mark.slow
async def test_every_record_is_stored_once_and_no_duration_is_negative(
    fresh_database_url: str, tmp_path: Path
) -> None:
    node = Node(tmp_path, fresh_database_url)
    offsets = [ahead_s for jump_s in THERE for ahead_s in (0.0, jump_s)] + [0.0]
    for number, ahead_s in enumerate(offsets):
        at_s = number * 300
        node.clock.at_s, node.clock.ahead_s = float(at_s), ahead_s
        for line, spoken in (("stamped", packet), ("unstamped", unstamped)):
            # One that lives through all of it, and one that lives in this moment alone.
            kind = START if not number else STOP if number == len(offsets) - 1 else INTERIM
            node.hears(spoken(kind, at_s, at_s, (at_s, 2 * at_s), sid=line, station=b""))
            for kind, session_time_s in ((START, 0), (STOP, 10)):
                node.hears(spoken(kind, at_s, session_time_s, sid=f"{line}-{number}", station=b""))
        await node.works()
    await node.ends()
    assert len(await node.rows("SELECT 1 FROM accounting_record")) == node.asked
    assert await node.rows("SELECT 1 FROM dead_letter") == []
    sessions = await node.rows("SELECT * FROM session")
    for session in sessions:
        assert session["started_at"] <= session["last_seen_at"]
        assert session["stopped_at"] is None or session["started_at"] <= session["stopped_at"]
        assert 0 <= session["session_time_s"] <= at_s
        assert 0 <= session["output_octets"] <= 2 * at_s
    brief = [one for one in sessions if "-" in one["acct_session_id"]]
    assert [(one["session_time_s"], one["closed_by"]) for one in brief] == [(10, "stop")] * (
        2 * len(offsets)
    )
    used = await node.rows(
        "SELECT sum(session_time_s) AS s, sum(input_octets) AS i, sum(output_octets) AS o"
        " FROM usage GROUP BY session_id, begins_at"
    )
    assert min(amount for row in used for amount in row.values()) >= 0


@pytest.mark.parametrize("jump_s", [HOUR_S, DAY_S - HOUR_S])
async def test_a_nas_with_a_clock_is_believed_while_ours_is_ahead(
    fresh_database_url: str, tmp_path: Path, jump_s: float
) -> None:
    node = Node(tmp_path, fresh_database_url)
    for at_s, kind, ahead_s in (
        (0, START, 0.0),
        (300, INTERIM, jump_s),
        (600, INTERIM, 0.0),
        (900, STOP, jump_s),
    ):
        node.clock.at_s, node.clock.ahead_s = float(at_s), ahead_s
        node.hears(packet(kind, at_s, at_s, (at_s, 2 * at_s), station=b""))
        await node.works()
    await node.ends()
    [session] = await node.rows("SELECT * FROM session")
    assert session["started_at"] == datetime.fromtimestamp(NOON_S, UTC)
    assert session["stopped_at"] == datetime.fromtimestamp(NOON_S + 900, UTC)
    used = "SELECT sum(output_octets)::bigint AS o, sum(session_time_s)::bigint AS s FROM usage"
    assert await node.rows(used) == [{"o": 1800, "s": 900}]


async def drained(drain: Drain) -> None:
    while await drain.step():
        pass


async def test_an_hour_in_another_decade_costs_nothing_of_what_is_kept(
    fresh_database_url: str,
) -> None:
    owner, clock = await connect(fresh_database_url, None), Jumping()
    today_s = Clock().unix_s() - NOON_S  # the database's clock is right
    for day in range(-30, 1):
        clock.at_s = today_s + day * DAY_S
        await partitions.keep_up(owner, clock.now(), keep_days=30)
    before = set(await partitions.days(owner))
    clock.ahead_s = AFTER_2038_S
    await partitions.keep_up(owner, clock.now(), keep_days=30)
    await partitions.keep_up(owner, clock.now() + timedelta(hours=1), keep_days=30)
    assert before <= set(await partitions.days(owner))
    await owner.close()


@pytest.mark.parametrize("jump_s", JUMPS)
async def test_a_backlog_is_told_of_in_time_and_the_dead_do_not_live(
    tmp_path: Path, jump_s: float
) -> None:
    """Fault O4 in the middle of it: the database is away, and then the clock is set back."""
    clock, caller = Jumping(), Caller()
    spool: DiskSpool[int] = DiskSpool(tmp_path, "0", clock)
    spool.start(caller.settled)
    clock.ahead_s = jump_s
    spool.append(Record(clock.unix_s(), 1, 11, "192.0.2.1", 1646, packet(START)), 0)
    await caller.told(1)
    nowhere = NodeDatabase("postgresql://nobody@127.0.0.1:1/none")
    drain = Drain(tmp_path, nowhere, Ingest("test"), clock)
    for at_s in range(0, int(LATE_AFTER_S) + 10, 5):
        clock.at_s = float(at_s)
        with pytest.raises(OSError, match=r"refused|Connect"):
            await drain.step()
        clock.ahead_s = 0.0
    assert clock.unix_s() - drain.progress.oldest_at > LATE_AFTER_S
    await nowhere.dispose()
    await spool.stop()

    oldest_at = drain.progress.oldest_at
    status.write(tmp_path, "ingest", IngestStatus(1, 0.0, False, 0, 0, 0, 1, 1, oldest_at, 0.0))
    path = tmp_path / "ingest.json"
    os.utime(path, (clock.unix_s(), clock.unix_s()))
    assert "not-drained" in assess(tmp_path, clock.unix_s()).accounting.alarms
    # Whoever spoke before the clock was set back, and never since, is not alive.
    os.utime(path, (clock.unix_s() + DAY_S, clock.unix_s() + DAY_S))
    assert assess(tmp_path, clock.unix_s()).accounting.waiting is None
