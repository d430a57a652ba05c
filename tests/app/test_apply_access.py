"""How a subscriber comes in, in a manifest: what may be said, what is stored, and whose it is."""

from datetime import UTC, datetime
from typing import Any

import pytest

from aaa import subscribers
from aaa.subscriber_ways import WayTaken
from app.apply import apply
from app.manifest import Manifest, parse
from app.manifest_file import reply_check
from core.db import Database
from core.errors import Invalid, NotFound
from core.secret import Vault
from dictionaries.loader import load

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
VAULT = Vault(bytes(32), random=lambda n: bytes(n))
CHECK = reply_check(load())
NASES = [
    {"name": f"bras-{number}", "address": f"192.0.2.{number}", "secret": "s3cret"}
    for number in (1, 2)
]
LINE = {"node": "olt-1", "frame": 0, "slot": "01", "port": 3, "onu": 12}
EVERYTHING = {
    "access": "gpon",
    "line_nas": "bras-1",
    "line": LINE,
    "circuit_id": "OLT1 xpon 0/1/0/3:12.100",
    "remote_id": "0x0006AABB",
    "onu_serial": "hwtc-1a2b3c4d",
    "duid": "00:03:00:01:02:00:5e:10:00:01",
    "mac": "0200.5E10.0001",
}


def manifest(*subscribers_: dict[str, Any], **more: Any) -> Manifest:
    entries = [{"username": f"s{n}", "plan": "home"} | one for n, one in enumerate(subscribers_)]
    document = {"tenant": "demo-isp", "nas": NASES, "plan": [{"code": "home"}]}
    return parse(document | {"subscriber": entries} | more, CHECK)


async def run(database: Database, *entries: dict[str, Any], **more: Any) -> tuple[str, ...]:
    done = await apply(database, VAULT, manifest(*entries, **more), now=NOON)
    return done.lines


async def test_every_way_is_stored_in_its_one_spelling(database: Database, tenant_id: int) -> None:
    await run(database, EVERYTHING)
    assert await run(database, EVERYTHING) == ()
    async with database.transaction(tenant_id) as tx:
        spec = (await subscribers.get(tx, "s0")).spec
    assert (spec.access, spec.line_nas, spec.line) == ("gpon", "bras-1", "olt-1 0/1/3:12")
    assert (spec.circuit_id, spec.remote_id) == ("OLT1 xpon 0/1/0/3:12.100", "0x0006aabb")
    assert spec.onu_serial == "HWTC1A2B3C4D"
    assert spec.duid == "0003000102005e100001"
    assert spec.mac == "02005e100001"
    changed = EVERYTHING | {"onu_serial": "HWTC00000002"}
    assert await run(database, changed) == (
        "~ subscriber s0: onu_serial HWTC1A2B3C4D -> HWTC00000002",
    )
    del changed["line_nas"]
    assert await run(database, changed) == ("~ subscriber s0: line_nas bras-1 -> none",)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        pytest.param(
            {"access": "hotspot", "mac": "02:00:5e:10:00"},
            "subscriber[0].mac (s0) = '02:00:5e:10:00': no MAC address: write it as",
            id="a MAC address that is none",
        ),
        pytest.param(
            {"access": "gpon", "onu_serial": "HWTC1A2B"},
            "subscriber[0].onu_serial (s0) = 'HWTC1A2B': no serial of an ONU: write it as",
            id="a serial that is none",
        ),
        pytest.param(
            {"access": "gpon", "duid": "0009"},
            "subscriber[0].duid (s0) = '0009': no DUID of DHCPv6",
            id="a DUID that is none",
        ),
        pytest.param(
            {"access": "gpon", "circuit_id": "Straße 7"},
            "subscriber[0].circuit_id (s0) = 'Straße 7': write 1 to 253 characters of ASCII",
            id="a circuit id that no request tells so",
        ),
        pytest.param(
            {"access": "gpon", "line": {"node": "olt-1"}},
            "subscriber[0].line.port (s0): missing; add it",
            id="a line without a port",
        ),
        pytest.param(
            {"mac": "02:00:5e:10:00:01"},
            'subscriber[0].mac (s0): only with access = "hotspot" or "gpon"; to bind',
            id="a way for whom PPPoE lets in",
        ),
        pytest.param(
            {"access": "hotspot", "circuit_id": "eth 0/1"},
            'subscriber[0].circuit_id (s0): only with access = "gpon"',
            id="a line for a hotspot",
        ),
        pytest.param(
            {"access": "gpon", "password": "x"},
            "subscriber[0].access (s0): nothing tells which line is his: add one of line,",
            id="a line that nothing tells",
        ),
        pytest.param(
            {"access": "gpon", "mac": "02:00:5e:10:00:01", "line_nas": "bras-1"},
            "subscriber[0].line_nas (s0): goes with one of line, circuit_id, remote_id",
            id="a NAS of no line",
        ),
        pytest.param(
            {"access": "dsl"},
            "subscriber[0].access (s0) = 'dsl': write one of: pppoe, hotspot, gpon",
            id="an access that there is not",
        ),
    ],
)
def test_what_cannot_be_read_is_named_with_the_subscriber_and_the_value(
    entry: dict[str, Any], told: str
) -> None:
    with pytest.raises(Invalid) as caught:
        manifest(entry)
    assert str(caught.value).startswith(told)


async def test_only_who_is_found_otherwise_needs_no_password(database: Database) -> None:
    await run(database, {"access": "hotspot", "mac": "02:00:5e:10:00:01"})
    for entry in ({"access": "hotspot"}, {}):
        with pytest.raises(Invalid, match="missing; somebody new needs one"):
            await run(database, {"username": "new"} | entry)


@pytest.mark.parametrize(
    "way",
    [
        {"circuit_id": "eth 0/1"},
        {"line": LINE},
        {"remote_id": "r"},
        {"onu_serial": "HWTC1A2B3C4D"},
        {"duid": "0003000102005e100001"},
        {"mac": "02:00:5e:10:00:01"},
    ],
    ids=lambda way: next(iter(way)),
)
async def test_what_one_is_found_by_is_nobody_else_s(
    database: Database, way: dict[str, Any]
) -> None:
    one = {"access": "gpon", "circuit_id": "other"} | way
    await run(database, {"username": "alice"} | one)
    with pytest.raises(WayTaken, match=r"subscriber bob: \w+ .* is that of subscriber alice"):
        await run(database, {"username": "bob", "access": "gpon"} | way)
    both = {"access": "gpon", **way}
    moved = {"username": "alice", "access": "gpon", "circuit_id": "another"}
    with pytest.raises(WayTaken, match=r"subscriber dora: .* is that of subscriber carl"):
        await run(database, moved, {"username": "carl"} | both, {"username": "dora"} | both)


async def test_two_may_swap_what_they_are_found_by(database: Database) -> None:
    first = {"access": "gpon", "mac": "02:00:5e:10:00:01", "circuit_id": "eth 0/1"}
    second = {"access": "gpon", "mac": "02:00:5e:10:00:02", "circuit_id": "eth 0/2"}
    await run(database, first, second)
    assert len(await run(database, second, first)) == 2
    assert await run(database, second, first) == ()


async def test_the_name_of_a_line_is_one_nas_s_or_any_nas_s(database: Database) -> None:
    name = {"access": "gpon", "circuit_id": "eth 0/1"}
    await run(database, name, name | {"line_nas": "bras-1"}, name | {"line_nas": "bras-2"})
    with pytest.raises(WayTaken):
        await run(database, {"username": "new", "line_nas": "bras-2"} | name)
    with pytest.raises(NotFound, match=r"line_nas \(s0\) = 'bras-3': there is no such NAS"):
        await run(database, name | {"line_nas": "bras-3"})


async def test_what_strangers_get_is_a_plan_that_can_be_given_to_them(database: Database) -> None:
    nas = NASES[0] | {"unknown_devices": "registration"}
    with pytest.raises(NotFound, match="unknown_devices = 'registration': there is no such plan"):
        await run(database, nas=[nas])
    plans: dict[str, Any] = {"plan": [{"code": "home"}, {"code": "registration"}]}
    assert "+ plan registration" in await run(database, nas=[nas], **plans)
    pooled = {"code": "registration", "ipv4_pool": "homes"}
    pool = {"name": "homes", "kind": "ipv4", "networks": ["198.51.100.0/24"]}
    with pytest.raises(Invalid, match="out of pools of ours"):
        await run(database, nas=[], plan=[{"code": "home"}, pooled], pool=[pool])
    assert await run(database, nas=[NASES[0]]) == (
        "~ nas bras-1: unknown_devices registration -> reject",
    )
