"""`turnpike pool`: how full the pools of ours are, and who has what."""

from typing import Annotated

import typer

from aaa import pools_report
from aaa.pools_report import Detail, Forgotten, Use
from app import cli_output as output
from app.cli_context import AsJson, Config, DataDir, Scope, TenantCode, in_tenant
from core.db import Tx

commands = typer.Typer(help="Addresses that we give out ourselves.", no_args_is_help=True)

COLUMNS = ("name", "kind", "usable", "leased", "held", "own", "free", "percent", "networks")
NODE_COLUMNS = ("node", "blocks", "free", "seen_at", "free_at")
FORGOTTEN_COLUMNS = ("pool", "blocks", "free_at")
LEASE_COLUMNS = ("address", "username", "node", "given_at", "until_at")


@commands.callback()
def _group() -> None:
    """Addresses that we give out ourselves."""


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """List the pools by name with their use, as nodes told a moment ago."""

    async def work(tx: Tx, _: Scope) -> list[Use]:
        return await pools_report.uses(tx)

    rows = [as_row(use) for use in in_tenant(config, data_dir, tenant, work)]
    if as_json:
        output.as_json_array(rows)
    else:
        output.table(rows, COLUMNS)


@commands.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the pool.")],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Show one pool: its use, the nodes that have blocks of it, and its first 1000 leases."""

    async def work(tx: Tx, _: Scope) -> Detail:
        return await pools_report.detail(tx, name)

    found = in_tenant(config, data_dir, tenant, work)
    row = as_row(found.use)
    nodes = [{key: getattr(one, key) for key in NODE_COLUMNS} for one in found.nodes]
    leases = [{key: getattr(one, key) for key in LEASE_COLUMNS} for one in found.leases]
    if as_json:
        output.as_json(row | {"nodes": nodes, "leases": leases})
        return
    output.facts(row)
    for rows, columns in ((nodes, NODE_COLUMNS), (leases, LEASE_COLUMNS)):
        if rows:
            output.say("")
            output.table(rows, columns)


@commands.command()
def forget(
    node: Annotated[
        str, typer.Argument(metavar="NODE", help="Name of the node, as `show` has it.")
    ],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Leave the addresses of a node that is gone for good to others, after a lease time.

    Without it they come back by themselves, `hold_s` later: a node may only be cut off.
    """

    async def work(tx: Tx, _: Scope) -> list[Forgotten]:
        return await pools_report.forget(tx, node)

    found = in_tenant(config, data_dir, tenant, work)
    rows = [{key: getattr(one, key) for key in FORGOTTEN_COLUMNS} for one in found]
    if as_json:
        output.as_json_array(rows)
    else:
        output.table(rows, FORGOTTEN_COLUMNS)


def as_row(use: Use) -> dict[str, object]:
    """`free`: what a login may still get on some node, or on any once it has asked for it."""
    spec = use.spec
    return {
        "name": spec.name,
        "kind": spec.kind,
        "usable": use.usable,
        "leased": use.leased,
        "held": use.held,
        "own": use.own,
        "free": max(0, use.usable - use.leased - use.held - use.own),
        "percent": use.percent,
        "with_nodes": use.with_nodes,
        "prefix_length": spec.prefix_length,
        "networks": [str(network) for network in spec.networks],
        "exclude": list(spec.exclude),
        "lease_s": spec.lease_s,
        "hold_s": spec.hold_s,
    }
