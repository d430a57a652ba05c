"""`turnpike apply` and pools of ours: two pools never share an address, nor a name a meaning."""

from typing import Any

import pytest
from sqlalchemy import text

from aaa import pools_report, profiles
from app import cli_pool
from core.db import Database
from core.errors import Conflict, Invalid, NotFound
from tests.app.test_apply import run

POOL = {
    "name": "home",
    "kind": "ipv4",
    "networks": ["10.0.0.0/24", "10.1.0.10-10.1.0.19"],
    "exclude": ["10.0.0.0", "10.0.0.250-10.0.0.255"],
    "lease_s": 7200,
}
PLAN = {"code": "home-50", "ipv4_pool": "home"}


def document(*pools: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"tenant": "demo-isp", "pool": list(pools), **more}


async def test_pools_are_made_named_by_plans_and_told(database: Database, tenant_id: int) -> None:
    made = await run(database, document(POOL, plan=[PLAN]))
    assert made.lines == ("+ pool home", "+ plan home-50")
    assert (await run(database, document(POOL, plan=[PLAN]))).lines == ()
    async with database.transaction(tenant_id) as tx:
        [use] = await pools_report.uses(tx)
        assert (await profiles.all_of(tx))["home-50"].spec.ipv4_pool == "home"
    row = cli_pool.as_row(use)
    assert (row["usable"], row["free"], row["percent"]) == (256 + 10 - 7, 259, 0.0)
    assert (row["lease_s"], row["hold_s"]) == (7200, 86_400)


async def test_a_pool_changes_and_says_how(database: Database) -> None:
    await run(database, document(POOL))
    changed = POOL | {"networks": ["10.0.0.0/24"], "lease_s": 3600, "hold_s": 7200}
    [line] = (await run(database, document(changed))).lines
    assert line.startswith("~ pool home: networks 10.0.0.0/24,10.1.0.10/31,")
    assert line.endswith("lease_s 7200 -> 3600, hold_s 86400 -> 7200")
    # What it gave up is free for another.
    other = {"name": "other", "kind": "ipv4", "networks": ["10.1.0.0/24"]}
    assert (await run(database, document(other))).lines == ("+ pool other",)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        pytest.param({"kind": "ipv5"}, "pool[0].kind (home) = 'ipv5': write one of", id="kind"),
        pytest.param({"networks": []}, "pool[0].networks (home): write 1 to", id="none"),
        pytest.param({"networks": ["10.0.0.0/8"]}, "too large: 16777216 of them", id="too large"),
        pytest.param({"networks": ["10.0.0.1/24"]}, "has bits beyond its length", id="host bits"),
        pytest.param({"networks": ["10.0.0.9-10.0.0.1"]}, "ends before it begins", id="range"),
        pytest.param({"networks": ["2001:db8::/60"]}, "has IPv4 networks", id="family"),
        pytest.param(
            {"networks": ["10.0.0.0/24", "10.0.0.128/25"]}, "10.0.0.128/25 overlap", id="twice"
        ),
        pytest.param({"exclude": ["10.0.0.0/24", "10.1.0.0/24"]}, "leaves nothing", id="empty"),
        pytest.param({"prefix_length": 24}, "write a length from 32 to 32", id="length"),
        pytest.param(
            {"kind": "delegated_prefix", "networks": ["2001:db8::/40"], "prefix_length": 65},
            "prefix_length (home): 65: write a length from 32 to 64",
            id="delegated length",
        ),
        pytest.param(
            {"kind": "delegated_prefix", "networks": ["2001:db8::/60"]},
            "smaller than one prefix of /56",
            id="network smaller than a prefix",
        ),
        pytest.param({"networks": ["224.0.0.0/24"]}, "unicast", id="multicast"),
        pytest.param({"lease_s": 5}, "write a number from 60 to", id="lease"),
        pytest.param({"gateway": "10.0.0.1"}, "unknown key", id="unknown key"),
    ],
)
async def test_a_mistake_is_named(database: Database, wrong: dict[str, Any], said: str) -> None:
    pool = POOL | {"exclude": []} | wrong
    with pytest.raises(Invalid) as refused:
        await run(database, document(pool))
    assert said in str(refused.value)


async def test_pools_that_overlap_are_refused_with_both_names(database: Database) -> None:
    await run(database, document(POOL))
    other = {"name": "guests", "kind": "ipv4", "networks": ["10.0.0.128/25"]}
    with pytest.raises(Conflict, match=r"pools home and guests overlap: 10\.0\.0\.0/24"):
        await run(database, document(other))


async def test_a_pool_stays_of_its_kind(database: Database) -> None:
    await run(database, document(POOL))
    other = {"name": "home", "kind": "ipv6_prefix", "networks": ["2001:db8::/48"]}
    with pytest.raises(Conflict, match="stays so: make a new pool"):
        await run(database, document(other))


@pytest.mark.parametrize(
    ("plan", "error", "said"),
    [
        pytest.param(
            {"ipv4_pool": "hom"}, NotFound, "no such pool of ours .there are home.", id="unknown"
        ),
        pytest.param({"ipv6_pool": "home"}, Conflict, "is of kind ipv4", id="kind"),
        pytest.param(
            {"address_pool": "home"}, Conflict, "names a pool of the NAS", id="of the NAS"
        ),
        pytest.param(
            {"ipv4_pool": "home", "address_pool": "x"}, Invalid, "one of the two", id="both"
        ),
    ],
)
async def test_a_pool_of_ours_is_not_one_of_the_nas(
    database: Database, plan: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        await run(database, document(POOL, plan=[{"code": "home-50"} | plan]))


async def test_an_address_that_somebody_has_is_nobody_elses_own(
    database: Database, tenant_id: int
) -> None:
    bob = {"username": "bob", "password": "x", "plan": "home-50"}
    await run(database, document(POOL, plan=[PLAN], subscriber=[bob]))
    async with database.transaction(tenant_id) as tx:
        await tx.execute(text("SET ROLE NONE"))
        await tx.execute(
            text("""
WITH block AS (
    INSERT INTO pool_block (tenant_id, pool_id, network, node, store, free_at)
    SELECT tenant_id, id, '10.0.0.8/30', 'a', 'x', now() FROM pool RETURNING *
)
INSERT INTO pool_lease (tenant_id, address, pool_id, block_id, node, subscriber_id, class_nonce,
                        until_at)
SELECT b.tenant_id, '10.0.0.9/32', b.pool_id, b.id, 'a', s.id, '', now()
  FROM block b, subscriber s WHERE s.username = 'bob'
""")
        )
        await tx.execute(text("RESET ROLE"))
    alice = {"username": "alice", "password": "x", "plan": "home-50", "static_ipv4": "10.0.0.9"}
    with pytest.raises(Conflict, match=r"alice: 10\.0\.0\.9/32 is given out of pool home to bob"):
        await run(database, document(subscriber=[alice]))
    other = alice | {"static_ipv4": "10.0.0.10"}
    await run(database, document(subscriber=[other, bob | {"static_ipv4": "10.0.0.9"}]))
    async with database.transaction(tenant_id) as tx:
        found = await pools_report.detail(tx, "home")
    assert (found.use.leased, found.use.own, found.use.with_nodes) == (1, 2, 4)
    assert [(one.address, one.username) for one in found.leases] == [("10.0.0.9/32", "bob")]
    assert [one.node for one in found.nodes] == ["a"]
    async with database.transaction(tenant_id) as tx:
        [forgotten] = await pools_report.forget(tx, "a")
        with pytest.raises(NotFound, match="no node b has"):
            await pools_report.forget(tx, "b")
    assert (forgotten.pool, forgotten.blocks) == ("home", 1)
