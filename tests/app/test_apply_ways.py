"""The ways into a NAS beside RADIUS: what a manifest may say, and what is stored of it."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from app.apply import apply
from app.manifest import parse
from app.manifest_file import reply_check
from app.manifest_ways import WayEntry
from core.db import Database
from core.errors import Invalid
from core.secret import CannotOpen, Secret, Vault
from dictionaries.loader import load
from nas_adapters import api_registry, registry
from nas_adapters.api_access import ApiSpec, SnmpSpec
from nas_adapters.api_registry import NoHost, StoredWay

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
VAULT = Vault(bytes(32), random=lambda n: bytes(n))
CHECK = reply_check(load())
NAS = {"name": "bras-1", "address": "192.0.2.1", "secret": "s3cret", "vendor": "mikrotik"}
API = {"username": "turnpike", "password": "geheim"}
V3 = {
    "version": "3",
    "username": "monitor",
    "auth_key": "auth-passphrase",
    "privacy_key": "privacy-passphrase",
}
PIN = "AB:CD:" * 15 + "AB:CD"


def document(**more: Any) -> dict[str, Any]:
    return {"tenant": "demo-isp", "nas": [NAS | more]}


def ways(**more: Any) -> tuple[WayEntry, ...]:
    return parse(document(**more), CHECK).nases[0].ways


def refusal(**more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        ways(**more)
    return str(caught.value)


async def run(database: Database, **more: Any) -> tuple[str, ...]:
    done = await apply(database, VAULT, parse(document(**more), CHECK), now=NOON)
    return done.lines


async def stored(database: Database, tenant_id: int) -> dict[str, StoredWay]:
    async with database.transaction(tenant_id) as tx:
        return {way: one for (_, way), one in (await api_registry.of_all(tx)).items()}


def test_a_router_of_mikrotik_needs_a_name_and_a_password_and_speaks_tls() -> None:
    [way] = ways(api=API)
    assert way.spec == ApiSpec(kind="routeros", username="turnpike", tls=True)
    assert way.secrets == {"password": Secret(b"geheim")}
    assert "geheim" not in repr(way)


def test_a_fingerprint_is_read_as_openssl_and_winbox_write_it() -> None:
    [way] = ways(api=API | {"fingerprint": PIN})
    assert isinstance(way.spec, ApiSpec)
    assert way.spec.fingerprint == "abcd" * 16


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"api": {"username": "x", "pasword": "y"}}, "api.pasword .*did you mean password"),
        ({"api": API, "vendor": "cisco"}, "cisco has no API that we know, so say which"),
        ({"api": API | {"site": "a"}}, "only a UniFi controller has sites"),
        ({"api": API | {"tls": False, "fingerprint": PIN}}, "without TLS there is no certificate"),
        ({"api": API | {"fingerprint": "abc"}}, "64 hex digits"),
        ({"api": API | {"kind": "unifi", "tls": False}}, "speaks TLS alone"),
        ({"api": API | {"address": "192.0.2.1:8729"}}, "and the port as port"),
        ({"api": API | {"password": ""}}, "api.password .*= …: write 1 to"),
        ({"snmp": {"username": "x"}}, 'snmp.username .*of version "3"'),
        ({"snmp": V3 | {"community": "x"}}, 'snmp.community .*of version "2c"'),
        ({"snmp": V3 | {"auth_key": "short"}}, "auth_key .*= …: write 8 characters or more"),
        ({"snmp": {"community": "x", "olt": "fiberhome"}}, "write one of: huawei, zte_c300"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_remedy(said: dict[str, Any], told: str) -> None:
    found = refusal(**said)
    assert found.startswith("nas[0]")
    assert re.search(told, found), found


async def test_ways_are_added_changed_and_forgotten_and_the_second_run_changes_nothing(
    database: Database, tenant_id: int
) -> None:
    snmp = V3 | {"olt": "huawei"}
    assert await run(database, api=API, snmp=snmp) == (
        "+ nas bras-1",
        "+ nas bras-1 api: routeros",
        "+ nas bras-1 snmp: 3",
    )
    assert await run(database, api=API, snmp=snmp) == ()
    without_secrets = {key: value for key, value in snmp.items() if not key.endswith("_key")}
    changed = {"username": "turnpike", "port": 9}
    assert await run(database, api=changed, snmp=without_secrets) == (
        "~ nas bras-1: api.port none -> 9",
    )
    found = await stored(database, tenant_id)
    assert found["api"].spec == ApiSpec(kind="routeros", username="turnpike", port=9)
    assert found["snmp"].spec == SnmpSpec(version="3", username="monitor", olt="huawei")
    assert api_registry.secrets_of(VAULT, tenant_id, found["snmp"]) == {
        "auth_key": Secret(b"auth-passphrase"),
        "privacy_key": Secret(b"privacy-passphrase"),
    }
    assert await run(database, api=API | {"password": "new"}) == (
        "~ nas bras-1: api.port 9 -> none, api.password changed",
        "- nas bras-1 snmp",
    )
    found = await stored(database, tenant_id)
    assert set(found) == {"api"}
    assert api_registry.secrets_of(VAULT, tenant_id, found["api"]) == {"password": Secret(b"new")}


async def test_a_nas_that_the_file_does_not_name_keeps_its_ways(
    database: Database, tenant_id: int
) -> None:
    await run(database, api=API)
    other = NAS | {"name": "bras-2", "address": "192.0.2.2"}
    await apply(database, VAULT, parse({"tenant": "demo-isp", "nas": [other]}, CHECK), now=NOON)
    assert set(await stored(database, tenant_id)) == {"api"}


async def test_a_new_way_without_its_secret_is_refused_and_another_kind_keeps_none(
    database: Database,
) -> None:
    with pytest.raises(Invalid, match=r"nas bras-1: api\.password: missing"):
        await run(database, api={"username": "turnpike"})
    await run(database, snmp={"community": "public"})
    with pytest.raises(Invalid, match=r"nas bras-1: snmp\.privacy_key: missing"):
        await run(database, snmp={k: v for k, v in V3.items() if k != "privacy_key"})


async def test_a_secret_is_sealed_and_opens_for_its_own_nas_and_way_alone(
    database: Database, tenant_id: int
) -> None:
    await run(database, api=API, snmp={"community": "geheim-too"})
    found = await stored(database, tenant_id)
    assert b"geheim" not in found["api"].secrets_sealed
    for other in (
        replace(found["api"], secrets_sealed=found["snmp"].secrets_sealed),
        replace(found["api"], nas_id=found["api"].nas_id + 1),
    ):
        with pytest.raises(CannotOpen):
            api_registry.secrets_of(VAULT, tenant_id, other)
    async with database.transaction(tenant_id) as tx:
        await registry.remove(tx, "bras-1")
        assert await tx.scalar(text("SELECT count(*) FROM nas_api")) == 0


async def test_another_tenant_sees_none_of_it(database: Database, tenant_id: int) -> None:
    await run(database, api=API)
    await apply(database, VAULT, parse({"tenant": "second-isp"}, CHECK), now=NOON)
    async with database.lobby() as tx:
        assert await tx.scalar(text("SELECT count(*) FROM nas_api")) == 0
    assert len(await stored(database, tenant_id)) == 1
    assert await stored(database, tenant_id + 1) == {}


def test_a_way_without_an_address_goes_to_the_nas_and_not_to_a_network() -> None:
    [entry] = parse(document(api=API), CHECK).nases
    spec = ApiSpec(kind="routeros", username="turnpike")
    access = api_registry.api_access(entry.spec, spec, {"password": Secret(b"x")})
    assert (access.host, access.port, access.tls) == ("192.0.2.1", 8729, True)
    [network] = parse(document(address="192.0.2.0/24"), CHECK).nases
    with pytest.raises(NoHost, match=r"192\.0\.2\.0/24 is a network: say snmp\.address"):
        api_registry.snmp_access(network.spec, SnmpSpec(), {"community": Secret(b"x")})
