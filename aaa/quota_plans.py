"""Whose usage has a quota, and under which rule: profiles and entitlements read together.

Profiles with a quota are few, subscribers many: so the profiles are read first, and a
database without one is asked nothing else.  What a profile says is understood once.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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

SCALES_MAX: Final = 1_000

_PLANS: Final = """
SELECT p.id, p.quota_octets, p.quota_time_s, p.quota_direction, p.quota_window, p.at_quota,
       p.zones::text, p.thresholds::text, t.timezone
  FROM profile AS p JOIN tenant AS t ON t.id = p.tenant_id
 WHERE p.quota_octets IS NOT NULL OR p.quota_time_s IS NOT NULL
"""
_MEMBERS: Final = """
SELECT e.subscriber_id, e.tenant_id, e.profile_id, s.quota_anchor,
       extract(epoch FROM e.made_at)::bigint AS made_s,
       extract(epoch FROM q.window_starts_at)::bigint AS starts_s,
       extract(epoch FROM q.window_ends_at)::bigint AS ends_s, q.octets, q.time_s,
       q.quota_octets, q.quota_time_s
  FROM unnest($1::bigint[]) AS n (id)
  JOIN entitlement AS e ON e.subscriber_id = n.id
  JOIN subscriber AS s ON s.id = e.subscriber_id
  LEFT JOIN quota_state AS q ON q.subscriber_id = e.subscriber_id
 WHERE e.profile_id = ANY ($2::bigint[])
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A profile with a quota."""

    allowance: Allowance
    direction: Direction
    kind: Kind
    at_quota: str
    zones: tuple[zones.Zone, ...]
    thresholds: tuple[int, ...]
    timezone: ZoneInfo

    def rule(self, anchor: date) -> Rule:
        """For a subscriber of this plan.  Those whose anchors mean the same share a rule."""
        if self.kind is Kind.ANCHOR:
            anchor = date(2000, 1, anchor.day)
        elif self.kind is not Kind.NONE:
            anchor = date(2000, 1, 1)
        return Rule(self.direction, self.kind, self.zones, self.timezone.key, anchor)


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
        self._scales: dict[Rule, Scale] = {}

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
            anchor = set_anchor or day_of(plan.timezone, made_s)
            scale = self._scale(plan.rule(anchor))
            members[subscriber_id] = Member(subscriber_id, tenant_id, plan, scale, _told(told))
        return members

    def _scale(self, rule: Rule) -> Scale:
        scale = self._scales.get(rule)
        if scale is None:
            if len(self._scales) >= SCALES_MAX:
                self._scales.clear()
            scale = self._scales[rule] = Scale(rule)
        return scale


def _told(row: Sequence[Any]) -> State | None:
    starts_s, ends_s, octets, time_s, quota_octets, quota_time_s = row
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
