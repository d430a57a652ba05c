"""`turnpike accounting`: records that could not be counted, and all others once more."""

import asyncio
from collections.abc import Sequence
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
    TenantCode,
    number,
    settings_of,
)
from app.cli_pages import LIMIT, Before, Limit, Row, listed
from core.db import NodeDatabase, Tx
from core.errors import NotFound
from nas_adapters import registry

commands = typer.Typer(help="Accounting records.", no_args_is_help=True)
letters = typer.Typer(help="Records that could not be counted.", no_args_is_help=True)
commands.add_typer(letters, name="dead-letters")
commands.command("rebuild")(cli_rebuild.command)

COLUMNS = ("id", "received_at", "nas", "source", "reason", "retried_at")

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
    before: Before = None,
    limit: Limit = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List them, newest first; with --json, each with its packet in hexadecimal digits."""

    async def read(tx: Tx, beyond: int | None, size: int) -> list[Row]:
        found = await dead_letters.newest(tx, size, before=beyond, reason=reason)
        await _refuse_unknown(tx, reason, found)
        names = await registry.names_of(tx, {one.nas_id for one in found})
        return [_row(one, names.get(one.nas_id)) for one in found]

    listed(*(config, data_dir, tenant, read, COLUMNS), start=before, limit=limit, as_json=as_json)


@letters.command()
def retry(
    ids: Annotated[
        list[int] | None,
        typer.Argument(metavar="[ID]...", help="Which; all if none is named.", parser=number),
    ] = None,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    reason: Reason = None,
    limit: Annotated[
        int, typer.Option("--limit", help="How many at most.", min=1, max=LIMIT_MAX)
    ] = LIMIT_MAX,
) -> None:
    """Count them, if that is possible by now; what still is not stays in the list."""
    settings = settings_of(config, data_dir)

    async def work(url: str) -> Retried:
        async with instance.opened(settings, url) as database:
            known = await instance.tenant(database, tenant)
            async with database.transaction(known.id) as tx:
                numbers = ids or []
                if numbers:
                    await dead_letters.require(tx, numbers)
                else:
                    found = await dead_letters.newest(tx, limit, reason=reason)
                    await _refuse_unknown(tx, reason, found)
                    numbers = [one.id for one in found]
        node = NodeDatabase(url)
        try:
            ingest = counting.ingest("retry", CLOCK)
            return await dead_letters.retry(node, ingest, known.id, numbers)
        finally:
            await node.dispose()

    with instance.database_url(settings) as url:
        told = asyncio.run(work(url))
    output.say(
        f"{told.counted} counted, {told.still_dead} still not" + cli_rebuild.stood_in(told.stood_in)
    )


async def _refuse_unknown(tx: Tx, reason: str | None, found: Sequence[Letter]) -> None:
    """A word that no record's reason is was most likely mistyped."""
    if reason is None or found:
        return
    known = await dead_letters.reasons(tx)
    if reason not in known:
        there_are = f"there are: {', '.join(known)}" if known else "there are no dead letters"
        raise NotFound(f"no dead letter has the reason {output.printable(reason)}; {there_are}")


def _row(one: Letter, nas: str | None) -> Row:
    return {
        "id": one.id,
        "received_at": one.received_at,
        "nas": nas or one.nas_id,  # its number, if it is gone
        "source": one.source,
        "reason": one.reason,
        "retried_at": one.retried_at,
        "packet": one.packet.hex(),
    }
