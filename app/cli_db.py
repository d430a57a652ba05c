"""`turnpike db`: the schema of the database."""

import asyncio

import typer

from app import cli_output as output
from app import instance
from app.cli_context import AllTenants, AsJson, Config, DataDir, settings_of
from core.migrations import runner

commands = typer.Typer(help="The schema of the database.", no_args_is_help=True)


@commands.command()
def upgrade(config: Config = None, data_dir: DataDir = None, tenant: AllTenants = None) -> None:
    """Bring the schema to this version's; does nothing if it is there."""
    del tenant
    with instance.database_url(settings_of(config, data_dir), create=True) as url:
        before = asyncio.run(runner.upgrade(url))
    if before.is_current:
        output.say(f"schema {before.head}: nothing to do")
    else:
        output.say(f"schema {before.current or 'none'} -> {before.head}")


@commands.command()
def status(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: AllTenants = None,
    as_json: AsJson = False,
) -> None:
    """Say which schema the database has and which this version needs."""
    del tenant
    with instance.database_url(settings_of(config, data_dir)) as url:
        found = asyncio.run(runner.status(url))
    row = {
        "schema": found.current,
        "needed": found.head,
        "state": "current" if found.is_current else "newer" if found.is_newer else "older",
    }
    if as_json:
        output.as_json(row)
    else:
        output.facts(row)
