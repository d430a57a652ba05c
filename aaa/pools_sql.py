"""What a node says to the database about addresses; those who say it know when and why.

Times pass between the two as seconds from now: their clocks need not agree.
"""

from typing import Final

from aaa.pools_plan import DELEGATED_PREFIX, IPV4, IPV6_PREFIX

# The column of `session` that tells what a NAS gave of each kind, and how long its values are.
_COLUMN: Final = {IPV4: "framed_ip", IPV6_PREFIX: "framed_ipv6", DELEGATED_PREFIX: "delegated_ipv6"}
_BITS: Final = {IPV4: 32, IPV6_PREFIX: 128, DELEGATED_PREFIX: 128}
_SESSIONS_MAX: Final = 20  # of an address, the latest

# Pools that some profile names, with how many nodes live on each and how many are in need.
POOLS: Final = """
SELECT p.id, p.tenant_id, p.name, p.kind, p.prefix_length, p.block_length, p.exclude, p.lease_s,
       p.hold_s,
       ARRAY(SELECT n.network::text FROM pool_network n WHERE n.pool_id = p.id
              ORDER BY n.network) AS networks,
       (SELECT count(*) FROM pool_node n WHERE n.pool_id = p.id AND n.node <> $1
           AND n.seen_at > now() - interval '5 minutes') AS others,
       (SELECT count(*) FROM pool_node n WHERE n.pool_id = p.id AND n.node <> $1
           AND n.seen_at > now() - interval '1 minute'
           AND n.free < 1 << (p.prefix_length - p.block_length)) AS needy
  FROM pool p
 WHERE EXISTS (SELECT FROM profile f WHERE f.tenant_id = p.tenant_id
                  AND p.id IN (f.ipv4_pool_id, f.ipv6_pool_id, f.delegated_pool_id))
    OR EXISTS (SELECT FROM pool_block b WHERE b.pool_id = p.id AND b.node = $1)
"""

BLOCKS: Final = """
SELECT b.id, b.tenant_id, b.pool_id, b.network::text, b.store,
       b.quarantined_until IS NOT NULL AS is_held,
       CASE WHEN b.quarantined_until IS NULL THEN p.lease_s
            ELSE greatest(0, extract(epoch FROM b.quarantined_until - now())) END::float8 AS held_s
  FROM pool_block AS b JOIN pool AS p ON p.id = b.pool_id WHERE b.node = $1
"""

# Whether a node of this name that is not this one tells how much it has left.
TWIN: Final = """
SELECT EXISTS (SELECT FROM pool_node WHERE node = $1 AND seen_at > now() - interval '30 seconds')
"""

# A store that has forgotten: what it gave may be used for a lease time yet.
ADOPT: Final = """
UPDATE pool_block AS b
   SET store = $2,
       quarantined_until = greatest(b.quarantined_until, now() + make_interval(secs => p.lease_s))
  FROM pool AS p WHERE p.id = b.pool_id AND b.node = $1 AND b.store <> $2
"""

# What the store has and the database lacks, as after a restore: whoever has it, has it.
CLAIM: Final = """
INSERT INTO pool_block (id, tenant_id, pool_id, network, node, store, free_at)
OVERRIDING SYSTEM VALUE
SELECT $3, p.tenant_id, p.id, $5::text::cidr, $1, $2,
       now() + make_interval(secs => p.hold_s + p.lease_s)
  FROM pool AS p WHERE p.id = $4
    ON CONFLICT DO NOTHING RETURNING id
"""

# The same where the number is somebody else's by now: what is in use of it is then unknown.
CLAIM_ANEW: Final = """
INSERT INTO pool_block (tenant_id, pool_id, network, node, store, free_at, quarantined_until)
SELECT p.tenant_id, p.id, $4::text::cidr, $1, $2,
       now() + make_interval(secs => p.hold_s + p.lease_s), now() + make_interval(secs => p.lease_s)
  FROM pool AS p WHERE p.id = $3
    ON CONFLICT DO NOTHING
"""

RENEW: Final = """
UPDATE pool_block AS b
   SET store = $2,
       free_at = greatest(b.free_at, now() + make_interval(secs => p.hold_s + p.lease_s))
  FROM pool AS p WHERE p.id = b.pool_id AND b.node = $1
   AND split_part(b.store, '.', 1) = split_part($2, '.', 1)
"""

LOCK: Final = "SELECT pg_advisory_xact_lock(1886351212, ($1::bigint % 2147483647)::int)"  # "pool"

TAKEN: Final = "SELECT network::text FROM pool_block WHERE pool_id = $1"

TAKE: Final = """
INSERT INTO pool_block (tenant_id, pool_id, network, node, store, free_at)
SELECT p.tenant_id, p.id, n.network::cidr, $1, $2,
       now() + make_interval(secs => p.hold_s + p.lease_s)
  FROM pool AS p CROSS JOIN unnest($4::text[]) WITH ORDINALITY AS n (network, ord)
 WHERE p.id = $3
 ORDER BY n.ord
    ON CONFLICT DO NOTHING RETURNING id, pool_id, network::text
"""


GONE: Final = """
SELECT id, free_at FROM pool_block WHERE pool_id = $1 AND node <> $2 AND free_at < now()
"""


def inherit(kind: str) -> str:
    """Take up to $4 blocks, of these $5 of nodes that are gone for good, but none in which a
    session lives."""
    return f"""
WITH orphan AS (
    SELECT b.id FROM pool_block AS b
     WHERE b.pool_id = $3 AND b.node <> $1 AND b.free_at < now() AND b.id = ANY ($5::bigint[])
       AND (b.quarantined_until IS NULL OR b.quarantined_until < now())
       AND NOT EXISTS (
           SELECT FROM session AS s WHERE s.tenant_id = b.tenant_id
              AND {_within("s", kind, "b.network")}
              AND s.stopped_at IS NULL AND s.silent_since IS NULL)
       AND NOT EXISTS (
           SELECT FROM pool_lease AS l JOIN session AS s ON {_of_lease("s", kind)}
            WHERE l.block_id = b.id AND s.silent_since IS NULL)
     ORDER BY b.free_at LIMIT $4 FOR UPDATE SKIP LOCKED
), emptied AS (
    DELETE FROM pool_lease WHERE block_id IN (SELECT id FROM orphan)
)
UPDATE pool_block AS b
   SET node = $1, store = $2, taken_at = now(), quarantined_until = NULL,
       free_at = now() + make_interval(secs => p.hold_s + p.lease_s)
  FROM pool AS p WHERE p.id = b.pool_id AND b.id IN (SELECT id FROM orphan)
RETURNING b.id, b.pool_id, b.network::text
"""  # noqa: S608 - nothing here comes from outside


GIVE_BACK: Final = """
DELETE FROM pool_block
 WHERE id = $1 AND node = $2 AND split_part(store, '.', 1) = split_part($3, '.', 1)
"""

TELL_FREE: Final = """
INSERT INTO pool_node AS n (pool_id, node, tenant_id, free, seen_at)
SELECT p.id, $1, p.tenant_id, f.free, now()
  FROM unnest($2::bigint[], $3::int[]) AS f (pool_id, free) JOIN pool AS p ON p.id = f.pool_id
    ON CONFLICT (pool_id, node) DO UPDATE SET free = excluded.free, seen_at = excluded.seen_at
 WHERE n.free <> excluded.free OR n.seen_at < now() - interval '10 seconds'
"""

# An address that another node has told of is not ours to tell of: that must never be.
LEASED: Final = """
INSERT INTO pool_lease AS l (tenant_id, address, pool_id, block_id, node, subscriber_id,
                             class_nonce, given_at, until_at)
SELECT b.tenant_id, v.address::cidr, b.pool_id, b.id, $1, v.subscriber_id, v.nonce,
       to_timestamp(v.given_s), to_timestamp(v.until_s)
  FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[])
       AS v (block_id, address, subscriber_id, nonce, given_s, until_s)
  JOIN pool_block AS b ON b.id = v.block_id AND b.node = $1
    ON CONFLICT (tenant_id, address) DO UPDATE
   SET pool_id = excluded.pool_id, block_id = excluded.block_id,
       -- Of what a store has forgotten, this is the last that anybody knows.
       subscriber_id = coalesce(excluded.subscriber_id, l.subscriber_id),
       class_nonce = CASE WHEN excluded.subscriber_id IS NULL THEN l.class_nonce
                          ELSE excluded.class_nonce END,
       given_at = excluded.given_at, until_at = excluded.until_at,
       ended_at = CASE WHEN l.class_nonce = excluded.class_nonce THEN l.ended_at END
 WHERE l.node = excluded.node
RETURNING address::text
"""

FREED: Final = """
DELETE FROM pool_lease AS l
 USING unnest($2::bigint[], $3::text[]) AS v (block_id, address), pool_block AS b
 WHERE b.id = v.block_id AND l.tenant_id = b.tenant_id AND l.address = v.address::cidr
   AND l.node = $1
"""

# The Stop came to another node.
ENDED: Final = """
SELECT pool_id, address::text, class_nonce FROM pool_lease
 WHERE node = $1 AND ended_at IS NOT NULL LIMIT $2
"""
# Whose row somebody is writing just now is left alone: its lease runs out.
END: Final = """
UPDATE pool_lease AS l SET ended_at = now()
  FROM (SELECT p.tenant_id, p.address FROM pool_lease AS p
          JOIN unnest($1::bigint[], $2::text[]) AS v (subscriber_id, nonce)
            ON p.class_nonce = v.nonce AND p.subscriber_id = v.subscriber_id
         WHERE p.ended_at IS NULL
         FOR UPDATE OF p SKIP LOCKED) AS o
 WHERE l.tenant_id = o.tenant_id AND l.address = o.address
"""

# The logins of sessions that are known by whose address they have.
NAMED: Final = """
SELECT p.subscriber_id, p.class_nonce
  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::float8[])
       AS v (tenant_id, subscriber_id, address, started_s)
  JOIN pool_lease AS p ON p.tenant_id = v.tenant_id AND p.address = network(v.address::inet)
   AND p.subscriber_id = v.subscriber_id AND p.given_at <= to_timestamp(v.started_s)
"""

# Up to when all that was heard is counted, as seconds ago: an Interim may wait on a node's disk.
# A node that has not said so for longer is gone, as far as a lease of so many seconds goes.
COUNTED: Final = """
SELECT coalesce(extract(epoch FROM now() - min(h.until_at)), 0)::float8 FROM (
    SELECT max(until_at) AS until_at FROM hearing GROUP BY node
) AS h WHERE h.until_at > now() - make_interval(secs => $1::float8)
"""


def still_used(kind: str) -> str:
    """Of the addresses $2 of the tenant $1: whether an open session of which one hears has it,
    and how many seconds ago any open session was last heard of that has it.

    Many NASes tell no delegated prefix: their sessions are found by whose lease it is.
    """
    return f"""
SELECT v.ord - 1 AS number,
       coalesce(bool_or(s.stopped_at IS NULL AND s.silent_since IS NULL), false) AS is_open,
       extract(epoch FROM now() - max(s.last_seen_at) FILTER (WHERE s.stopped_at IS NULL))::float8
           AS seen_s
  FROM unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS v (tenant_id, address, ord)
 CROSS JOIN LATERAL (
       (SELECT s.stopped_at, s.silent_since, s.last_seen_at FROM session AS s
        WHERE s.tenant_id = v.tenant_id AND {_within("s", kind, "v.address::cidr")}
        ORDER BY s.started_at DESC LIMIT {_SESSIONS_MAX})
       UNION ALL
       SELECT s.stopped_at, s.silent_since, s.last_seen_at
         FROM pool_lease AS l JOIN session AS s ON {_of_lease("s", kind)}
        WHERE l.tenant_id = v.tenant_id AND l.address = v.address::cidr
 ) AS s GROUP BY v.ord
"""  # noqa: S608 - nothing here comes from outside


# Addresses of subscribers' own in our blocks.
OWN: Final = """
SELECT b.id AS block_id, host(s.static_ipv4)::text || '/32' AS network
  FROM pool_block AS b JOIN subscriber AS s ON s.tenant_id = b.tenant_id
   AND s.static_ipv4 BETWEEN b.network::inet AND set_masklen(broadcast(b.network), 32)
 WHERE b.node = $1 AND family(b.network) = 4
 UNION ALL
SELECT b.id, s.static_ipv6_prefix::text
  FROM pool_block AS b JOIN subscriber AS s ON s.tenant_id = b.tenant_id
   AND s.static_ipv6_prefix && b.network
 WHERE b.node = $1 AND family(b.network) = 6
 UNION ALL
SELECT b.id, s.delegated_ipv6::text
  FROM pool_block AS b JOIN subscriber AS s ON s.tenant_id = b.tenant_id
   AND s.delegated_ipv6 && b.network
 WHERE b.node = $1 AND family(b.network) = 6
"""


def _of_lease(table: str, kind: str) -> str:
    """The condition that an open session may be that of the lease `l`, though it does not tell
    the address: the one of its login, or one that tells none of this kind."""
    return (
        f"{table}.tenant_id = l.tenant_id AND {table}.subscriber_id = l.subscriber_id"
        f" AND {table}.stopped_at IS NULL"
        f" AND ({table}.class_nonce = l.class_nonce OR {table}.{_COLUMN[kind]} IS NULL)"
    )


def _within(table: str, kind: str, network: str) -> str:
    """The condition that a session's address lies in `network`, as the index has it."""
    column = f"{table}.{_COLUMN[kind]}"
    bits = _BITS[kind]
    return (
        f"{column} BETWEEN {network}::inet AND set_masklen(broadcast({network}::inet), {bits})"
        f" AND {column} IS NOT NULL"
    )
