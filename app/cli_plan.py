"""`turnpike plan`: what subscribers may get, in the words of the manifest that made it."""

from typing import Annotated

import typer

from aaa import profiles
from aaa.on_nas import stored
from aaa.profiles import ProfileSpec
from aaa.zones import ORDINARY, clock
from app import cli_output as output
from app import manifest_difference
from app.cli_context import AsJson, Config, DataDir, Scope, TenantCode, in_tenant
from core.db import Tx
from core.errors import NotFound
from core.units import octets_text, rate_text, time_text
from nas_adapters.profile import Burst

commands = typer.Typer(help="What subscribers may get.", no_args_is_help=True)

COLUMNS = (
    *("code", "download", "upload", "session_limit", "quota", "quota_time"),
    *("quota_direction", "quota_window", "at_quota"),
)


@commands.callback()
def _group() -> None:
    """What subscribers may get."""


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """List the plans by code."""

    async def work(tx: Tx, _: Scope) -> list[ProfileSpec]:
        return [stored.spec for stored in (await profiles.all_of(tx)).values()]

    rows = [as_row(spec) for spec in in_tenant(config, data_dir, tenant, work)]
    if as_json:
        output.as_json_array(rows)
    else:
        output.table(rows, COLUMNS)


@commands.command()
def show(
    code: Annotated[str, typer.Argument(metavar="CODE", help="Code of the plan.")],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Show one plan with all its settings."""

    async def work(tx: Tx, _: Scope) -> ProfileSpec:
        found = await profiles.all_of(tx, [code])
        if not found:
            raise NotFound(f"there is no plan {output.printable(code)}")
        return found[code].spec

    spec = in_tenant(config, data_dir, tenant, work)
    row = as_row(spec)
    if as_json:
        output.as_json(row)
        return
    in_words = {
        "burst": manifest_difference.in_words(spec.burst) if spec.burst else None,
        "fup": _rates_text(spec.fup_download_bps, spec.fup_upload_bps),
        "zones": list(map(str, spec.zones)),
    }
    output.facts(row | in_words)


def as_row(spec: ProfileSpec) -> dict[str, object]:
    """As a manifest would have it; what a plan without a quota has no use for is null."""
    has_quota = spec.quota_octets is not None or spec.quota_time_s is not None
    return {
        "code": spec.code,
        "download": _rate(spec.download_bps),
        "upload": _rate(spec.upload_bps),
        "burst": _burst(spec.burst) if spec.burst else None,
        "session_limit": spec.session_limit,
        "at_limit": spec.at_limit,
        "session_timeout_s": spec.session_timeout_s,
        "interim_s": spec.interim_s or 0,
        "address_pool": spec.address_pool,
        "on_nas": stored(spec.on_nas),
        "ipv4_pool": spec.ipv4_pool,
        "ipv6_pool": spec.ipv6_pool,
        "delegated_pool": spec.delegated_pool,
        "quota": octets_text(spec.quota_octets) if spec.quota_octets else None,
        "quota_time": time_text(spec.quota_time_s) if spec.quota_time_s else None,
        "quota_direction": spec.quota_direction if spec.quota_octets else None,
        "quota_window": spec.quota_window if has_quota else None,
        "at_quota": spec.at_quota if has_quota else None,
        "fup": {"download": _rate(spec.fup_download_bps), "upload": _rate(spec.fup_upload_bps)}
        if spec.fup_download_bps
        else None,
        "zones": [
            {
                "from": clock(zone.from_min),
                "to": clock(zone.to_min),
                "weight": zone.weight / ORDINARY,
            }
            for zone in spec.zones
        ],
        "thresholds": list(spec.thresholds) if has_quota else [],
    }


def _burst(burst: Burst) -> dict[str, object]:
    return {
        "download": _rate(burst.download_bps),
        "upload": _rate(burst.upload_bps),
        "threshold": _rate(burst.threshold_bps),
        "time_s": burst.time_s,
    }


def _rate(bps: int | None) -> str | None:
    return None if bps is None else rate_text(bps)


def _rates_text(download_bps: int | None, upload_bps: int | None) -> str | None:
    return f"{_rate(download_bps)} down {_rate(upload_bps)} up" if download_bps else None
