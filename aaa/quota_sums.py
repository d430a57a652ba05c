"""Sums of a quota worked out from usage itself, which is what they are by definition."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from aaa.quota import Amount, Scale, total
from aaa.quota_windows import Window, days
from accounting import usage_spans
from accounting.usage_spans import Span


class Asked(NamedTuple):
    """Whose sum, by what scale, in which window."""

    tenant_id: int
    subscriber_id: int
    scale: Scale
    window: Window


def current(scale: Scale, now_s: int) -> tuple[Window, ...]:
    """The windows whose sums are what is used now, oldest first; none before the first begins."""
    today = scale.today(now_s)
    found = (scale.window(day) for day in days(scale.rule.kind, today))
    return tuple(window for window in found if window is not None)


async def worked_out(connection: asyncpg.Connection, asked: Sequence[Asked]) -> list[Amount]:
    """What was used in each."""
    spans = [Span(one.tenant_id, one.subscriber_id, *one.window) for one in asked]
    parts = await usage_spans.sums(connection, spans, [bool(one.scale.rule.zones) for one in asked])
    return [
        total(one.scale.weighed(*part) for part in of_one)
        for one, of_one in zip(asked, parts, strict=True)
    ]
