import json
from datetime import UTC, datetime
from typing import Any

import pytest

from aaa import holds, subscribers
from aaa.credentials import open_credential
from app.apply import Applied, apply
from app.manifest import parse
from app.manifest_file import reply_check
from core import tenancy
from core.db import Database
from core.errors import Conflict, Invalid, NotFound
from core.secret import Vault
from dictionaries.loader import load
from nas_adapters import registry

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
VAULT = Vault(bytes(32), random=lambda n: bytes(n))
DICTIONARY = load()

DOCUMENT: dict[str, Any] = {
    "tenant": "demo-isp",
    "nas": [
        {"name": "bras-1", "address": "192.0.2.1/32", "secret": "s3cret", "vendor": "mikrotik"}
    ],
    "plan": [
        {
            "code": "home-50",
            "download": "50M",
            "upload": "20M",
            "burst": {"download": "80M", "upload": "30M", "threshold": "40M", "time_s": 16},
            "session_limit": 1,
            "session_timeout_s": 86400,
            "address_pool": "pool-a",
        }
    ],
    "subscriber": [
        {
            "username": "pppoe-1042",
            "password": "hunter2",
            "plan": "home-50",
            "status": "active",
            "when_suspended": "walled_garden",
            "bind_nas": ["bras-1"],
            "bind_mac": ["02:00:5E:10:00:01"],
            "static_ipv4": "203.0.113.9",
            "static_ipv6_prefix": "2001:db8:1:42::/64",
            "delegated_ipv6": "2001:db8:42::/56",
            "expires_at": datetime(2027, 1, 1, tzinfo=UTC),
            "reply": {"Reply-Message": "Welcome", "Class": ["0x00ff10", "two"]},
        }
    ],
}


def changed(kind: str, **values: Any) -> dict[str, Any]:
    """The document with the first entry of `kind` changed."""
    return DOCUMENT | {kind: [DOCUMENT[kind][0] | values]}


async def run(
    database: Database,
    document: dict[str, Any],
    *,
    dry_run: bool = False,
    tenant: str | None = None,
    now: datetime = NOON,
) -> Applied:
    manifest = parse(document, reply_check(DICTIONARY))
    return await apply(database, VAULT, manifest, tenant=tenant, dry_run=dry_run, now=now)


async def test_the_first_run_adds_everything_and_the_second_changes_nothing(
    database: Database, tenant_id: int
) -> None:
    first = await run(database, DOCUMENT)
    assert first.lines == ("+ nas bras-1", "+ plan home-50", "+ subscriber pppoe-1042")
    assert (await run(database, DOCUMENT)).lines == ()
    async with database.transaction(tenant_id) as tx:
        stored = await subscribers.get(tx, "pppoe-1042")
        assert stored.spec == parse(DOCUMENT, reply_check(DICTIONARY)).subscribers[0].spec
        assert stored.sealed is not None
        assert open_credential(VAULT, tenant_id, stored.id, stored.sealed).password == b"hunter2"


async def test_json_and_toml_mean_the_same(database: Database) -> None:
    await run(database, DOCUMENT)
    as_json = json.loads(json.dumps(DOCUMENT, default=datetime.isoformat))
    assert (await run(database, as_json)).lines == ()


async def test_a_tenant_that_is_missing_is_made(database: Database) -> None:
    assert (await run(database, {"tenant": "second-isp"})).lines == ("+ tenant second-isp",)
    assert (await run(database, {"tenant": "second-isp"})).lines == ()
    async with database.lobby() as tx:
        assert [known.code for known in await tenancy.known(tx)] == ["demo-isp", "second-isp"]


async def test_a_file_without_tenant_is_for_the_only_one_or_the_one_that_is_named(
    database: Database,
) -> None:
    document = {"plan": DOCUMENT["plan"]}
    assert (await run(database, document)).tenant == "demo-isp"
    assert (await run(database, document, tenant="second-isp")).lines == (
        "+ tenant second-isp",
        "+ plan home-50",
    )
    with pytest.raises(Invalid, match="tenant: missing; add"):
        await run(database, document)
    with pytest.raises(Conflict, match="for tenant demo-isp, not second-isp"):
        await run(database, DOCUMENT, tenant="second-isp")


@pytest.mark.parametrize(
    ("document", "line"),
    [
        pytest.param(
            changed("plan", download="60M", session_limit=0),
            "~ plan home-50: download 50M -> 60M, session_limit 1 -> 0",
            id="a rate and a limit",
        ),
        pytest.param(
            changed("plan", burst={"download": "100M", "upload": "30M"}),
            "~ plan home-50: burst 80M down 30M up threshold 40M 16s -> 100M down 30M up 1s",
            id="a burst",
        ),
        pytest.param(
            changed("plan", on_nas={"vlan": 100, "qos_profile": "home-20"}),
            "~ plan home-50: on_nas none -> {qos_profile = 'home-20', vlan = 100}",
            id="what a plan says to boxes alone",
        ),
        pytest.param(
            changed("nas", address="2001:db8::/48"),
            "~ nas bras-1: address 192.0.2.1/32 -> 2001:db8::/48",
            id="where a NAS is",
        ),
        pytest.param(
            changed("nas", secret="another", require_message_authenticator=False),
            "~ nas bras-1: require_message_authenticator true -> false, secret changed",
            id="a secret is never shown",
        ),
        pytest.param(
            changed("nas", coa_port=1700, coa_secret="other", swap_octets=True, line_rate="1G"),
            "~ nas bras-1: coa_port none -> 1700, swap_octets false -> true,"
            " line_rate none -> 1G, coa_secret changed",
            id="how a box is told, and how it counts",
        ),
        pytest.param(
            changed(
                "nas",
                octet_unit="KiB",
                line_patterns={"circuit_id": r"port (?P<port>\d+)"},
                name_templates={"service": "svc-{plan.code}"},
            ),
            "~ nas bras-1: octet_unit octet -> KiB,"
            r" line_patterns none -> {circuit_id = 'port (?P<port>\\d+)'},"
            " name_templates none -> {service = 'svc-{plan.code}'}",
            id="its unit, its lines and what names are made of",
        ),
        pytest.param(
            changed("subscriber", password="another"),
            "~ subscriber pppoe-1042: password changed",
            id="nor a password",
        ),
        pytest.param(
            changed("subscriber", status="suspended"),
            "~ subscriber pppoe-1042: status active -> suspended",
            id="a suspension",
        ),
        pytest.param(
            changed("subscriber", expires_at=datetime(2028, 1, 1, tzinfo=UTC), bind_nas=[]),
            "~ subscriber pppoe-1042: expires_at 2027-01-01T00:00:00Z -> 2028-01-01T00:00:00Z,"
            " bind_nas bras-1 -> none",
            id="expiry and binding",
        ),
        pytest.param(
            changed("subscriber", reply={"Reply-Message": "Hi"}, static_ipv4="203.0.113.10"),
            "~ subscriber pppoe-1042: static_ipv4 203.0.113.9 -> 203.0.113.10,"
            " reply {Class = ['0x00ff10', 'two'], Reply-Message = 'Welcome'}"
            " -> {Reply-Message = 'Hi'}",
            id="address and reply",
        ),
    ],
)
async def test_a_change_is_told_and_made_once(
    database: Database, document: dict[str, Any], line: str
) -> None:
    await run(database, DOCUMENT)
    assert (await run(database, document, dry_run=True)).lines == (line,)
    assert (await run(database, document)).lines == (line,)
    assert (await run(database, document)).lines == ()


async def test_a_dry_run_tells_everything_and_leaves_nothing(
    database: Database, tenant_id: int
) -> None:
    assert len((await run(database, DOCUMENT, dry_run=True)).lines) == 3
    async with database.transaction(tenant_id) as tx:
        assert await registry.all_of(tx) == {}
    assert len((await run(database, DOCUMENT)).lines) == 3


async def test_what_the_file_leaves_out_stays(database: Database, tenant_id: int) -> None:
    await run(database, DOCUMENT)
    without = {
        "subscriber": [{"username": "other", "password": "x", "plan": "home-50"}],
        "nas": [{"name": "bras-1", "address": "192.0.2.1", "vendor": "mikrotik"}],
    }
    assert (await run(database, without)).lines == ("+ subscriber other",)
    async with database.transaction(tenant_id) as tx:
        assert (await subscribers.get(tx, "pppoe-1042")).sealed is not None


async def test_a_coa_secret_that_is_taken_out_of_the_file_is_taken_back(
    database: Database, tenant_id: int
) -> None:
    await run(database, changed("nas", coa_secret="for-changes"))
    lines = ("~ nas bras-1: coa_secret removed",)
    assert (await run(database, DOCUMENT, dry_run=True)).lines == lines
    async with database.transaction(tenant_id) as tx:
        assert (await registry.get(tx, "bras-1")).coa_secret_sealed is not None
    assert (await run(database, DOCUMENT)).lines == lines
    async with database.transaction(tenant_id) as tx:
        stored = await registry.get(tx, "bras-1")
    assert stored.coa_secret_sealed is None
    assert stored.secret_sealed
    assert (await run(database, DOCUMENT)).lines == ()


@pytest.mark.parametrize("when_suspended", ["reject", "walled_garden"])
async def test_suspended_is_a_hold_of_staff_and_active_lifts_that_one_alone(
    database: Database, tenant_id: int, when_suspended: str
) -> None:
    suspended = changed("subscriber", status="suspended", when_suspended=when_suspended)
    assert (await run(database, suspended)).lines[-1] == "+ subscriber pppoe-1042 (suspended)"
    async with database.transaction(tenant_id) as tx:
        stored = await subscribers.get(tx, "pppoe-1042")
        assert [(hold.source, hold.effect) for hold in stored.holds] == [("staff", when_suspended)]
        await holds.place(tx, tenant_id, {stored.id: "reject"}, "dunning", now=NOON)
    active = changed("subscriber", status="active", when_suspended=when_suspended)
    assert (await run(database, active)).lines == (
        "~ subscriber pppoe-1042: status suspended -> active",
    )
    async with database.transaction(tenant_id) as tx:
        stored = await subscribers.get(tx, "pppoe-1042")
    assert [hold.source for hold in stored.holds] == ["dunning"]
    assert (await run(database, active)).lines == ()


async def test_a_file_without_status_leaves_a_suspension_alone(database: Database) -> None:
    await run(database, changed("subscriber", status="suspended"))
    silent = {key: value for key, value in DOCUMENT["subscriber"][0].items() if key != "status"}
    assert (await run(database, {"subscriber": [silent]})).lines == ()


async def test_nothing_is_written_when_the_last_entry_is_refused(
    database: Database, tenant_id: int
) -> None:
    newcomer = {"username": "no-password", "plan": "home-50"}
    with pytest.raises(Invalid, match=r"subscriber\[1\].password \(no-password\): missing"):
        await run(database, DOCUMENT | {"subscriber": [*DOCUMENT["subscriber"], newcomer]})
    async with database.transaction(tenant_id) as tx:
        assert await registry.all_of(tx) == {}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(
            changed("subscriber", plan="home-60"),
            r"subscriber\[0\].plan \(pppoe-1042\) = 'home-60': .* there are home-50",
            id="plan",
        ),
        pytest.param(
            changed("subscriber", bind_nas=["bras-2"]),
            r"subscriber\[0\].bind_nas \(pppoe-1042\) = 'bras-2': .* there are bras-1",
            id="nas",
        ),
    ],
)
async def test_names_that_do_not_exist_are_refused(
    database: Database, document: dict[str, Any], message: str
) -> None:
    with pytest.raises(NotFound, match=message):
        await run(database, document)


async def test_a_new_nas_needs_a_secret(database: Database) -> None:
    with pytest.raises(Invalid, match="nas bras-9: secret: missing"):
        await run(database, {"nas": [{"name": "bras-9", "address": "192.0.2.9"}]})


async def test_an_address_that_is_taken_is_a_conflict_that_names_the_owner(
    database: Database,
) -> None:
    await run(database, DOCUMENT)
    rival = DOCUMENT["nas"][0] | {"name": "bras-2"}
    with pytest.raises(Conflict, match=r"bras-2: 192.0.2.1/32 belongs to NAS bras-1"):
        await run(database, {"nas": [rival]})
    assert (await run(database, {"nas": [rival | {"identifier": "b2"}]})).lines == ("+ nas bras-2",)


async def test_an_address_of_another_tenant_is_a_conflict_that_does_not_name_him(
    database: Database,
) -> None:
    await run(database, DOCUMENT)
    with pytest.raises(Conflict, match="in use by another tenant") as caught:
        await run(database, {"tenant": "second-isp", "nas": DOCUMENT["nas"]})
    assert "demo-isp" not in str(caught.value)


async def test_many_subscribers_are_quick(database: Database) -> None:
    many = DOCUMENT | {
        "subscriber": [
            DOCUMENT["subscriber"][0] | {"username": f"pppoe-{n:06}"} for n in range(2_000)
        ]
    }
    assert len((await run(database, many)).lines) == 2_002
    assert (await run(database, many)).lines == ()
