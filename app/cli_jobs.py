"""`turnpike jobs`: work that was left behind and is not done, and what stopped it."""

from typing import Annotated

import typer

from app import cli_output as output
from app.cli_context import AsJson, Config, DataDir, Scope, TenantCode, in_tenant, number
from app.cli_pages import LIMIT, Before, Limit, Row, listed
from core import jobs_listing
from core.db import Tx
from core.jobs_listing import Listed

commands = typer.Typer(help="Work that waits, runs or failed.", no_args_is_help=True)

COLUMNS = ("id", "kind", "state", "attempts", "deferred_at", "run_at", "error")


@commands.callback()
def _group() -> None:
    """Work that waits, runs or failed."""


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    held: Annotated[
        bool, typer.Option("--held", help="Only those that failed for good and wait for you.")
    ] = False,
    before: Before = None,
    limit: Limit = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List jobs that are not done, newest first; with --json, each with its payload."""

    async def read(tx: Tx, beyond: int | None, size: int) -> list[Row]:
        found = await jobs_listing.newest(tx, size, before=beyond, held=held)
        return [{**_row(job), "payload": job.payload} for job in found]

    listed(*(config, data_dir, tenant, read, COLUMNS), start=before, limit=limit, as_json=as_json)


@commands.command()
def retry(
    ids: Annotated[list[int], typer.Argument(metavar="ID...", help="Which.", parser=number)],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
) -> None:
    """Let held jobs run again, at once and with all their attempts before them."""

    async def work(tx: Tx, _: Scope) -> None:
        await jobs_listing.retry(tx, ids)

    in_tenant(config, data_dir, tenant, work)
    output.say(f"{len(set(ids))} waiting again")


def _row(job: Listed) -> Row:
    return {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "attempts": job.attempts,
        "deferred_at": job.deferred_at,
        "run_at": job.run_at,
        "error": job.error,
    }
