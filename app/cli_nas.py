"""`turnpike nas`: the boxes that may ask."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from accounting import quality_sums
from accounting.quality_sums import NasQuality
from app import cli_nas_check
from app import cli_output as output
from app.cli_context import CLOCK, AsJson, Config, DataDir, Scope, TenantCode, in_tenant
from core.db import Tx
from core.units import rate_text
from nas_adapters import api_registry, registry
from nas_adapters.counting import NAMES
from nas_adapters.registry import StoredNas

commands = typer.Typer(help="The boxes that may ask.", no_args_is_help=True)
commands.command("check")(cli_nas_check.command)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the NAS.")]
COLUMNS = (
    *("name", "address", "identifier", "vendor", "require_message_authenticator"),
    *("coa_port", "has_coa_secret", "swap_octets", "line_rate"),
)

LATEST = {
    "sessions": "latest_sessions",
    "upload_octets": "latest_sessions_median_upload_octets",
    "download_octets": "latest_sessions_median_download_octets",
}


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """List the boxes by name."""

    async def work(tx: Tx, _: Scope) -> list[StoredNas]:
        return list((await registry.all_of(tx)).values())

    rows = [_row(nas) for nas in in_tenant(config, data_dir, tenant, work)]
    if as_json:
        output.as_json_array(rows)
    else:
        output.table(rows, COLUMNS)


@commands.command()
def show(
    name: Name,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Show one box.  Its secrets are not shown: set others with `turnpike apply`."""

    async def work(tx: Tx, _: Scope) -> tuple[StoredNas, dict[str, object]]:
        nas = await registry.get(tx, name)
        found = await api_registry.of_all(tx, [nas.id])
        return nas, {way: asdict(stored.spec) for (_, way), stored in found.items()}

    nas, ways = in_tenant(config, data_dir, tenant, work)
    row = _row(nas) | {
        "api": ways.get("api"),
        "snmp": ways.get("snmp"),
        "sends_gigawords": nas.sends_gigawords,
        "updated_at": nas.updated_at,
    }
    if as_json:
        output.as_json(row)
    else:
        output.facts(row)


@commands.command()
def quality(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    days: Annotated[
        int, typer.Option("--days", help="How many days before today (UTC) to count.", min=0)
    ] = 1,
    as_json: AsJson = False,
) -> None:
    """Tell how well each box reports, and what is wrong with it.

    100 is best; a box that nothing was heard of has no score."""

    async def work(tx: Tx, _: Scope) -> list[NasQuality]:
        return await quality_sums.of_all(tx, (CLOCK.now() - timedelta(days=days)).date())

    found = in_tenant(config, data_dir, tenant, work)
    if as_json:
        output.as_json_array([_quality(one) for one in found])
        return
    lines = [
        {"name": one.name, "score": one.quality.score, "reason": text}
        for one in found
        for text in [objection.text for objection in one.quality.objections] or [""]
    ]
    output.table(lines, ("name", "score", "reason"))


@commands.command()
def remove(
    name: Name, config: Config = None, data_dir: DataDir = None, tenant: TenantCode = None
) -> None:
    """Forget a box: its packets are then those of an unknown sender."""

    async def work(tx: Tx, _: Scope) -> None:
        await registry.remove(tx, name)

    in_tenant(config, data_dir, tenant, work)
    output.say(f"- nas {output.printable(name)}")


def _quality(one: NasQuality) -> dict[str, object]:
    """Sums over the days but for what begins with "latest": of the latest sessions."""
    seen = one.seen
    sums = asdict(seen)
    return {
        "nas": one.name,
        "score": one.quality.score,
        "reasons": [objection._asdict() for objection in one.quality.objections],
        "missing_stops": seen.missing_stops,
        "missing_stop_share": round(seen.missing_stop_share, 4),
        "repeated_share": round(seen.repeated_share, 4),
        "suspected_swapped": seen.is_swapped,
        **{name: sums[name] for name in sums if name not in LATEST},
        **{told: sums[name] for name, told in LATEST.items()},
    }


def _row(nas: StoredNas) -> dict[str, object]:
    spec = nas.spec
    return {
        "name": spec.name,
        "address": spec.address,
        "identifier": spec.identifier or None,
        "vendor": spec.vendor,
        "require_message_authenticator": spec.require_message_authenticator,
        "coa_port": spec.coa_port_in_use,
        "has_coa_secret": nas.coa_secret_sealed is not None,
        "swap_octets": spec.swap_octets,
        "line_rate": rate_text(spec.line_bps) if spec.line_bps else None,
        "octet_unit": NAMES.get(spec.octet_unit, spec.octet_unit),
        "line_patterns": dict(spec.line_patterns),
        "name_templates": dict(spec.name_templates),
        "unknown_devices": spec.unknown_devices,
    }
