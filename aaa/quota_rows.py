"""The tables of quotas as ingest reads and writes them: set by set, times in Unix seconds.

Whoever counts for a subscriber locks his row of quota_state first, in the order of ids:
what is read after that stays true until the transaction ends.  Knows no rule.
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

import asyncpg

from aaa.quota import Allowance, Amount
from aaa.quota_state import State

KEPT_DAYS: Final = 62  # of a window that has ended; what is older can be worked out anew

# DO UPDATE locks the row also where its condition spares it.  OFFSET 0, here and below, leaves
# PostgreSQL one way: from each subscriber to his row by its key.
_LOCK: Final = """
WITH n AS MATERIALIZED (
    SELECT e.subscriber_id, e.tenant_id
      FROM unnest($1::bigint[]) AS asked (id)
     CROSS JOIN LATERAL (
        SELECT * FROM entitlement AS x WHERE x.subscriber_id = asked.id OFFSET 0
     ) AS e
     WHERE e.profile_id = ANY ($2::bigint[]) ORDER BY 1
), locked AS (
    INSERT INTO quota_state (subscriber_id, tenant_id) SELECT subscriber_id, tenant_id FROM n
        ON CONFLICT (subscriber_id) DO UPDATE SET octets = quota_state.octets WHERE false
)
SELECT subscriber_id FROM n
"""
_SUMS: Final = """
SELECT q.subscriber_id, n.starts_s::bigint, q.rule, q.octets, q.time_s,
       extract(epoch FROM q.unsettled_since)::bigint AS unsettled_s
  FROM unnest($1::bigint[], $2::float8[]) AS n (subscriber_id, starts_s)
 CROSS JOIN LATERAL (
    SELECT * FROM quota_usage AS x
     WHERE x.subscriber_id = n.subscriber_id AND x.starts_at = to_timestamp(n.starts_s) OFFSET 0
 ) AS q
"""
_STORE: Final = """
INSERT INTO quota_usage (subscriber_id, starts_at, ends_at, tenant_id, rule, octets, time_s,
                         unsettled_since)
SELECT subscriber_id, to_timestamp(starts_s), to_timestamp(ends_s), tenant_id, rule, octets,
       time_s, to_timestamp(unsettled_s)
  FROM unnest($1::bigint[], $2::float8[], $3::float8[], $4::bigint[], $5::text[],
              $6::numeric[], $7::numeric[], $8::float8[])
       AS n (subscriber_id, starts_s, ends_s, tenant_id, rule, octets, time_s, unsettled_s)
    ON CONFLICT (subscriber_id, starts_at) DO UPDATE
   SET ends_at = excluded.ends_at, rule = excluded.rule, octets = excluded.octets,
       time_s = excluded.time_s, unsettled_since = excluded.unsettled_since
"""
_LOCK_STATES: Final = """
SELECT FROM quota_state WHERE subscriber_id = ANY ($1::bigint[]) ORDER BY subscriber_id FOR UPDATE
"""
_VOID: Final = "UPDATE quota_usage SET rule = '' WHERE subscriber_id = ANY ($1::bigint[])"
# Others have no sums; one that gets a quota has it worked out with his next record.
_LEAVE: Final = """
INSERT INTO quota_uncounted (subscriber_id, tenant_id)
SELECT e.subscriber_id, e.tenant_id
  FROM unnest($1::bigint[]) AS n (id)
 CROSS JOIN LATERAL (SELECT * FROM entitlement AS x WHERE x.subscriber_id = n.id OFFSET 0) AS e
  JOIN profile AS p ON p.id = e.profile_id
 WHERE p.quota_octets IS NOT NULL OR p.quota_time_s IS NOT NULL
 ORDER BY 1 ON CONFLICT (subscriber_id) DO NOTHING
"""
_LEFT: Final = "SELECT subscriber_id FROM quota_uncounted ORDER BY since_at, 1 LIMIT $1"
_COUNTED: Final = "DELETE FROM quota_uncounted WHERE subscriber_id = ANY ($1::bigint[])"
_PRUNE: Final = f"""
DELETE FROM quota_usage
 WHERE subscriber_id = ANY ($1::bigint[])
   AND ends_at < to_timestamp($2::float8) - interval '{KEPT_DAYS} days'
"""  # noqa: S608 - a constant
# Its sum is gone, so its window is over.
_PRUNE_CROSSINGS: Final = f"""
DELETE FROM quota_crossing AS c
 WHERE c.subscriber_id = ANY ($1::bigint[])
   AND c.crossed_at < least(now(), to_timestamp($2::float8)) - interval '{KEPT_DAYS} days'
   AND NOT EXISTS (
    SELECT FROM quota_usage AS u
     WHERE u.subscriber_id = c.subscriber_id AND u.starts_at = c.window_starts_at
   )
"""  # noqa: S608 - a constant
_CROSS: Final = """
INSERT INTO quota_crossing (subscriber_id, window_starts_at, threshold, tenant_id,
                            quota_octets, quota_time_s, crossed_at)
SELECT subscriber_id, to_timestamp(starts_s), threshold, tenant_id, quota_octets, quota_time_s,
       to_timestamp($7::float8)
  FROM unnest($1::bigint[], $2::float8[], $3::int[], $4::bigint[], $5::bigint[], $6::bigint[])
       AS n (subscriber_id, starts_s, threshold, tenant_id, quota_octets, quota_time_s)
    ON CONFLICT (subscriber_id, window_starts_at, threshold) DO UPDATE
   SET quota_octets = excluded.quota_octets, quota_time_s = excluded.quota_time_s,
       crossed_at = excluded.crossed_at
 WHERE (quota_crossing.quota_octets, quota_crossing.quota_time_s)
       IS DISTINCT FROM (excluded.quota_octets, excluded.quota_time_s)
RETURNING subscriber_id, threshold
"""
_TELL: Final = """
UPDATE quota_state AS q
   SET window_starts_at = to_timestamp(n.starts_s), window_ends_at = to_timestamp(n.ends_s),
       octets = n.octets, time_s = n.time_s, quota_octets = n.quota_octets,
       quota_time_s = n.quota_time_s
  FROM unnest($1::bigint[], $2::float8[], $3::float8[], $4::bigint[], $5::bigint[],
              $6::bigint[], $7::bigint[])
       AS n (subscriber_id, starts_s, ends_s, octets, time_s, quota_octets, quota_time_s)
 WHERE q.subscriber_id = n.subscriber_id
"""


class SumKey(NamedTuple):
    """Whose sum, and of the window that begins when."""

    subscriber_id: int
    starts_s: int


class Sum(NamedTuple):
    """What was used in a window, under the rule of that name.

    `unsettled_s`: worked out then, while transactions may have run that knew of no quota.
    """

    rule: str
    used: Amount
    unsettled_s: int | None


class StoredSum(NamedTuple):
    """A sum with all that its row says."""

    subscriber_id: int
    starts_s: int
    ends_s: int | None
    tenant_id: int
    rule: str
    octets: int
    time_s: int
    unsettled_s: int | None


class Crossing(NamedTuple):
    """A threshold of a window, in per cent."""

    subscriber_id: int
    tenant_id: int
    starts_s: int
    threshold: int
    allowance: Allowance


async def lock(
    connection: asyncpg.Connection, subscriber_ids: Collection[int], profile_ids: Collection[int]
) -> list[int]:
    """Those of these subscribers who have one of these profiles; nobody else counts for them
    until the transaction ends."""
    found = await connection.fetch(_LOCK, list(subscriber_ids), list(profile_ids))
    return [row[0] for row in found]


async def sums(connection: asyncpg.Connection, keys: Collection[SumKey]) -> dict[SumKey, Sum]:
    """Those that are kept."""
    if not keys:
        return {}
    subscriber_ids, starts_s = zip(*keys, strict=True)
    return {
        SumKey(subscriber_id, at_s): Sum(rule, Amount(int(octets), int(time_s)), unsettled_s)
        for subscriber_id, at_s, rule, octets, time_s, unsettled_s in await connection.fetch(
            _SUMS, subscriber_ids, starts_s
        )
    }


async def store(connection: asyncpg.Connection, changed: Sequence[StoredSum]) -> None:
    """Keep these sums, in place of any that were kept."""
    if not changed:
        return
    await connection.execute(_STORE, *zip(*changed, strict=True))


async def void(connection: asyncpg.Connection, subscriber_ids: Collection[int]) -> None:
    """Have all sums of these worked out anew: no rule has an empty name.

    By their next records, or else by whoever asks who is `uncounted`.
    """
    # A statement of its own: what was stored while we waited is then seen.
    await connection.execute(_LOCK_STATES, list(subscriber_ids))
    await connection.execute(_VOID, list(subscriber_ids))
    await connection.execute(_LEAVE, list(subscriber_ids))


async def uncounted(connection: asyncpg.Connection, at_most: int) -> list[int]:
    """Whose sums are void and who still waits for somebody to say so to logins."""
    return [row[0] for row in await connection.fetch(_LEFT, at_most)]


async def counted(connection: asyncpg.Connection, subscriber_ids: Collection[int]) -> None:
    """They wait no more."""
    await connection.execute(_COUNTED, list(subscriber_ids))


async def prune(
    connection: asyncpg.Connection, subscriber_ids: Collection[int], now_s: int
) -> None:
    """Forget sums of windows that ended long ago, and what was crossed in them."""
    for statement in (_PRUNE, _PRUNE_CROSSINGS):
        await connection.execute(statement, list(subscriber_ids), float(now_s))


async def cross(
    connection: asyncpg.Connection, crossings: Sequence[Crossing], now_s: int
) -> set[tuple[int, int]]:
    """Write crossings down, and return those (subscriber, threshold) that were none yet."""
    if not crossings:
        return set()
    found = await connection.fetch(
        _CROSS,
        [one.subscriber_id for one in crossings],
        [one.starts_s for one in crossings],
        [one.threshold for one in crossings],
        [one.tenant_id for one in crossings],
        [one.allowance.octets for one in crossings],
        [one.allowance.time_s for one in crossings],
        float(now_s),
    )
    return {(row[0], row[1]) for row in found}


async def tell(connection: asyncpg.Connection, told: Iterable[tuple[int, State]]) -> None:
    """What logins are to know from now on of each subscriber; amounts are whole."""
    rows = [
        (subscriber_id, *window, *used, *allowance)
        for subscriber_id, (window, used, allowance) in told
    ]
    if rows:
        await connection.execute(_TELL, *zip(*rows, strict=True))
