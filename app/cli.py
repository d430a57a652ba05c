"""The command line.  Thin: options in, a service called, lines out, refusals as exit codes."""

import asyncio
import sys
from enum import StrEnum
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import SQLAlchemyError

from app import (
    cli_accounting,
    cli_decision,
    cli_enforcement,
    cli_explain,
    cli_jobs,
    cli_nas,
    cli_output,
    cli_plan,
    cli_pool,
    cli_quota,
    cli_session,
    cli_simulate,
    cli_subscriber,
    cli_usage,
    instance,
    serving,
)
from app import cli_db as cli_database
from app.apply import Applied, apply
from app.cli_context import CLOCK, AllTenants, Config, DataDir, TenantCode, settings_of
from app.manifest_file import read
from core.db import CannotConnect
from core.errors import Conflict, Invalid, NotAllowed, NotFound, Refused
from core.radius import packet
from core.trouble import in_a_line
from dictionaries.loader import load as load_dictionary

EXIT_CODES = {Invalid: 2, NotFound: 3, Conflict: 4, NotAllowed: 5}

commands = typer.Typer(
    help="Turnpike: RADIUS AAA and accounting with billing for internet service providers.",
    epilog="Exit status: 0 done, 2 invalid, 3 not found, 4 conflict, 5 not allowed, 1 all else.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
commands.add_typer(cli_nas.commands, name="nas")
commands.add_typer(cli_plan.commands, name="plan")
commands.add_typer(cli_pool.commands, name="pool")
commands.add_typer(cli_subscriber.commands, name="subscriber")
commands.command("explain")(cli_explain.command)
commands.add_typer(cli_decision.commands, name="decision")
commands.add_typer(cli_session.commands, name="session")
cli_session.commands.command("disconnect")(cli_enforcement.disconnect)
cli_session.commands.command("reapply")(cli_enforcement.reapply)
commands.add_typer(cli_enforcement.commands, name="enforcement")
commands.command("usage")(cli_usage.command)
commands.command("quota")(cli_quota.command)
commands.command("who-had")(cli_session.who_had_command)
commands.add_typer(cli_accounting.commands, name="accounting")
commands.add_typer(cli_jobs.commands, name="jobs")
commands.add_typer(cli_database.commands, name="db")
commands.command("simulate")(cli_simulate.command)


class Role(StrEnum):
    """Which part of Turnpike runs."""

    ALL = "all"
    LOGIN = "login"
    INGEST = "ingest"
    JOBS = "jobs"
    WEB = "web"


Workers = Annotated[
    int | None,
    typer.Option(help="Login workers; 0 for one a core.", min=0, max=256, show_default=False),
]


@commands.command()
def serve(
    config: Config = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    role: Annotated[Role, typer.Option(help="Which part to run.")] = Role.ALL,
    tenant: AllTenants = None,
) -> None:
    """Serve until told to stop; prints one line "ready ..." when all of it answers."""
    del tenant
    raise typer.Exit(serving.serve(config, data_dir, workers, role.value))


@commands.command()
def demo(
    config: Config = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    tenant: AllTenants = None,
) -> None:
    """Apply the demo ISP (again and again is fine), then serve."""
    del tenant
    raise typer.Exit(serving.demo(config, data_dir, workers))


@commands.command("apply")
def apply_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="TOML or JSON; - reads standard input.")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Tell, and change nothing.")] = False,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
) -> None:
    """Make NASes, plans and subscribers what FILE says, all of it or nothing.

    Prints the difference: + added, ~ changed.  What FILE does not name stays as it is; so
    do a password, a secret and a status that an entry leaves out.
    """
    settings = settings_of(config, data_dir)
    manifest = read(file, load_dictionary())

    async def work(url: str) -> Applied:
        async with instance.opened(settings, url, upgrade=True) as database:
            vault = await instance.vault(settings, database)
            return await apply(
                database, vault, manifest, tenant=tenant, dry_run=dry_run, now=CLOCK.now()
            )

    with instance.database_url(settings, create=True) as url:
        applied = asyncio.run(work(url))
    cli_output.tell(applied.tenant, applied.lines, dry_run=dry_run)


@commands.command()
def version(config: Config = None, data_dir: DataDir = None, tenant: AllTenants = None) -> None:
    """Print the version, and whether the compiled modules are in use."""
    del config, data_dir, tenant
    compiled = not packet.__file__.endswith(".py")
    cli_output.say(
        f"turnpike {version_of('turnpike')} ({'compiled' if compiled else 'pure Python'})"
    )


def main() -> None:
    """The console script."""
    try:
        commands()
    except Refused as refused:
        _fail(str(refused), _exit_code(refused))
    except CannotConnect as failed:
        _fail(f"{failed}; see that it runs, or name another with DATABASE_URL", 1)
    except (OSError, SQLAlchemyError) as failed:
        # The world failed: a disk, a socket, the database.  One line says what; a bug, which
        # is neither, keeps its traceback.
        _fail(in_a_line(failed), 1)


def _exit_code(refused: Refused) -> int:
    return next((code for kind, code in EXIT_CODES.items() if isinstance(refused, kind)), 1)


def _fail(message: str, code: int) -> None:
    sys.stderr.write(f"turnpike: {message}\n")
    sys.exit(code)
