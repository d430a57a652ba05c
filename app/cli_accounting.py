"""`turnpike accounting`: records that could not be counted, and all others once more."""

import asyncio
from typing import Annotated

import typer

from accounting import dead_letters
from accounting.dead_letters import LIMIT_MAX, Letter, Retried
from app import cli_output as output
from app import cli_rebuild, counting, instance
from app.cli_context import (
    CLOCK,
    AsJson,
    Config,
    DataDir,
    Scope,
    TenantCode,
    in_tenant,
    settings_of,
)
from core.db import NodeDatabase, Tx

commands = typer.Typer(help="Accounting records.", no_args_is_help=True)
letters = typer.Typer(help="Records that could not be counted.", no_args_is_help=True)
commands.add_typer(letters, name="dead-letters")
commands.command("rebuild")(cli_rebuild.command)

COLUMNS = ("id", "received_at", "nas", "source", "reason", "retried_at")

Limit = Annotated[int, typer.Option(help="How many at most.", min=1, max=LIMIT_MAX)]
Reason = Annotated[str | None, typer.Option("--reason", help="Only those with this reason.")]


@commands.callback()
def _group() -> None:
    """Accounting records."""


@letters.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    reason: Reason = None,
    before: Annotated[
        int | None, typer.Option("--before", help="Only those older than this id.")
    ] = None,
    limit: Limit = 50,
    as_json: AsJson = False,
) -> None:
    """List them, newest first; with --json, each with its packet in hexadecimal digits."""

    async def work(tx: Tx, _: Scope) -> list[Letter]:
        return await dead_letters.newest(tx, limit, before=before, reason=reason)

    found = in_tenant(config, data_dir, tenant, work)
    if as_json:
        output.as_json_array([{**_row(one), "packet": one.packet.hex()} for one in found])
    else:
        output.table([_row(one) for one in found], COLUMNS)


@letters.command()
def retry(
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="[ID]...", help="Which; all if none is named.")
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    reason: Reason = None,
    limit: Limit = LIMIT_MAX,
) -> None:
    """Count them, if that is possible by now; what still is not stays in the list."""
    settings = settings_of(config, data_dir)

    async def work(url: str) -> Retried:
        async with instance.opened(settings, url) as database:
            known = await instance.tenant(database, tenant)
            numbers = ids or []
            if not numbers:
                async with database.transaction(known.id) as tx:
                    found = await dead_letters.newest(tx, limit, reason=reason)
                numbers = [one.id for one in found]
        node = NodeDatabase(url)
        try:
            ingest = counting.ingest("retry", CLOCK)
            return await dead_letters.retry(node, ingest, known.id, numbers)
        finally:
            await node.dispose()

    with instance.database_url(settings) as url:
        told = asyncio.run(work(url))
    output.say(f"{told.counted} counted, {told.still_dead} still not")


def _row(one: Letter) -> dict[str, object]:
    return {
        "id": one.id,
        "received_at": one.received_at,
        "nas": one.nas_id,
        "source": one.source,
        "reason": one.reason,
        "retried_at": one.retried_at,
    }
