"""The command line.  Thin: options in, a service called, lines out, refusals as exit codes.

A command imports what it needs and no other's modules: those of all together take longer to
load than most commands to run, and somebody waits at a prompt.
"""

import sys
from importlib.metadata import version as version_of
from typing import Final

import typer
from sqlalchemy.exc import SQLAlchemyError

from app import cli_output
from app.cli_context import AllTenants, Config, DataDir
from core.db import CannotConnect
from core.errors import Conflict, Invalid, NotAllowed, NotFound, Refused
from core.radius import packet
from core.trouble import in_a_line

EXIT_CODES = {Invalid: 2, NotFound: 3, Conflict: 4, NotAllowed: 5}
EPILOG: Final = (
    "Exit status: 0 done, 2 invalid, 3 not found, 4 conflict, 5 not allowed, 1 all else."
)
# As --help lists them.
NAMES: Final = (
    *("explain", "usage", "quota", "who-had", "simulate", "serve", "demo", "apply", "version"),
    *("nas", "plan", "pool", "subscriber", "decision", "session", "enforcement", "accounting"),
    *("jobs", "db"),
)


def application(only: str = "") -> typer.Typer:
    """The command of this name; of any other all of them, so that help and mistakes are told."""
    commands = typer.Typer(
        help="Turnpike: RADIUS AAA and accounting with billing for internet service providers.",
        epilog=EPILOG,
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    commands.callback()(_turnpike)  # a group, of one command too
    for name in (only,) if only in NAMES else NAMES:
        _add(commands, name)
    return commands


def _turnpike() -> None:
    """Its help is the application's."""


def _add(commands: typer.Typer, name: str) -> None:
    match name:
        case "serve" | "demo":
            from app import cli_serve

            commands.command(name)(cli_serve.serve if name == "serve" else cli_serve.demo)
        case "apply":
            from app import cli_apply

            commands.command(name)(cli_apply.command)
        case "explain":
            from app import cli_explain

            commands.command(name)(cli_explain.command)
        case "usage":
            from app import cli_usage

            commands.command(name)(cli_usage.command)
        case "quota":
            from app import cli_quota

            commands.command(name)(cli_quota.command)
        case "who-had":
            from app import cli_session

            commands.command(name)(cli_session.who_had_command)
        case "simulate":
            from app import cli_simulate

            commands.command(name)(cli_simulate.command)
        case "version":
            commands.command(name)(version)
        case _:
            commands.add_typer(_group(name), name=name)


def _group(name: str) -> typer.Typer:
    match name:
        case "nas":
            from app import cli_nas

            return cli_nas.commands
        case "plan":
            from app import cli_plan

            return cli_plan.commands
        case "pool":
            from app import cli_pool

            return cli_pool.commands
        case "subscriber":
            from app import cli_subscriber

            return cli_subscriber.commands
        case "decision":
            from app import cli_decision

            return cli_decision.commands
        case "session":
            from app import cli_session

            return cli_session.commands
        case "enforcement":
            from app import cli_enforcement

            return cli_enforcement.commands
        case "accounting":
            from app import cli_accounting

            return cli_accounting.commands
        case "jobs":
            from app import cli_jobs

            return cli_jobs.commands
        case "db":
            from app import cli_db

            return cli_db.commands
    raise AssertionError(f"{name} is in NAMES")


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
        application(sys.argv[1] if len(sys.argv) > 1 else "")()
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
