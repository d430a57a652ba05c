"""`turnpike quota`: how much of his quota a subscriber has used, and how much is left."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import typer

from aaa import quota_report, subscribers
from aaa.quota_report import Report
from app import cli_output as output
from app.cli_context import (
    CLOCK,
    AsJson,
    Config,
    DataDir,
    Scope,
    TenantCode,
    in_tenant,
    subscriber_name,
)
from core.db import Tx
from core.errors import NotFound


def command(
    username: Annotated[
        str, typer.Argument(metavar="SUBSCRIBER", help="Exact name, as listings show it.")
    ],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Show what is used of a quota and what is left, in octets and seconds, weighed by zone.

    A rolling quota is shown from its first day until the midnight from which less than all
    of it is used again. What a counter left in doubt is told, and does not count.
    """

    async def work(tx: Tx, _: Scope) -> tuple[str | None, Report | None]:
        subscriber = await subscribers.get(tx, subscriber_name(username))
        now_s = int(CLOCK.unix_s())
        return subscriber.spec.profile, await quota_report.of_subscriber(tx, subscriber.id, now_s)

    plan, report = in_tenant(config, data_dir, tenant, work)
    if report is None:
        raise NotFound(f"subscriber {username}: plan {plan or 'none'} has no quota")
    row = as_row(username, plan, report)
    if as_json:
        output.as_json(row)
    else:
        output.facts(_for_people(row, report))


def as_row(username: str, plan: str | None, report: Report) -> dict[str, object]:
    """As listings show it."""
    allowance, left, local = report.plan.allowance, report.left(), report.plan.timezone

    def local_time(at: datetime | None) -> str | None:
        return None if at is None else at.astimezone(local).isoformat()

    return {
        "username": username,
        "plan": plan,
        "direction": report.plan.direction,
        "window": report.plan.kind,
        "window_starts_at": local_time(report.starts_at),
        "window_ends_at": local_time(report.ends_at),
        "quota_octets": allowance.octets,
        "used_octets": report.used.octets,
        "left_octets": left.octets,
        "quota_time_s": allowance.time_s,
        "used_time_s": report.used.time_s,
        "left_time_s": left.time_s,
        "percent": report.percent,
        "thresholds_crossed": list(report.crossed),
        "at_quota": report.plan.at_quota,
        "in_doubt_octets": report.in_doubt.octets,
        "in_doubt_time_s": report.in_doubt.time_s,
    }


def _for_people(row: dict[str, object], report: Report) -> dict[str, object]:
    """The same in fewer and rounder numbers."""
    allowance, left, in_doubt = report.plan.allowance, report.left(), report.in_doubt
    octets = _spent(report.used.octets, left.octets, allowance.octets, octets_for_people)
    doubt = f"{octets_for_people(in_doubt.octets)}, {_time_for_people(in_doubt.time_s)}"
    said = ("username", "plan", "window", "window_starts_at", "window_ends_at")
    return {
        **{name: row[name] for name in said},
        "octets": f"{octets} ({report.plan.direction})",
        "time": _spent(report.used.time_s, left.time_s, allowance.time_s, _time_for_people),
        "percent": report.percent,
        "thresholds_crossed": row["thresholds_crossed"],
        "at_quota": report.plan.at_quota,
        "in_doubt": doubt if any(in_doubt) else None,
    }


def _spent(used: int, left: int | None, whole: int | None, text: Callable[[int], str]) -> str:
    if left is None or whole is None:
        return f"{text(used)} used, no limit"
    return f"{text(used)} used, {text(left)} left of {text(whole)}"


def octets_for_people(octets: int) -> str:
    """42_130_000_000 is ``42.13GB``: two decimals, and decimal units as plans have them."""
    value, units = Decimal(octets), iter(("B", "kB", "MB", "GB", "TB", "PB", "EB"))
    unit = next(units)
    while round(value, 2) >= 1000 and unit != "EB":
        value, unit = value / 1000, next(units)
    return f"{round(value, 2).normalize():f}{unit}"


def _time_for_people(seconds: int) -> str:
    """``1h 5m``; under a minute in seconds."""
    if seconds < 60:
        return f"{seconds}s"
    hours, minutes = divmod(seconds // 60, 60)
    return " ".join(f"{n}{unit}" for n, unit in ((hours, "h"), (minutes, "m")) if n)
