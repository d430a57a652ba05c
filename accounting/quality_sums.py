"""What the database knows of how each NAS reported, for `accounting.quality` to judge."""

from dataclasses import dataclass
from datetime import date
from typing import Final

from sqlalchemy import text

from accounting.quality import Quality, Seen, judge
from core.db import Tx

# The medians are those of the latest sessions that moved anything worth the name.
_SESSIONS: Final = 200
_OCTETS_MIN: Final = 1_000_000

_SUMS: Final = f"""
SELECT n.tenant_id, n.id AS nas_id, n.name, d.*, s.*
  FROM nas AS n
 CROSS JOIN LATERAL (
    SELECT coalesce(sum(records), 0)::bigint AS records,
           coalesce(sum(repeated), 0)::bigint AS repeated,
           coalesce(sum(unreadable), 0)::bigint AS unreadable,
           coalesce(sum(odd_stamps), 0)::bigint AS odd_stamps,
           coalesce(sum(ambiguous), 0)::bigint AS ambiguous,
           coalesce(sum(implausible), 0)::bigint AS implausible,
           coalesce(sum(stops), 0)::bigint AS stops,
           coalesce(sum(reaped), 0)::bigint AS reaped,
           coalesce(sum(redialled), 0)::bigint AS redialled,
           coalesce(sum(restarted), 0)::bigint AS restarted,
           coalesce(sum(reused), 0)::bigint AS reused,
           coalesce(sum(silent_gaps), 0)::bigint AS silent_gaps,
           coalesce(sum(silent_s), 0)::bigint AS silent_s,
           (array_agg(skew_s ORDER BY day DESC) FILTER (WHERE skew_s IS NOT NULL))[1] AS skew_s
      FROM nas_day
     WHERE nas_day.tenant_id = n.tenant_id AND nas_day.nas_id = n.id AND day >= :since
 ) AS d
 CROSS JOIN LATERAL (
    SELECT count(*) AS sessions,
           coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY input_octets), 0)
               AS upload_octets,
           coalesce(percentile_disc(0.5) WITHIN GROUP (ORDER BY output_octets), 0)
               AS download_octets
      FROM (
        SELECT input_octets, output_octets FROM session
         WHERE session.tenant_id = n.tenant_id AND session.nas_id = n.id
         ORDER BY session.id DESC LIMIT {_SESSIONS}
      ) AS latest
     WHERE input_octets + output_octets >= {_OCTETS_MIN}
 ) AS s
 ORDER BY n.tenant_id, n.name
"""  # noqa: S608 - numbers of our own


@dataclass(frozen=True, slots=True)
class NasQuality:
    """A NAS, what was seen of it, and what that is worth."""

    tenant_id: int
    nas_id: int
    name: str
    seen: Seen
    quality: Quality


async def of_all(tx: Tx, since: date) -> list[NasQuality]:
    """Every NAS that `tx` may see, by name, as it reported since that day (UTC)."""
    found = []
    for tenant_id, nas_id, name, *numbers in await tx.execute(text(_SUMS), {"since": since}):
        seen = Seen(*numbers)
        found.append(NasQuality(tenant_id, nas_id, name, seen, judge(seen)))
    return found
