"""How full pools are, and who has what: as nodes last told, a second ago where all is well."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text

from aaa import pools
from aaa.pools import StoredPool
from aaa.pools_plan import PoolSpec, blocks, items_in, usable
from core.db import Tx
from core.errors import Conflict, NotFound

LEASES_SHOWN_MAX = 1_000

_USE = text("""
SELECT p.id,
       (SELECT count(*) FROM pool_lease l WHERE l.pool_id = p.id AND l.subscriber_id IS NOT NULL)
           AS leased,
       (SELECT count(*) FROM pool_lease l WHERE l.pool_id = p.id AND l.subscriber_id IS NULL)
           AS held,
       (SELECT count(*) FROM subscriber s JOIN pool_network n ON n.pool_id = p.id
           AND s.tenant_id = n.tenant_id
           AND (s.static_ipv4 << n.network OR s.static_ipv4 = n.network
                OR s.static_ipv6_prefix <<= n.network OR s.delegated_ipv6 <<= n.network)
         WHERE s.static_ipv4 IS NOT NULL OR s.static_ipv6_prefix IS NOT NULL
            OR s.delegated_ipv6 IS NOT NULL) AS own,
       ARRAY(SELECT b.network::text FROM pool_block b WHERE b.pool_id = p.id) AS blocks
  FROM pool p WHERE p.id = ANY (:ids)
""")
_NODES = text("""
SELECT b.node, count(*) AS blocks, n.free, n.seen_at, min(b.free_at) AS free_at
  FROM pool_block b LEFT JOIN pool_node n ON n.pool_id = b.pool_id AND n.node = b.node
 WHERE b.pool_id = :id GROUP BY b.node, n.free, n.seen_at ORDER BY b.node
""")
_LEASES = text("""
SELECT host(l.address) || '/' || masklen(l.address) AS address, s.username, l.node, l.given_at,
       l.until_at
  FROM pool_lease l LEFT JOIN subscriber s ON s.id = l.subscriber_id
 WHERE l.pool_id = :id ORDER BY l.address LIMIT :limit
""")

_IS_ALIVE = text("""
SELECT EXISTS (SELECT FROM pool_node WHERE node = :node AND seen_at > now() - interval '5 minutes')
""")
_FORGET = text("""
WITH given_up AS (
    UPDATE pool_block AS b
       SET free_at = least(b.free_at, now() + make_interval(secs => p.lease_s))
      FROM pool AS p WHERE p.id = b.pool_id AND b.node = :node
    RETURNING p.name, b.free_at
)
SELECT name, count(*), max(free_at) FROM given_up GROUP BY name ORDER BY name
""")


@dataclass(frozen=True, slots=True)
class Use:
    """Of one pool.  `held`: kept back after a node lost its memory; `own`: of subscribers."""

    spec: PoolSpec
    usable: int
    leased: int
    held: int
    own: int
    with_nodes: int  # items in blocks that some node has, given or not

    @property
    def percent(self) -> float:
        """What of it cannot be given to anybody else."""
        return round(100 * (self.leased + self.held + self.own) / self.usable, 1)


@dataclass(frozen=True, slots=True)
class OfNode:
    node: str
    blocks: int
    free: int | None
    seen_at: datetime | None
    free_at: datetime  # when another node may take them, unless this one is heard of


@dataclass(frozen=True, slots=True)
class Lease:
    address: str
    username: str | None
    node: str
    given_at: datetime | None
    until_at: datetime


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Blocks of a pool that a node leaves to others, from `free_at` on."""

    pool: str
    blocks: int
    free_at: datetime


@dataclass(frozen=True, slots=True)
class Detail:
    use: Use
    nodes: tuple[OfNode, ...]
    leases: tuple[Lease, ...]


async def uses(tx: Tx) -> list[Use]:
    """Every pool of the tenant, by name."""
    stored = await pools.all_of(tx)
    return await _uses(tx, list(stored.values()))


async def detail(tx: Tx, name: str) -> Detail:
    """One pool with its nodes and its first leases.

    Raises:
        NotFound: there is none of that name.
    """
    stored = await pools.all_of(tx)
    if name not in stored:
        raise NotFound(
            f"there is no pool {name} of ours; a pool of the NAS is only named by address_pool"
        )
    one = stored[name]
    [use] = await _uses(tx, [one])
    nodes = await tx.execute(_NODES, {"id": one.id})
    leases = await tx.execute(_LEASES, {"id": one.id, "limit": LEASES_SHOWN_MAX})
    return Detail(
        use,
        tuple(OfNode(*row) for row in nodes),
        tuple(Lease(*row) for row in leases),
    )


async def forget(tx: Tx, node: str) -> list[Forgotten]:
    """A node is gone for good, so nothing more is given out of its blocks: others may take them
    once what it gave last has run out.

    Raises:
        NotFound: no node of that name has any.
        Conflict: it was heard of just now.
    """
    if await tx.scalar(_IS_ALIVE, {"node": node}):
        raise Conflict(f"node {node} was heard of in the last five minutes: stop it first")
    rows = [Forgotten(*row) for row in await tx.execute(_FORGET, {"node": node})]
    if not rows:
        raise NotFound(f"no node {node} has addresses of a pool")
    return rows


async def _uses(tx: Tx, stored: list[StoredPool]) -> list[Use]:
    rows = {row.id: row for row in await tx.execute(_USE, {"ids": [one.id for one in stored]})}
    found = []
    for one in stored:
        row, spec = rows[one.id], one.spec
        taken = set(row.blocks)
        with_nodes = sum(
            items_in(block, spec.prefix_length)
            for block in blocks(spec, one.block_length)
            if str(block) in taken
        )
        found.append(Use(spec, usable(spec), row.leased, row.held, row.own, with_nodes))
    return found
