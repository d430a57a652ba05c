"""`turnpike accounting rebuild`: sessions and usage once more from the raw packets."""

import asyncio
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated

import typer

from accounting.corrections import Difference, Verdict
from accounting.listing import CONFIDENCES
from accounting.rebuild import Rebuild, Tally
from accounting.rebuild_survey import Scope
from app import cli_output as output
from app import counting, instance, manifest_values
from app.cli_context import CLOCK, AsJson, Config, DataDir, settings_of
from core import tenancy
from core.config import Settings
from core.db import NodeDatabase
from core.errors import Invalid

COLUMNS = (
    "tenant",
    "session",
    "acct_session_id",
    "field",
    "quarter",
    "confidence",
    "stored",
    "derived",
)
ROWS_AT_ONCE = 500
MOMENTS = frozenset(("started_at", "last_seen_at", "stopped_at"))


def command(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only this tenant's.", show_default="all")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Sessions with a packet that came since: 2027-01-31 (UTC), or with its zone.",
            show_default="the first kept",
        ),
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="And before this time.", show_default="the last"),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit status 1 if anything differs.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Compute sessions and usage again from the raw packets, and show any difference.

    Sessions are brought to what the packets give.  Usage is only added to: what was counted
    too much or too little becomes a signed row of its own.  Safe while Turnpike serves, and
    to begin again at any time.

    Named with the field "skipped" are sessions that the packets can no longer tell of.
    """
    settings = settings_of(config, data_dir)
    start, end = _moment("--from", from_), _moment("--to", to)
    if start is not None and end is not None and start >= end:
        raise Invalid("--to: that is not after --from")
    with instance.database_url(settings) as url:
        run = _Run(settings, url, tenant, start, end, mend=not check)
        with closing(run.rows()) as rows:
            if as_json:
                output.as_json_array(rows)
            else:
                header = True
                while some := list(islice(rows, ROWS_AT_ONCE)):
                    output.table(some, COLUMNS, header=header)
                    header = False
    if not as_json:
        output.say(_summary(run.tally))
    elif run.tally.stood_in:
        output.note(stood_in(run.tally.stood_in).removeprefix("; "))
    if check and run.tally.differing:
        raise typer.Exit(1)


class _Run:
    """The rows of a rebuild, as they are found."""

    def __init__(
        self,
        settings: Settings,
        url: str,
        tenant: str | None,
        start: datetime | None,
        end: datetime | None,
        *,
        mend: bool,
    ) -> None:
        self.tally = Tally()
        self._settings = settings
        self._url = url
        self._tenant = tenant
        self._range = (start, end)
        self._mend = mend

    def rows(self) -> Generator[dict[str, object], None, None]:
        with asyncio.Runner() as runner:
            codes, scope = runner.run(self._scope())
            database = NodeDatabase(self._url, connections_max=1)
            rebuild = Rebuild(database, counting.ingest("rebuild", CLOCK))
            self.tally = rebuild.tally
            verdicts = rebuild.run(scope, mend=self._mend)
            try:
                while (verdict := runner.run(_next(verdicts))) is not None:
                    yield from _rows(verdict, codes)
            finally:
                runner.run(verdicts.aclose())
                runner.run(database.dispose())

    async def _scope(self) -> tuple[dict[int, str], Scope]:
        async with instance.opened(self._settings, self._url) as database:
            async with database.lobby() as tx:
                codes = {known.id: known.code for known in await tenancy.known(tx)}
            known = None
            if self._tenant is not None:
                known = (await instance.tenant(database, self._tenant)).id
        return codes, Scope(known, *self._range)


async def _next(verdicts: AsyncIterator[Verdict]) -> Verdict | None:
    return await anext(verdicts, None)


def _rows(verdict: Verdict, codes: dict[int, str]) -> Iterator[dict[str, object]]:
    differences = verdict.differences or [Difference(0, "skipped", None, verdict.skipped)]
    for one in differences:
        is_usage = one.begins_s is not None
        yield {
            "tenant": codes.get(verdict.key.tenant_id, str(verdict.key.tenant_id)),
            "session": one.session_id or None,
            "acct_session_id": verdict.key.acct_session_id,
            "nas": verdict.key.nas_id,
            "field": one.field,
            "quarter": _at(one.begins_s) if is_usage else None,
            "confidence": CONFIDENCES[one.confidence or 0] if is_usage else None,
            "stored": _at(one.stored) if one.field in MOMENTS else one.stored,
            "derived": _at(one.derived) if one.field in MOMENTS else one.derived,
        }


def _at(unix_s: int | None) -> datetime | None:
    return None if unix_s is None else datetime.fromtimestamp(unix_s, UTC)


def _summary(tally: Tally) -> str:
    if tally.corrected:
        told = f"{tally.corrected} corrected"
    elif tally.differing:
        told = f"{tally.differing} differ"
    else:
        told = "no differences"
    told += f" in {tally.sessions} sessions, {tally.records} records"
    told += f"; {tally.skipped} skipped" if tally.skipped else ""
    return told + stood_in(tally.stood_in)


def stood_in(count: int) -> str:
    """What there is to say if observers failed at so many."""
    if not count:
        return ""
    return f"; what watches accounting failed at {count} (see the log) and works them out anew"


def _moment(option: str, value: str | None) -> datetime | None:
    """A time, or the beginning of a day."""
    if value is None:
        return None
    is_day = len(value) == len("2027-01-31")
    try:
        return manifest_values.moment(f"{value}T00:00:00Z" if is_day else value)
    except Invalid as refused:
        raise Invalid(f"{option}: {output.printable(value)}: {refused}") from None
