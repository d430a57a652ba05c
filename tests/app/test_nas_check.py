"""`turnpike nas check`: what of a box answers, against fakes of boxes and a real database."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from typer.testing import CliRunner

from aaa.last_heard import LastHeard
from aaa.status import AccountingStatus, ClientStatus, WorkerStatus
from accounting.spool import SpoolStatus
from app import cli_nas, nas_check
from app.apply import apply
from app.manifest import parse
from app.manifest_file import reply_check
from app.nas_findings import State
from app.paths import Paths
from core import status
from core.db import Database
from core.key_check import vault_of
from dictionaries.loader import load
from tests.conftest import execute
from tests.nas_adapters.asked import SECRET, Asked, Nas, acks, is_silent, nak, nas, reply
from tests.nas_adapters.certificates import self_signed
from tests.nas_adapters.fake_routeros import FakeRouter

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CHECK = reply_check(load())
ALICE = {
    ".id": "*1",
    "name": "alice",
    "service": "pppoe",
    "address": "100.64.0.7",
    "session-id": "0x81500012",
}


def not_found(nas: Nas, asked: Asked) -> None:
    nas.send(nak(asked.octets, 503), asked)


@dataclass
class World:
    """A database with one NAS, and what stands at its address."""

    url: str
    data_dir: Path
    router: FakeRouter
    entry: dict[str, Any]
    fingerprint: str
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def listens(self, behaves: Any) -> Nas:
        """Something at the CoA port."""
        box = await self.stack.enter_async_context(nas(behaves))
        self.entry["coa_port"] = box.address[1]
        return box

    async def apply(self, **more: Any) -> None:
        database = Database(self.url)
        self.data_dir.mkdir(exist_ok=True)
        async with database.lobby() as tx:
            vault = await vault_of(tx, self.data_dir / "turnpike.key")
        document = {"tenant": "demo-isp", "nas": [self.entry | more]}
        await apply(database, vault, parse(document, CHECK), now=NOON)
        await database.dispose()

    async def heard(self) -> None:
        await execute(
            self.url,
            "INSERT INTO decision (tenant_id, decision_uid, at, nas_id, outcome, reason)"
            " SELECT tenant_id, 'x', now() - interval '5 min', id, 'reject', 'quota' FROM nas;"
            "INSERT INTO nas_heard (tenant_id, nas_id, node, since_at, until_at)"
            " SELECT tenant_id, id, 'a', now() - interval '2 h', now() - interval '65 s' FROM nas",
        )

    async def check(self) -> tuple[int, dict[str, dict[str, str]]]:
        """Exit status, and the findings by what they are of."""
        told = await asyncio.to_thread(
            CliRunner().invoke, cli_nas.commands, ["check", "bras-1", "--json"]
        )
        assert told.output, told.exception
        said = json.loads(told.output)
        assert said["ok"] == (told.exit_code == 0)
        for secret in ("geheim", "between us"):
            assert secret not in told.output
        return told.exit_code, {finding["what"]: finding for finding in said["findings"]}


@pytest_asyncio.fixture
async def world(
    fresh_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    monkeypatch.setenv("TURNPIKE_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("TURNPIKE_DATA_DIR", str(tmp_path / "var"))
    certificate = self_signed(tmp_path)
    menus = {
        "/system/identity": [{"name": "bras-1"}],
        "/system/resource": [
            {"uptime": "2w1d", "version": "7.16.2", "board-name": "CCR2004", "cpu-load": "7"}
        ],
        "/ppp/active": [dict(ALICE)],
        "/ip/hotspot/active": [],
    }
    async with AsyncExitStack() as stack:
        router = await stack.enter_async_context(
            FakeRouter(menus=menus).listening(certificate.server)
        )
        entry = {
            "name": "bras-1",
            "address": "127.0.0.1",
            "secret": SECRET.decode(),
            "vendor": "mikrotik",
        }
        yield World(
            fresh_database_url, tmp_path / "var", router, entry, certificate.fingerprint, stack
        )


def api(world: World, **more: Any) -> dict[str, Any]:
    return {
        "username": "turnpike",
        "password": "geheim",
        "port": world.router.port,
        "fingerprint": world.fingerprint,
        **more,
    }


async def session(world: World, acct_session_id: str, name: str) -> None:
    await execute(
        world.url,
        "INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce,"
        " generation, username, calling_station, mac, circuit_id, nas_identifier, nas_address,"
        " nas_port_id, multi_session_id, started_at, last_seen_at, terminate_cause, closed_by,"
        " session_time_s, input_octets, output_octets, confidence, framed_ip)"
        f" SELECT tenant_id, id, '', '{acct_session_id}', '', 0, '{name}', '', '', '', '', '',"
        " '', '', now(), now(), 0, '', 0, 0, 0, 0, '100.64.0.7' FROM nas",
    )


async def test_a_box_that_answers_all_of_it_is_well(world: World) -> None:
    box = await world.listens(not_found)
    await world.apply(api=api(world))
    await world.heard()
    await session(world, "81500012", "alice")
    code, found = await world.check()
    assert (code, {what: one["state"] for what, one in found.items()}) == (
        0,
        {
            "auth": "ok",
            "accounting": "ok",
            "coa": "ok",
            "api": "ok",
            "sessions": "ok",
            "snmp": "not configured",
        },
    )
    assert found["auth"]["told"] == "last heard 5m 0s ago (reject, quota)"
    assert found["accounting"]["told"].startswith("last heard 1m ")
    assert "knows no such session, as it should" in found["coa"]["told"]
    assert found["api"]["told"] == "bras-1: CCR2004, 7.16.2, up 15d 0h, CPU 7%"
    [asked] = box.asked
    assert asked.code == 40
    assert b"turnpike-check-" in asked.octets
    assert "/ppp/active/remove" not in world.router.commands


@pytest.mark.slow
async def test_a_box_that_answers_nothing_tells_why_and_what_to_do(world: World) -> None:
    await world.listens(is_silent)
    # Nobody listens at port 1.
    await world.apply(
        api=api(world, port=1), snmp={"community": "geheim", "port": 1, "olt": "vsol"}
    )
    code, found = await world.check()
    assert code == 1
    assert {what: one["state"] for what, one in found.items()} == dict.fromkeys(
        ("auth", "accounting", "coa", "api", "snmp"), "fails"
    )
    assert found["auth"]["told"] == "nothing heard within a day"
    assert "/radius incoming set accept=yes" in found["coa"]["remedy"]
    assert "enable api-ssl in /ip service" in found["api"]["remedy"]
    assert "see that the community is right" in found["snmp"]["remedy"]


async def test_sessions_that_the_router_and_we_do_not_share_are_told_by_name(
    world: World,
) -> None:
    await world.listens(not_found)
    await world.apply(api=api(world))
    await world.heard()
    await session(world, "81500012", "alice")
    await session(world, "99", "bob")
    world.router.menus["/ppp/active"] += [
        ALICE | {".id": "*2", "name": "carol", "session-id": "0x7"}
    ]
    code, found = await world.check()
    assert (code, found["sessions"]["state"]) == (0, "differs")
    assert found["sessions"]["told"] == (
        "1 open here and not online there (bob); 1 there and not here (carol)"
    )


@pytest.mark.parametrize(
    ("behaves", "state", "told"),
    [
        pytest.param(acks, "ok", "acknowledges at port", id="an ACK of what never was"),
        pytest.param(
            lambda nas, asked: nas.send(nak(asked.octets, 401), asked),
            "ok",
            "NAK 401 Unsupported-Attribute",
            id="another refusal",
        ),
        pytest.param(
            lambda nas, asked: nas.send(reply(asked.octets, 42, secret=b"another secret"), asked),
            "fails",
            "answers at port",
            id="another secret",
            marks=pytest.mark.slow,
        ),
    ],
)
async def test_what_the_coa_port_says(world: World, behaves: Any, state: str, told: str) -> None:
    await world.listens(behaves)
    await world.apply()
    _, found = await world.check()
    assert found["coa"]["state"] == state
    assert told in found["coa"]["told"]


async def test_a_key_that_is_lost_is_told_and_asks_nobody(world: World) -> None:
    box = await world.listens(not_found)
    await world.apply(api=api(world), snmp={"community": "public"})
    await execute(
        world.url,
        "UPDATE nas SET secret_sealed = 'x'; UPDATE nas_api SET secrets_sealed = 'x'",
    )
    code, found = await world.check()
    assert code == 1
    for what in ("coa", "api", "snmp"):
        assert "sealed with another key" in found[what]["told"]
    assert (box.asked, world.router.commands) == ([], [])


async def test_a_network_of_boxes_has_no_one_to_ask(world: World) -> None:
    await world.apply(address="127.0.0.0/24", api=api(world))
    _, found = await world.check()
    assert (found["coa"]["state"], found["api"]["state"]) == ("unknown", "fails")
    assert "say api.address, where one box is" in found["api"]["told"]


async def test_what_this_node_dropped_of_it_tells_of_another_secret(world: World) -> None:
    await world.listens(not_found)
    await world.apply()
    directory = Paths(world.data_dir).status
    directory.mkdir()
    clients = [client({"bad-authenticator": 7})]
    worker = WorkerStatus(
        pid=1,
        started_at=0,
        clients=clients,
        unknown_drops={},
        socket_drops=0,
        decisions_dropped=0,
        compiled=False,
        spool=SpoolStatus(0, 0, 0.0, False, "", 0, 0, 0),
    )
    status.write(directory, "worker-0", worker)
    _, found = await world.check()
    assert found["auth"]["state"] == "fails"
    assert found["auth"]["told"].startswith("7 packets with another secret")
    assert found["auth"]["remedy"] == "make secret what the NAS has for us"


def test_a_box_that_reports_and_asks_nothing_may_just_have_long_sessions() -> None:
    ago = NOON - timedelta(minutes=5)
    auth, accounting = nas_check.radius(LastHeard(None, "", ago), [], now=NOON)
    assert (auth.state, accounting.state) == (State.UNKNOWN, State.OK)
    auth, accounting = nas_check.radius(LastHeard(ago, "accept", None), [], now=NOON)
    assert (auth.state, accounting.state) == (State.OK, State.FAILS)
    old = NOON - timedelta(days=3)
    auth, accounting = nas_check.radius(LastHeard(None, "", old), [], now=NOON)
    assert (auth.state, accounting.state) == (State.FAILS, State.FAILS)
    forged = client({"bad-authenticator": 1})
    auth, _ = nas_check.radius(LastHeard(ago, "accept", ago), [forged], now=NOON)
    assert auth.state is State.DIFFERS


async def test_a_box_is_shown_with_its_ways_and_without_their_secrets(world: World) -> None:
    await world.apply(api=api(world), snmp={"community": "geheim", "olt": "vsol"})
    told = await asyncio.to_thread(
        CliRunner().invoke, cli_nas.commands, ["show", "bras-1", "--json"]
    )
    shown = json.loads(told.output)
    assert (shown["api"]["kind"], shown["api"]["port"]) == ("routeros", world.router.port)
    assert (shown["snmp"]["version"], shown["snmp"]["olt"]) == ("2c", "vsol")
    assert "geheim" not in told.output


async def test_an_unknown_name_is_refused(world: World) -> None:
    told = await asyncio.to_thread(CliRunner().invoke, cli_nas.commands, ["check", "bras-9"])
    assert "there is no NAS bras-9" in str(told.exception)


def client(drops: dict[str, int]) -> ClientStatus:
    accounting = AccountingStatus(
        requests=0,
        duplicates=0,
        status_servers=0,
        responses=0,
        drops={},
        latency_buckets=[],
        latency_sum_s=0,
    )
    return ClientStatus(
        tenant_id=1,
        nas="bras-1",
        requests=0,
        duplicates=0,
        status_servers=0,
        accepts=0,
        challenges=0,
        unsigned_requests=0,
        rejects={},
        drops=drops,
        latency_buckets=[],
        latency_sum_s=0,
        accounting=accounting,
    )
