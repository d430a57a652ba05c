"""Sums of a quota worked out from usage itself, which is what they are by definition."""

from collections.abc import Sequence
from typing import NamedTuple

import asyncpg

from aaa.quota import Allowance, Amount, Scale, total
from aaa.quota_state import State
from aaa.quota_windows import Kind, Window
from accounting import usage_spans
from accounting.usage_spans import Span


class Asked(NamedTuple):
    """Whose sum, by what scale, in which window."""

    tenant_id: int
    subscriber_id: int
    scale: Scale
    window: Window


async def worked_out(
    connection: asyncpg.Connection, asked: Sequence[Asked], *, sure: bool = True
) -> list[Amount]:
    """What was used in each; with `sure=False` what is left in doubt, and counts for nothing."""
    spans = [Span(one.tenant_id, one.subscriber_id, *one.window) for one in asked]
    zoned = [bool(one.scale.rule.zones) for one in asked]
    parts = await usage_spans.sums(connection, spans, zoned, sure=sure)
    return [
        total(one.scale.weighed(*part) for part in of_one)
        for one, of_one in zip(asked, parts, strict=True)
    ]


def state(scale: Scale, allowance: Allowance, by_window: Sequence[Amount], now_s: int) -> State:
    """What is used now, of sums of the current windows.

    A rolling quota is told until when it stands: it has no window that ends.
    """
    windows = scale.current(now_s)
    window = windows[-1]
    if scale.rule.kind is Kind.ROLLING:
        ends_s = scale.over_until(scale.today(now_s), by_window, allowance)
        window = Window(windows[0].starts_s, ends_s)
    used = by_window[0] if len(by_window) == 1 else total(by_window)
    return State(window, used, allowance)
