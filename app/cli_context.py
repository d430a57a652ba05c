"""What all commands share: their common options, and the way from options to an open tenant."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeVar

import typer

from app import instance, manifest_values
from app.cli_output import printable
from core.clock import Clock
from core.config import Settings, load
from core.db import Tx
from core.errors import Invalid

T = TypeVar("T")

ID_MAX: Final = 2**63 - 1

Config = Annotated[
    Path | None, typer.Option("--config", help="turnpike.toml to read.", show_default=False)
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Data directory of the instance.", show_default="var"),
]
TenantCode = Annotated[
    str | None, typer.Option("--tenant", help="Tenant to work on.", show_default="the only one")
]
AllTenants = Annotated[
    str | None, typer.Option("--tenant", help="Has no effect here: this is about all tenants.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


@dataclass(frozen=True, slots=True)
class Scope:
    """The tenant that a command works on."""

    tenant_id: int
    tenant: str


def settings_of(config: Path | None, data_dir: Path | None, **more: object) -> Settings:
    """The settings in force, with what the command line says on top."""
    return load(config, {"data_dir": data_dir, **more})


def in_tenant(
    config: Path | None,
    data_dir: Path | None,
    tenant: str | None,
    work: Callable[[Tx, Scope], Awaitable[T]],
) -> T:
    """What `work` makes of one transaction in the tenant that is meant."""
    settings = settings_of(config, data_dir)

    async def run(url: str) -> T:
        async with instance.opened(settings, url) as database:
            known = await instance.tenant(database, tenant)
            async with database.transaction(known.id) as tx:
                return await work(tx, Scope(known.id, known.code))

    with instance.database_url(settings) as url:
        return asyncio.run(run(url))


def subscriber_name(written: str) -> str:
    """A name from the command line.

    Raises:
        Invalid: nobody can be called so.
    """
    try:
        return manifest_values.exact(written)
    except Invalid as refused:
        raise Invalid(f'subscriber "{printable(written)}": {refused}') from None


def number(written: str) -> int:
    """An id from the command line."""
    found = int(written) if written.isascii() and written.isdigit() else 0
    if not 1 <= found <= ID_MAX:
        raise typer.BadParameter(f"{printable(written)} is no number from a listing")
    return found


CLOCK = Clock()
