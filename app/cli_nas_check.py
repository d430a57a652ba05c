"""`turnpike nas check`: try every way into one box, and tell what answers."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from aaa.status import ClientStatus, WorkerStatus
from app import cli_output as output
from app import instance
from app.cli_context import CLOCK, AsJson, Config, DataDir, TenantCode, settings_of
from app.nas_findings import Finding, failed
from app.paths import Paths
from core import status
from core.config import Settings
from dictionaries.loader import load as load_dictionary

COLUMNS = ("what", "state", "told")


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the NAS.")],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Tell what of a box answers: RADIUS, CoA, its API, SNMP.

    Each with its cause and remedy; exit status 1 if something that is configured does not.
    Changes nothing there.  Start it where Turnpike serves: boxes answer its address only.
    """
    settings = settings_of(config, data_dir)
    with instance.database_url(settings) as url:
        findings = asyncio.run(_check(settings, url, tenant, name))
    is_well = not failed(findings)
    if as_json:
        rows = [asdict(finding) for finding in findings]
        output.as_json({"nas": name, "ok": is_well, "findings": rows})
    else:
        output.table([_row(finding) for finding in findings], COLUMNS)
    if not is_well:
        raise typer.Exit(1)


async def _check(settings: Settings, url: str, tenant: str | None, name: str) -> list[Finding]:
    # Here, because SNMP and HTTP take half a second to import, and every command would wait.
    from app import nas_check

    async with instance.opened(settings, url) as database:
        known = await instance.tenant(database, tenant)
        vault = await instance.vault(settings, database)
        async with database.transaction(known.id) as tx:
            box = await nas_check.load(tx, known.id, name, now=CLOCK.now())
    return await nas_check.check(
        box,
        vault,
        load_dictionary(),
        _clients(settings, known.id, name),
        CLOCK,
        nonce=secrets.token_hex(8),
    )


def _clients(settings: Settings, tenant_id: int, name: str) -> Sequence[ClientStatus]:
    """What the login workers of this node say of it, if they run here."""
    workers = status.read(Paths(settings.data_dir).status, "worker-*", WorkerStatus)
    return [
        client
        for worker, _ in workers.values()
        for client in worker.clients
        if (client.tenant_id, client.nas) == (tenant_id, name)
    ]


def _row(finding: Finding) -> dict[str, object]:
    remedy = f": {finding.remedy}" if finding.remedy else ""
    return {"what": finding.what, "state": finding.state, "told": f"{finding.told}{remedy}"}
