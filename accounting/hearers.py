"""Which node a NAS speaks to: who heard it, in one stretch, from when to when.

Silence is only told by who would have heard (`hearing`).  A NAS speaks to one node, and to the
next when that one does not answer; or to several by turns.  So a node is one of a NAS's
hearers for as long as the NAS is heard by nobody else for an hour, and what it slept through
until the other heard is excused for good.

Noted in the transaction that counts what was heard, once a batch, and written only when it is
news.  Knows nothing of sessions.
"""

from collections.abc import Collection
from operator import itemgetter
from typing import Final, NamedTuple

import asyncpg

from accounting.reading import Reading

Nas = tuple[int, int]
"""Tenant and NAS."""

# Who was heard that long before another was is not who the NAS speaks to now: longer than a
# NAS that takes turns may take for one.
TURNS_MAX_S: Final = 3600
NOTED_EVERY_S: Final = 30.0
KEPT_S: Final = 8 * 24 * 3600  # longer than anything stays unknown

_NAS_OF: Final = itemgetter(0, 2)  # of a RawRow
_RECEIVED_AT: Final = itemgetter(1)

# The last word counts, also where it is the earlier: so a clock that was ahead is forgotten.
# OFFSET 0 leaves PostgreSQL one way: from each NAS to what was told of it by the key.
NOTE: Final = f"""
INSERT INTO nas_heard AS h (tenant_id, nas_id, node, since_at, until_at)
SELECT n.tenant_id, n.nas_id, $3, to_timestamp(n.at_s), to_timestamp(n.at_s)
  FROM unnest($1::bigint[], $2::bigint[], $4::float8[]) AS n (tenant_id, nas_id, at_s)
  LEFT JOIN LATERAL (
    SELECT extract(epoch FROM x.until_at) AS at_s FROM nas_heard AS x
     WHERE x.tenant_id = n.tenant_id AND x.nas_id = n.nas_id AND x.node = $3 OFFSET 0
 ) AS told ON true
 WHERE coalesce(abs(told.at_s - n.at_s) >= {NOTED_EVERY_S}, true)
 ORDER BY n.tenant_id, n.nas_id
    ON CONFLICT (tenant_id, nas_id, node) DO UPDATE
   SET since_at = CASE
           WHEN excluded.until_at - h.until_at BETWEEN '-{TURNS_MAX_S} s' AND '{TURNS_MAX_S} s'
           THEN least(h.since_at, excluded.since_at) ELSE excluded.since_at END,
       until_at = excluded.until_at
"""  # noqa: S608 - constants
_KNOWN: Final = """
SELECT tenant_id, nas_id, node, floor(extract(epoch FROM since_at))::bigint AS since_s,
       floor(extract(epoch FROM until_at))::bigint AS until_s FROM nas_heard
"""
_PRUNE: Final = "DELETE FROM nas_heard WHERE until_at < to_timestamp($1)"


class Hearer(NamedTuple):
    """A node that heard a NAS.  Unix seconds."""

    node: str
    since_s: int
    until_s: int


class Charge(NamedTuple):
    """A node on which it lay to hear a NAS, until then; None: it still does."""

    hearer: Hearer
    ends_s: int | None


def charges(hearers: Collection[Hearer], now_s: int) -> list[Charge]:
    """On whom it lay, by who heard."""
    latest_s = max((min(one.until_s, now_s) for one in hearers), default=now_s)
    found: list[Charge] = []
    for one in hearers:
        if one.until_s >= latest_s - TURNS_MAX_S:
            found.append(Charge(one, None))
            continue
        taken_over_s = min(
            max(other.since_s, one.until_s) for other in hearers if other.until_s > one.until_s
        )
        found.append(Charge(one, taken_over_s))
    return found


async def note(connection: asyncpg.Connection, node: str, reading: Reading) -> None:
    """Say that this node heard the batch's NASes when their last records came."""
    heard = dict(zip(map(_NAS_OF, reading.raw), map(_RECEIVED_AT, reading.raw), strict=True))
    await connection.execute(
        NOTE,
        [tenant_id for tenant_id, _ in heard],
        [nas_id for _, nas_id in heard],
        node,
        list(heard.values()),
    )


async def known(connection: asyncpg.Connection) -> dict[Nas, list[Hearer]]:
    """The hearers of each NAS; of one that has been silent for long there are none."""
    found: dict[Nas, list[Hearer]] = {}
    for tenant_id, nas_id, *heard in await connection.fetch(_KNOWN):
        found.setdefault((tenant_id, nas_id), []).append(Hearer(*heard))
    return found


async def prune(connection: asyncpg.Connection, now_s: float) -> None:
    """Forget who is too old to explain any silence."""
    await connection.execute(_PRUNE, now_s - KEPT_S)
