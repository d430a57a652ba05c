"""`turnpike decision`: what was decided and why."""

from typing import Annotated

import typer

from aaa import decision_log
from aaa.decision_log import PastDecision
from app import manifest_values
from app.cli_context import AsJson, Config, DataDir, TenantCode
from app.cli_pages import LIMIT, Before, Limit, Row, listed
from core.db import Tx
from core.octets import from_text, to_text

commands = typer.Typer(help="What was decided and why.", no_args_is_help=True)

COLUMNS = ("id", "at", "nas", "username", "calling_station", "outcome", "reason", "method")


@commands.callback()
def _group() -> None:
    """What was decided and why."""


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    username: Annotated[
        str | None, typer.Option("--username", help="Only decisions about this name.")
    ] = None,
    before: Before = None,
    limit: Limit = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List decisions, newest first; with --json, each with its trace."""

    # Not `exact`: whom nobody may be called (with a NUL, say) may still have been asked for.
    name = None if username is None else to_text(from_text(manifest_values.string(username)))

    async def read(tx: Tx, beyond: int | None, size: int) -> list[Row]:
        found = await decision_log.recent(tx, name, size, before=beyond)
        return [_row(decision) for decision in found]

    listed(*(config, data_dir, tenant, read, COLUMNS), start=before, limit=limit, as_json=as_json)


def _row(decision: PastDecision) -> Row:
    return {
        "id": decision.id,
        "at": decision.at,
        "nas": decision.nas_name,
        "username": decision.username,
        "calling_station": decision.calling_station,
        "outcome": decision.outcome,
        "reason": decision.reason or None,
        "method": decision.method or None,
        "trace": [
            {"rule": rule, "input": looked_at, "result": result}
            for rule, looked_at, result in decision.trace
        ],
    }
