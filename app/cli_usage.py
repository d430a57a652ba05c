"""`turnpike usage`: what a subscriber used, by hour, day or month."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Final

import typer

from aaa import subscribers
from accounting import usage_report
from accounting.listing import CONFIDENCES
from accounting.usage_report import By, Used
from app import cli_output as output
from app import manifest_values
from app.cli_context import AsJson, Config, DataDir, Scope, TenantCode, in_tenant
from core.db import Tx
from core.errors import Invalid

COLUMNS = ("period", "upload_octets", "download_octets", "session_time_s", "confidence")

_NAMED: Final = {By.HOUR: "%Y-%m-%dT%H:%M:%SZ", By.DAY: "%Y-%m-%d", By.MONTH: "%Y-%m"}


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
            help="First hour: 2027-01-31, or a full hour with its zone.",
            show_default="the first",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="TIME",
            help="Up to this hour, which is not counted.",
            show_default="the last",
        ),
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Sum what a subscriber used, in octets and seconds of session time.

    Days and months are those of UTC; periods without usage are left out.  The confidence is
    the worst of a period: good, low (a counter left room for doubt) or quarantine (more
    than the line carries).
    """
    start, end = bound("--from", from_), bound("--to", to)

    async def work(tx: Tx, _: Scope) -> list[Used]:
        subscriber = await subscribers.get(tx, manifest_values.exact(username))
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
            "period": sum_.start.astimezone(UTC).strftime(_NAMED[by]),
            "upload_octets": sum_.upload_octets,
            "download_octets": sum_.download_octets,
            "session_time_s": sum_.session_time_s,
            "confidence": CONFIDENCES[sum_.confidence],
        }
        for sum_ in used
    ]


def bound(option: str, value: str | None) -> datetime | None:
    """A full hour: that of a time, or of a day's beginning."""
    if value is None:
        return None
    whole_day = len(value) == len("2027-01-31")
    try:
        moment = manifest_values.moment(f"{value}T00:00:00Z" if whole_day else value)
    except Invalid as refused:
        raise Invalid(f"{option}: {refused}") from None
    if moment.minute or moment.second or moment.microsecond:
        raise Invalid(f"{option}: usage is kept by the hour: write a full one")
    return moment
