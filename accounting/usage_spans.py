"""Usage of many subscribers, each in a span of his own: what a quota is worked out from."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

from accounting.counters import GOOD

_SPANS: Final = f"""
SELECT n.number,
       CASE WHEN n.by_quarter THEN extract(epoch FROM u.begins_at)::bigint
            ELSE n.from_s::bigint END AS begins_s,
       sum(u.input_octets) AS input_octets, sum(u.output_octets) AS output_octets,
       sum(u.session_time_s) AS session_time_s
  FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::float8[], $5::float8[], $6::boolean[])
       AS n (number, tenant_id, subscriber_id, from_s, to_s, by_quarter)
 CROSS JOIN LATERAL (
    SELECT * FROM usage AS x
     WHERE x.tenant_id = n.tenant_id AND x.subscriber_id = n.subscriber_id
       AND x.begins_at >= to_timestamp(n.from_s) AND x.begins_at < to_timestamp(n.to_s)
       AND (x.confidence = {GOOD}) = $7 OFFSET 0
 ) AS u
 GROUP BY 1, 2
"""  # noqa: S608 - a constant


class Span(NamedTuple):
    """Whose usage, and from when until before when; None: whatever came since."""

    tenant_id: int
    subscriber_id: int
    from_s: int
    to_s: int | None


class Part(NamedTuple):
    """A sum within a span: of the quarter that begins then, or of all of it."""

    begins_s: int
    input_octets: int
    output_octets: int
    session_time_s: int


async def sums(
    connection: asyncpg.Connection,
    spans: Sequence[Span],
    by_quarter: Sequence[bool],
    *,
    sure: bool = True,
) -> list[list[Part]]:
    """The parts of each span: one where `by_quarter` is false, and said to begin with it.

    Of usage that is sure, or of what a counter left in doubt.
    """
    parts: list[list[Part]] = [[] for _ in spans]
    if not spans:
        return parts
    for number, begins_s, received, sent, seconds in await connection.fetch(
        _SPANS,
        list(range(len(spans))),
        [span.tenant_id for span in spans],
        [span.subscriber_id for span in spans],
        [float(span.from_s) for span in spans],
        [float("inf") if span.to_s is None else float(span.to_s) for span in spans],
        list(by_quarter),
        sure,
    ):
        parts[number].append(Part(begins_s, int(received), int(sent), int(seconds)))
    return parts
