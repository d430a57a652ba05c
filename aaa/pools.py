"""Pools of ours as operators describe them: stored, and kept apart from each other and from what
subscribers have of their own.

What a NAS calls a pool is no business of this: that is the `address_pool` of a profile.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert

from aaa.pools_models import Pool, PoolNetwork
from aaa.pools_plan import PoolSpec, block_length_of, span_of
from core.db import Tx
from core.errors import Conflict


@dataclass(frozen=True, slots=True)
class StoredPool:
    id: int
    spec: PoolSpec
    block_length: int


async def all_of(tx: Tx) -> dict[str, StoredPool]:
    """Every pool of the tenant by name."""
    networks: dict[int, list[PoolNetwork]] = {}
    for network in await tx.scalars(
        select(PoolNetwork).order_by(PoolNetwork.network).execution_options(populate_existing=True)
    ):
        networks.setdefault(network.pool_id, []).append(network)
    rows = await tx.scalars(
        select(Pool).order_by(Pool.name).execution_options(populate_existing=True)
    )
    return {
        row.name: StoredPool(
            row.id,
            PoolSpec(
                row.name,
                row.kind,
                tuple(network.network for network in networks.get(row.id, ())),
                row.prefix_length,
                tuple(row.exclude),
                row.lease_s,
                row.hold_s,
            ),
            row.block_length,
        )
        for row in rows
    }


async def put(
    tx: Tx, tenant_id: int, specs: Sequence[PoolSpec], stored: Mapping[str, StoredPool]
) -> None:
    """Make the pools of these names what `specs` say; nodes follow within a second.

    What is given out of a network that a pool loses runs out.

    Raises:
        Conflict: two pools would have an address in common, or one would become another kind.
    """
    _refuse_overlaps({name: one.spec for name, one in stored.items()} | {s.name: s for s in specs})
    for spec in specs:
        old = stored.get(spec.name)
        if old is not None and (old.spec.kind, old.spec.prefix_length) != (
            spec.kind,
            spec.prefix_length,
        ):
            raise Conflict(
                f"pool {spec.name}: is of kind {old.spec.kind}, /{old.spec.prefix_length}, and "
                "stays so: make a new pool"
            )
        statement = insert(Pool).values(
            tenant_id=tenant_id,
            name=spec.name,
            kind=spec.kind,
            prefix_length=spec.prefix_length,
            block_length=block_length_of(spec),
            exclude=list(spec.exclude),
            lease_s=spec.lease_s,
            hold_s=spec.hold_s,
        )
        pool_id = await tx.scalar(
            statement.on_conflict_do_update(
                index_elements=["tenant_id", "name"],
                set_={key: statement.excluded[key] for key in ("exclude", "lease_s", "hold_s")},
            ).returning(Pool.id)
        )
        networks = [str(network) for network in spec.networks]
        await tx.execute(
            text(
                "DELETE FROM pool_network WHERE pool_id = :pool"
                " AND network <> ALL (CAST(:networks AS text[])::cidr[])"
            ),
            {"pool": pool_id, "networks": networks},
        )
    for spec in specs:  # after all that is given up, for one pool may take over from another
        await tx.execute(
            text(
                "INSERT INTO pool_network (pool_id, tenant_id, network)"
                " SELECT id, tenant_id, unnest(CAST(:networks AS text[]))::cidr FROM pool"
                " WHERE name = :name ON CONFLICT (pool_id, network) DO NOTHING"
            ),
            {"name": spec.name, "networks": [str(network) for network in spec.networks]},
        )


async def refuse_given(tx: Tx, usernames: Collection[str]) -> None:
    """None of these may have for his own what somebody else got out of a pool and still has.

    Raises:
        Conflict: he does; the text says who, what, and out of which pool.
    """
    found = (
        await tx.execute(
            text("""
SELECT s.username, l.address::text AS address, p.name AS pool,
       coalesce(o.username, 'nobody, for now: its node lost its memory') AS owner
  FROM subscriber AS s
  JOIN LATERAL (VALUES (s.static_ipv4), (s.static_ipv6_prefix::inet), (s.delegated_ipv6::inet))
       AS own (address) ON own.address IS NOT NULL
  JOIN pool_lease AS l ON l.tenant_id = s.tenant_id AND l.address::inet && own.address
  JOIN pool AS p ON p.id = l.pool_id
  LEFT JOIN subscriber AS o ON o.id = l.subscriber_id
 WHERE s.username = ANY (:names) AND l.subscriber_id IS DISTINCT FROM s.id
   AND EXISTS (SELECT FROM pool_network AS n
                WHERE n.tenant_id = s.tenant_id AND n.network && own.address)
 ORDER BY s.username LIMIT 1
"""),
            {"names": list(usernames)},
        )
    ).first()
    if found is not None:
        raise Conflict(
            f"subscriber {found.username}: {found.address} is given out of pool {found.pool} to "
            f"{found.owner}: end that session first, or choose another"
        )


def _refuse_overlaps(specs: Mapping[str, PoolSpec]) -> None:
    """Raises Conflict with both names."""
    every = sorted(
        ((network.version, *span_of(network), str(network), spec.name))
        for spec in specs.values()
        for network in spec.networks
    )
    for before, after in pairwise(every):
        if before[0] == after[0] and before[2] >= after[1]:
            raise Conflict(
                f"pools {before[4]} and {after[4]} overlap: {before[3]} and {after[3]}; "
                "an address is in one pool only"
            )
