from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Network

import pytest
import pytest_asyncio

from aaa import holds, passwords, profiles, subscribers
from aaa.profiles import ProfileSpec
from aaa.subscribers import SubscriberNotFound, SubscriberSpec
from core import tenancy
from core.db import Database
from core.errors import NotFound
from core.secret import Secret, Vault
from nas_adapters import registry
from nas_adapters.registry import NasSpec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
VAULT = Vault(bytes(32), random=lambda n: bytes(n))
ALICE = SubscriberSpec(
    username="alice",
    profile="home-50",
    valid_until=NOON + timedelta(days=30),
    when_suspended="walled_garden",
    bind_nas=("bras-1", "bras-2"),
    bind_mac=("02005e100001",),
    static_ipv4=IPv4Address("203.0.113.9"),
    static_ipv6_prefix=IPv6Network("2001:db8:1:42::/64"),
    delegated_ipv6=IPv6Network("2001:db8:42::/56"),
    reply={"Class": "0x00ff10", "Framed-Route": ["10.0.0.0/8", "10.1.0.0/16"]},
)
PLAIN = SubscriberSpec("plain", "home-50")


@pytest_asyncio.fixture
async def isp(database: Database, tenant_id: int) -> Database:
    """A tenant with two boxes and two profiles."""
    async with database.transaction(tenant_id) as tx:
        boxes = [
            (NasSpec(f"bras-{n}", IPv4Network(f"192.0.2.{n}/32")), Secret(b"s")) for n in (1, 2)
        ]
        await registry.add(tx, VAULT, tenant_id, boxes, now=NOON)
        await profiles.put(tx, tenant_id, [ProfileSpec("home-50"), ProfileSpec("home-200")])
    return database


async def test_what_was_put_is_read_back(isp: Database, tenant_id: int) -> None:
    async with isp.transaction(tenant_id) as tx:
        ids = await subscribers.put(tx, tenant_id, [ALICE, PLAIN], now=NOON)
        for spec in (ALICE, PLAIN):
            stored = await subscribers.get(tx, spec.username)
            assert (stored.id, stored.spec) == (ids[spec.username], spec)
            assert (stored.sealed, stored.holds) == (None, ())


async def test_putting_again_replaces_and_keeps_the_id(isp: Database, tenant_id: int) -> None:
    changed = replace(ALICE, profile="home-200", valid_until=None, bind_nas=("bras-2",), reply={})
    nothing = replace(ALICE, profile=None, valid_until=None, bind_nas=(), bind_mac=())
    async with isp.transaction(tenant_id) as tx:
        first = await subscribers.put(tx, tenant_id, [ALICE], now=NOON)
        for spec in (changed, nothing, ALICE):
            assert await subscribers.put(tx, tenant_id, [spec], now=NOON) == first
            assert (await subscribers.get(tx, "alice")).spec == spec


@pytest.mark.parametrize(
    "spec", [replace(PLAIN, profile="home-60"), replace(PLAIN, bind_nas=("bras-1", "bras-9"))]
)
async def test_a_name_that_does_not_exist_is_refused(
    isp: Database, tenant_id: int, spec: SubscriberSpec
) -> None:
    with pytest.raises(NotFound, match=r"subscriber plain: there is no (plan home-60|NAS bras-9)"):
        async with isp.transaction(tenant_id) as tx:
            await subscribers.put(tx, tenant_id, [spec], now=NOON)


async def test_pages_follow_the_octets_of_names(isp: Database, tenant_id: int) -> None:
    names = ["B-1", "a-1", "a-2", "a-3", "a_1", "été"]
    async with isp.transaction(tenant_id) as tx:
        specs = [replace(PLAIN, username=name) for name in reversed(names)]
        await subscribers.put(tx, tenant_id, specs, now=NOON)

        async def page(prefix: str = "", after: str = "", limit: int = 10) -> list[str]:
            found = await subscribers.page(tx, prefix=prefix, after=after, limit=limit)
            return [subscriber.spec.username for subscriber in found]

        assert await page() == names
        assert await page("a-") == ["a-1", "a-2", "a-3"]
        assert await page("a-", limit=2) == ["a-1", "a-2"]
        assert await page("a-", after="a-2") == ["a-3"]
        assert await page("é") == ["été"]
        assert await page("%") == []


async def test_who_is_removed_is_gone_with_everything(isp: Database, tenant_id: int) -> None:
    async with isp.transaction(tenant_id) as tx:
        ids = await subscribers.put(tx, tenant_id, [ALICE], now=NOON)
        await passwords.store(tx, tenant_id, {ids["alice"]: b"sealed"}, now=NOON)
        await holds.place(tx, tenant_id, {ids["alice"]: "reject"}, "staff", now=NOON)
        await subscribers.remove(tx, "alice")
        with pytest.raises(SubscriberNotFound, match="no subscriber alice"):
            await subscribers.get(tx, "alice")
        with pytest.raises(SubscriberNotFound):
            await subscribers.remove(tx, "alice")
        await subscribers.put(tx, tenant_id, [ALICE], now=NOON)
        stored = await subscribers.get(tx, "alice")
        assert (stored.sealed, stored.holds) == (None, ())


async def test_a_password_takes_the_place_of_the_old_one(isp: Database, tenant_id: int) -> None:
    async with isp.transaction(tenant_id) as tx:
        ids = await subscribers.put(tx, tenant_id, [PLAIN], now=NOON)
        for sealed in (b"first", b"second"):
            await passwords.store(tx, tenant_id, {ids["plain"]: sealed}, now=NOON)
            assert (await subscribers.get(tx, "plain")).sealed == sealed


async def test_a_source_lifts_only_its_own_hold(isp: Database, tenant_id: int) -> None:
    later = NOON + timedelta(hours=1)
    async with isp.transaction(tenant_id) as tx:
        [alice] = (await subscribers.put(tx, tenant_id, [ALICE], now=NOON)).values()
        await holds.place(tx, tenant_id, {alice: "reject"}, "staff", reason="a", now=NOON)
        await holds.place(tx, tenant_id, {alice: "walled_garden"}, "dunning", now=NOON)
        await holds.place(tx, tenant_id, {alice: "walled_garden"}, "staff", reason="b", now=later)
        held = (await subscribers.get(tx, "alice")).hold_of("staff")
        assert held is not None
        assert (held.effect, held.reason, held.since) == ("walled_garden", "b", NOON)
        assert await holds.lift(tx, [alice], "staff") == 1
        assert await holds.lift(tx, [alice], "staff") == 0
        assert [hold.source for hold in (await subscribers.get(tx, "alice")).holds] == ["dunning"]


async def test_a_hold_that_is_placed_after_it_ended_begins_anew(
    isp: Database, tenant_id: int
) -> None:
    hour = timedelta(hours=1)
    async with isp.transaction(tenant_id) as tx:
        [alice] = (await subscribers.put(tx, tenant_id, [ALICE], now=NOON)).values()
        effect = {alice: "reject"}
        await holds.place(tx, tenant_id, effect, "staff", until=NOON + hour, now=NOON)
        held = (await subscribers.get(tx, "alice")).hold_of("staff")
        assert held is not None
        assert held.is_in_force(NOON)
        assert not held.is_in_force(NOON + hour)
        await holds.place(tx, tenant_id, effect, "staff", now=NOON + 2 * hour)
        held = (await subscribers.get(tx, "alice")).hold_of("staff")
        assert held is not None
        assert (held.since, held.until) == (NOON + 2 * hour, None)


async def test_one_tenant_neither_sees_nor_touches_another(isp: Database, tenant_id: int) -> None:
    async with isp.lobby() as tx:
        other_id = await tenancy.found(tx, "second-isp", "Second ISP")
    async with isp.transaction(tenant_id) as tx:
        [alice] = (await subscribers.put(tx, tenant_id, [ALICE], now=NOON)).values()
        await holds.place(tx, tenant_id, {alice: "reject"}, "staff", now=NOON)
    async with isp.transaction(other_id) as tx:
        assert await subscribers.page(tx) == []
        assert await registry.all_of(tx) == {}
        assert await profiles.all_of(tx) == {}
        assert await holds.lift(tx, [alice], "staff") == 0
        with pytest.raises(SubscriberNotFound):
            await subscribers.remove(tx, "alice")
        with pytest.raises(NotFound, match="no plan home-50"):
            await subscribers.put(tx, other_id, [PLAIN], now=NOON)
