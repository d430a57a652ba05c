"""Whose usage has a quota, and under which rule: profiles and entitlements read together.

Profiles with a quota are few, subscribers many: so the profiles are read first, and a
database without one is asked nothing else.  What a profile says is understood once.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import asyncpg
import structlog

from aaa import zones
from aaa.quota import Allowance, Amount, Direction, Rule, Scale
from aaa.quota_state import State
from aaa.quota_windows import Kind, Window, day_of

log = structlog.get_logger()

SCALES_MAX: Final = 1_000  # a plan
NO_ANCHOR: Final = date(2000, 1, 1)  # of a month that has all days

_PLANS: Final = """
SELECT p.id, p.quota_octets, p.quota_time_s, p.quota_direction, p.quota_window, p.at_quota,
       p.zones::text, p.thresholds::text, t.timezone
  FROM profile AS p JOIN tenant AS t ON t.id = p.tenant_id
 WHERE p.quota_octets IS NOT NULL OR p.quota_time_s IS NOT NULL
"""
# OFFSET 0 leaves PostgreSQL one way: from each subscriber to his rows by their keys.
_MEMBERS: Final = """
SELECT e.subscriber_id, e.tenant_id, e.profile_id, s.quota_anchor,
       extract(epoch FROM e.made_at)::bigint AS made_s,
       extract(epoch FROM q.window_starts_at)::bigint AS starts_s,
       extract(epoch FROM q.window_ends_at)::bigint AS ends_s, q.octets, q.time_s,
       q.quota_octets, q.quota_time_s
  FROM unnest($1::bigint[]) AS n (id)
 CROSS JOIN LATERAL (SELECT * FROM entitlement AS x WHERE x.subscriber_id = n.id OFFSET 0) AS e
 CROSS JOIN LATERAL (SELECT * FROM subscriber AS x WHERE x.id = n.id OFFSET 0) AS s
  LEFT JOIN LATERAL (SELECT * FROM quota_state AS x WHERE x.subscriber_id = n.id OFFSET 0) AS q
    ON true
 WHERE e.profile_id = ANY ($2::bigint[])
"""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A profile with a quota, as it is now: another when a word of it changes."""

    allowance: Allowance
    direction: Direction
    kind: Kind
    at_quota: str
    zones: tuple[zones.Zone, ...]
    thresholds: tuple[int, ...]
    timezone: ZoneInfo
    scales: dict[date, Scale] = field(default_factory=dict)

    def scale(self, set_anchor: date | None, made_s: int) -> Scale:
        """For a subscriber of this plan: one for all of them, but where their anchors differ."""
        anchor = NO_ANCHOR
        if self.kind is Kind.ANCHOR or self.kind is Kind.NONE:
            anchor = set_anchor or day_of(self.timezone, made_s)
            if self.kind is Kind.ANCHOR:
                anchor = NO_ANCHOR.replace(day=anchor.day)
        scale = self.scales.get(anchor)
        if scale is None:
            if len(self.scales) >= SCALES_MAX:
                self.scales.clear()
            rule = Rule(self.direction, self.kind, self.zones, self.timezone.key, anchor)
            scale = self.scales[anchor] = Scale(rule)
        return scale


@dataclass(frozen=True, slots=True)
class Member:
    """A subscriber with a quota, the scale that his usage is weighed by, and what logins were
    told of it last."""

    subscriber_id: int
    tenant_id: int
    plan: Plan
    scale: Scale
    told: State | None


class Plans:
    """Remembers what it has understood; what it tells is what the transaction sees."""

    def __init__(self) -> None:
        self._plans: dict[tuple[Any, ...], Plan | None] = {}

    async def read(self, connection: asyncpg.Connection) -> dict[int, Plan]:
        """Every profile with a quota, by id."""
        found: dict[int, Plan] = {}
        rows = [tuple(row) for row in await connection.fetch(_PLANS)]
        understood = {row: self._plans[row] if row in self._plans else _plan(row) for row in rows}
        self._plans = understood
        for row, plan in understood.items():
            if plan is not None:
                found[row[0]] = plan
        return found

    async def members(
        self,
        connection: asyncpg.Connection,
        plans: Mapping[int, Plan],
        subscriber_ids: Collection[int],
    ) -> dict[int, Member]:
        """Those of these subscribers who have one of these profiles."""
        if not plans or not subscriber_ids:
            return {}
        members: dict[int, Member] = {}
        found = await connection.fetch(_MEMBERS, list(subscriber_ids), list(plans))
        for subscriber_id, tenant_id, profile_id, set_anchor, made_s, *told in found:
            plan = plans[profile_id]
            scale = plan.scale(set_anchor, made_s)
            members[subscriber_id] = Member(subscriber_id, tenant_id, plan, scale, _told(*told))
        return members


def _told(
    starts_s: int | None,
    ends_s: int | None,
    octets: int,
    time_s: int,
    quota_octets: int | None,
    quota_time_s: int | None,
) -> State | None:
    if starts_s is None:
        return None
    allowance = Allowance(quota_octets, quota_time_s)
    return State(Window(starts_s, ends_s), Amount(octets, time_s), allowance)


def _plan(row: tuple[Any, ...]) -> Plan | None:
    """None, and a warning, for what `apply` would have refused: SQL may write anything."""
    profile_id, octets, time_s, direction, kind, at_quota, zones_, thresholds, timezone = row
    try:
        return Plan(
            Allowance(octets, time_s),
            Direction(direction),
            Kind(kind),
            at_quota,
            zones.restored(json.loads(zones_)),
            tuple(sorted({int(one) for one in thresholds.strip("{}").split(",") if one})),
            ZoneInfo(timezone),
        )
    except (ValueError, ZoneInfoNotFoundError) as error:
        log.warning("quota_ignored", profile=profile_id, error=str(error))
        return None
