"""`turnpike apply`: what a file says of NASes, plans and subscribers comes true."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from app import cli_output, instance
from app.apply import Applied, apply
from app.cli_context import CLOCK, Config, DataDir, TenantCode, settings_of
from app.manifest_file import read
from dictionaries.loader import load as load_dictionary


def command(
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
