"""`turnpike decision`: what was decided and why."""

from typing import Annotated

import typer

from aaa import decision_log
from aaa.decision_log import LIMIT_MAX, PastDecision
from app import cli_output as output
from app import manifest_values
from app.cli_context import AsJson, Config, DataDir, Scope, TenantCode, in_tenant
from core.db import Tx
from core.octets import from_text, to_text

commands = typer.Typer(help="What was decided and why.", no_args_is_help=True)

COLUMNS = ("at", "nas", "username", "calling_station", "outcome", "reason", "method")


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
    limit: Annotated[int, typer.Option(help="How many at most.", min=1, max=LIMIT_MAX)] = 50,
    as_json: AsJson = False,
) -> None:
    """List decisions, newest first; with --json, each with its trace."""

    # Not `exact`: whom nobody may be called (with a NUL, say) may still have been asked for.
    name = None if username is None else to_text(from_text(manifest_values.string(username)))

    async def work(tx: Tx, _: Scope) -> list[PastDecision]:
        return await decision_log.recent(tx, name, limit)

    rows = [_row(decision) for decision in in_tenant(config, data_dir, tenant, work)]
    if as_json:
        output.as_json_array(rows)
    else:
        output.table(rows, COLUMNS)


def _row(decision: PastDecision) -> dict[str, object]:
    return {
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
