"""`turnpike serve` and `turnpike demo`: until they are told to stop."""

from enum import StrEnum
from typing import Annotated

import typer

from app import serving
from app.cli_context import AllTenants, Config, DataDir


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


def demo(
    config: Config = None,
    data_dir: DataDir = None,
    workers: Workers = None,
    tenant: AllTenants = None,
) -> None:
    """Apply the demo ISP (again and again is fine), then serve."""
    del tenant
    raise typer.Exit(serving.demo(config, data_dir, workers))
