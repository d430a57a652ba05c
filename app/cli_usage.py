"""`turnpike usage`: what a subscriber used, by hour, day or month."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import typer

from aaa import subscribers
from accounting import usage_report
from accounting.listing import CONFIDENCES
from accounting.usage_report import By, Used
from app import cli_output as output
from app import manifest_values
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
from core.errors import Invalid

COLUMNS = (
    "period",
    "zone",
    "upload_octets",
    "download_octets",
    "session_time_s",
    "confidence",
)

HOURS: Final = timedelta(days=31)  # without --from


def command(
    username: Annotated[
        str, typer.Argument(metavar="SUBSCRIBER", help="Exact name, as listings show it.")
    ],
    by: Annotated[By, typer.Option("--by", help="How long a period is.")] = By.DAY,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="First day, 2027-01-31, or quarter of an hour with its zone.",
            show_default="the first; of hours, 31 days ago",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="Up to this day or time, which is not counted.",
            show_default="the last",
        ),
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Sum what a subscriber used, in octets and seconds of session time.

    Days, months and hours are those of the tenant's time zone; periods without usage are left
    out.  Hours are told for 32 days at once.  The confidence is the worst of a period: good,
    low (a counter left room for doubt) or quarantine (more than the line carries).
    """
    first, last = given("--from", from_), given("--to", to)
    name = subscriber_name(username)

    async def work(tx: Tx, _: Scope) -> list[Used]:
        subscriber = await subscribers.get(tx, name)
        local = await usage_report.zone(tx)
        start, end = instant(first, local), instant(last, local)
        if start is not None and end is not None and start >= end:
            raise Invalid(f"--to: {to} is not after --from: {from_}")
        if by is By.HOUR:
            end = end or CLOCK.now() + timedelta(hours=1)  # some clocks are ahead of ours
            start = start or end - HOURS
        return await usage_report.of_subscriber(tx, subscriber.id, by, start=start, end=end)

    found = rows(in_tenant(config, data_dir, tenant, work), by)
    if as_json:
        output.as_json_array(found)
    else:
        output.table(found, COLUMNS)


def rows(used: Sequence[Used], by: By) -> list[dict[str, object]]:
    """As listings show them."""
    return [
        {
            "period": named(sum_.start, by),
            "zone": str(sum_.start.tzinfo),
            "upload_octets": sum_.upload_octets,
            "download_octets": sum_.download_octets,
            "session_time_s": sum_.session_time_s,
            "confidence": CONFIDENCES[sum_.confidence],
        }
        for sum_ in used
    ]


def named(start: datetime, by: By) -> str:
    """A period by its beginning; an hour with its offset, as some come twice in a year."""
    match by:
        case By.HOUR:
            return start.isoformat(timespec="seconds").replace("+00:00", "Z")
        case By.DAY:
            return f"{start:%Y-%m-%d}"
        case By.MONTH:
            return f"{start:%Y-%m}"


def given(option: str, value: str | None) -> date | datetime | None:
    """A day, or a full quarter of an hour."""
    if value is None:
        return None
    whole_day = len(value) == len("2027-01-31")
    try:
        moment = manifest_values.moment(f"{value}T00:00:00Z" if whole_day else value)
    except Invalid as refused:
        raise Invalid(f"{option}: {output.printable(value)}: {refused}") from None
    if moment.minute % 15 or moment.second or moment.microsecond:
        raise Invalid(
            f"{option}: {value}: usage is kept by the quarter of an hour: write a full one"
        )
    return moment.date() if whole_day else moment


def instant(bound: date | datetime | None, local: ZoneInfo) -> datetime | None:
    """A day is meant from its beginning."""
    if bound is None or isinstance(bound, datetime):
        return bound
    return datetime.combine(bound, time(), local).astimezone(UTC).astimezone(local)
