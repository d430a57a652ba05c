"""A NAS dies and sends no Stop: within three of its intervals its subscribers may be elsewhere
(the stale half of fault P13), and nobody's session on another NAS is touched."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from app.paths import Paths
from tests.accounting.ingesting import rows
from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    ACCOUNTING_RESPONSE,
    Answer,
    Nas,
    accounting_request,
    pap_request,
    read,
    tlv,
)
from tests.scenarios.one_loop import STEP_S, OneLoop, one_loop
from tests.serving import PASSWORD, SECRET, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

KEY = SECRET.encode()
START, INTERIM = 1, 3
INTERVAL_S = 300
DIES, LIVES = "127.0.0.41", "127.0.0.42"

MANIFEST = {
    "tenant": "demo-isp",
    "nas": [
        {"name": name, "address": host, "secret": SECRET}
        for name, host in (("dies", DIES), ("lives", LIVES))
    ],
    "plan": [{"code": "one", "session_limit": 1, "interim_s": INTERVAL_S}],
    "subscriber": [
        {"username": name, "password": PASSWORD, "plan": "one"}
        for name in ("alice", "bob", "carol", "dave")
    ],
}


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[OneLoop]:
    with turnpike_process(serve=False, DATABASE_URL=fresh_database_url) as one:
        told = json.dumps(MANIFEST)
        await asyncio.to_thread(one.command, "apply", "-", stdin=told)
        async with one_loop(Paths(one.data_dir), "turnpike.key", fresh_database_url) as found:
            yield found


async def login(node: OneLoop, name: str, host: str) -> Answer:
    """From a device that is called after name and host."""

    def ask() -> Answer:
        with Nas(node.auth, host) as nas:
            device = tlv(31, f"{name}@{host}")
            return nas.answer(pap_request(name, PASSWORD, device, secret=KEY), KEY)

    return await asyncio.to_thread(ask)


@dataclass(frozen=True, slots=True)
class Reporting:
    """A session that was let in, and what its NAS says of it."""

    node: OneLoop
    name: str
    host: str
    our_class: bytes
    began_at: float

    @classmethod
    async def begin(cls, node: OneLoop, name: str, host: str) -> "Reporting":
        accept = await login(node, name, host)
        assert accept.code == ACCESS_ACCEPT
        one = cls(node, name, host, accept.all(25)[0], node.clock.unix_s())
        await one.report(START)
        return one

    async def report(self, status: int = INTERIM) -> None:
        await asyncio.to_thread(self._report, status)

    def _report(self, status: int) -> None:
        now = self.node.clock.unix_s()
        lasts_s = int(now - self.began_at)
        request = accounting_request(
            tlv(40, status)
            + tlv(44, f"id-{self.name}")
            + tlv(1, self.name)
            + tlv(25, self.our_class)
            + tlv(31, f"{self.name}@{self.host}")
            + tlv(46, lasts_s)
            + tlv(42, lasts_s * 1_000)
            + tlv(43, lasts_s * 9_000)
            + tlv(55, int(now)),
            secret=KEY,
        )
        with Nas(self.node.acct, self.host) as nas:
            reply = nas.ask(request)
            assert reply is not None
            assert read(reply, request, KEY, signed=False).code == ACCOUNTING_RESPONSE


@pytest.mark.parametrize(
    ("names", "closed_by"),
    [
        pytest.param(("alice",), "reaper", id="with him alone: his session is closed"),
        # Perhaps it is only the link: the sessions stay open, in doubt, and hold no place.
        pytest.param(("alice", "bob", "carol"), "", id="with others: they are in doubt"),
    ],
)
async def test_the_subscribers_of_a_nas_that_died_may_log_in_elsewhere_within_three_intervals(
    node: OneLoop, fresh_database_url: str, names: tuple[str, ...], closed_by: str
) -> None:
    dying = [await Reporting.begin(node, name, DIES) for name in names]
    living = await Reporting.begin(node, "dave", LIVES)
    for _ in range(2):
        await node.pass_time(INTERVAL_S)
        for one in (*dying, living):
            await one.report()
    died_at = node.clock.unix_s()

    for _ in range(2):
        await node.pass_time(INTERVAL_S)
        await living.report()
    # He might be online.
    assert (await login(node, "alice", LIVES)).code == ACCESS_REJECT
    await node.pass_time(INTERVAL_S - STEP_S)
    await living.report()
    while (await login(node, "alice", LIVES)).code == ACCESS_REJECT:
        silent_s = node.clock.unix_s() - died_at
        assert silent_s < 3 * INTERVAL_S + 2 * STEP_S, "nobody frees them"
        await node.pass_time(STEP_S)
    assert node.clock.unix_s() - died_at > 3 * INTERVAL_S

    for name in names[1:]:
        assert (await login(node, name, LIVES)).code == ACCESS_ACCEPT
    assert (await login(node, "dave", DIES)).code == ACCESS_REJECT, "his NAS lives"
    found = await rows(
        fresh_database_url,
        "SELECT username, closed_by, silent_since IS NOT NULL AS in_doubt,"
        " extract(epoch FROM coalesce(stopped_at, last_seen_at))::float8 AS until_s FROM session",
    )
    sessions = {row["username"]: row for row in found}
    assert sessions["dave"]["closed_by"] == ""
    assert not sessions["dave"]["in_doubt"]
    for name in names:
        assert sessions[name]["closed_by"] == closed_by
        assert sessions[name]["in_doubt"] == (not closed_by)
        # What nobody heard of is nobody's use.
        assert sessions[name]["until_s"] <= died_at + 2
