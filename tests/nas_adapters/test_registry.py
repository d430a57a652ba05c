from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from sqlalchemy import text

from core import tenancy
from core.db import Database, enter
from core.secret import CannotOpen, Secret, Vault
from nas_adapters import registry
from nas_adapters.registry import NasConflict, NasNotFound, NasSpec
from nas_adapters.secrets import open_coa_secret, open_secret

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
VAULT = Vault(bytes(32), random=lambda n: bytes(n))
SECRET = Secret(b"s3cret")
BRAS = NasSpec("bras-1", IPv4Network("192.0.2.1/32"), vendor="mikrotik")
NETWORK = NasSpec(
    "pops",
    IPv6Network("2001:db8::/48"),
    "pop\\xff",
    "cisco",
    False,
    octet_unit=1024,
    line_patterns={"circuit_id": r"port (?P<port>\d+)"},
    name_templates={"service": "svc-{plan.code}"},
)


async def test_a_box_is_added_and_its_secret_opens_for_it_alone(
    database: Database, tenant_id: int
) -> None:
    async with database.transaction(tenant_id) as tx:
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET), (NETWORK, SECRET)], now=NOON)
        stored = await registry.all_of(tx)
    assert [nas.spec for nas in stored.values()] == [BRAS, NETWORK]
    bras, pops = stored["bras-1"], stored["pops"]
    assert open_secret(VAULT, tenant_id, bras.id, bras.secret_sealed) == SECRET
    with pytest.raises(CannotOpen):
        open_secret(VAULT, tenant_id, pops.id, bras.secret_sealed)


async def test_a_box_that_is_renamed_keeps_its_secret(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as tx:
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET)], now=NOON)
        await tx.execute(text("UPDATE nas SET name = 'bras-one'"))
        renamed = await registry.get(tx, "bras-one")
    assert open_secret(VAULT, tenant_id, renamed.id, renamed.secret_sealed) == SECRET


@pytest.mark.parametrize(
    ("address", "identifier"),
    [
        pytest.param("192.0.2.1/32", "named", id="the very address, with an identifier"),
        pytest.param("192.0.2.0/24", "", id="a network around it"),
        pytest.param("2001:db8:0:1::/64", "", id="a part of a network"),
    ],
)
async def test_nobody_may_stand_where_another_tenant_does(
    database: Database, tenant_id: int, address: str, identifier: str
) -> None:
    async with database.lobby() as tx:
        stranger = await tenancy.found(tx, "stranger", "Stranger")
        await enter(tx, tenant_id)
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET), (NETWORK, SECRET)], now=NOON)
        await enter(tx, stranger)
        rival = NasSpec("rival", ip_network(address), identifier)
        with pytest.raises(NasConflict, match="in use by another tenant: rival"):
            await registry.add(tx, VAULT, stranger, [(rival, SECRET)], now=NOON)


async def test_a_change_keeps_the_secret_unless_there_is_a_new_one(
    database: Database, tenant_id: int
) -> None:
    moved = replace(BRAS, address=IPv4Network("192.0.2.0/24"), identifier="b1")
    async with database.transaction(tenant_id) as tx:
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET)], now=NOON)
        before = await registry.get(tx, "bras-1")
        await registry.change(tx, VAULT, tenant_id, moved, None, now=NOON)
        after = await registry.get(tx, "bras-1")
        assert (after.id, after.spec) == (before.id, moved)
        assert after.secret_sealed == before.secret_sealed
        await registry.change(tx, VAULT, tenant_id, moved, Secret(b"new"), now=NOON)
        sealed = (await registry.get(tx, "bras-1")).secret_sealed
    assert open_secret(VAULT, tenant_id, before.id, sealed) == Secret(b"new")


async def test_one_sender_is_one_box_unless_identifiers_tell_them_apart(
    database: Database, tenant_id: int
) -> None:
    rival = replace(BRAS, name="bras-2")
    async with database.transaction(tenant_id) as tx:
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET)], now=NOON)
        with pytest.raises(NasConflict, match=r"192.0.2.1/32 belongs to NAS bras-1; tell boxes"):
            await registry.add(tx, VAULT, tenant_id, [(rival, SECRET)], now=NOON)
        apart = replace(rival, identifier="b2")
        await registry.add(tx, VAULT, tenant_id, [(apart, SECRET)], now=NOON)
        with pytest.raises(NasConflict, match="belongs to NAS bras-1"):
            await registry.change(tx, VAULT, tenant_id, rival, None, now=NOON)
        assert (await registry.get(tx, "bras-2")).spec == apart


async def test_a_name_that_is_taken_is_a_conflict(database: Database, tenant_id: int) -> None:
    twin = replace(BRAS, address=IPv4Network("192.0.2.99/32"))
    async with database.transaction(tenant_id) as tx:
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET)], now=NOON)
        with pytest.raises(NasConflict, match="there is already a NAS bras-1"):
            await registry.add(tx, VAULT, tenant_id, [(twin, SECRET)], now=NOON)


async def test_a_sender_of_another_tenant_is_taken_and_not_told(
    database: Database, tenant_id: int
) -> None:
    async with database.transaction(tenant_id) as tx:
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET)], now=NOON)
    async with database.lobby() as tx:
        other_id = await tenancy.found(tx, "second-isp", "Second ISP")
    async with database.transaction(other_id) as tx:
        mine = replace(BRAS, name="mine")
        with pytest.raises(NasConflict, match="in use by another tenant") as caught:
            await registry.add(tx, VAULT, other_id, [(mine, SECRET)], now=NOON)
        assert "bras-1" not in str(caught.value)


async def test_who_is_not_there_is_not_found(database: Database, tenant_id: int) -> None:
    async with database.transaction(tenant_id) as tx:
        with pytest.raises(NasNotFound, match="there is no NAS bras-1"):
            await registry.get(tx, "bras-1")
        with pytest.raises(NasNotFound):
            await registry.change(tx, VAULT, tenant_id, BRAS, SECRET, now=NOON)
        with pytest.raises(NasNotFound):
            await registry.remove(tx, "bras-1")
        await registry.add(tx, VAULT, tenant_id, [(BRAS, SECRET)], now=NOON)
        await registry.remove(tx, "bras-1")
        assert await registry.all_of(tx) == {}


async def test_a_coa_secret_opens_as_that_and_as_nothing_else(
    database: Database, tenant_id: int
) -> None:
    told = Secret(b"for-changes")
    async with database.transaction(tenant_id) as tx:
        boxes = [(BRAS, SECRET), (NETWORK, SECRET)]
        await registry.add(tx, VAULT, tenant_id, boxes, coa_secrets={"bras-1": told}, now=NOON)
        stored = await registry.all_of(tx)
        assert stored["pops"].coa_secret_sealed is None
        bras = stored["bras-1"]
        assert bras.coa_secret_sealed is not None
        assert open_coa_secret(VAULT, tenant_id, bras.id, bras.coa_secret_sealed) == told
        with pytest.raises(CannotOpen):
            open_secret(VAULT, tenant_id, bras.id, bras.coa_secret_sealed)
        await registry.change(tx, VAULT, tenant_id, NETWORK, None, coa_secret=told, now=NOON)
        pops = await registry.get(tx, "pops")
    assert pops.secret_sealed == stored["pops"].secret_sealed
    assert pops.coa_secret_sealed is not None
    assert open_coa_secret(VAULT, tenant_id, pops.id, pops.coa_secret_sealed) == told


@pytest.mark.parametrize(
    ("vendor", "own", "port"),
    [
        ("mikrotik", None, 3799),
        ("cisco", None, 1700),
        ("cisco", 3799, 3799),
        ("of a later version", None, 3799),
    ],
)
def test_changes_go_to_the_port_of_the_box_else_of_its_vendor(
    vendor: str, own: int | None, port: int
) -> None:
    assert replace(BRAS, vendor=vendor, coa_port=own).coa_port_in_use == port
