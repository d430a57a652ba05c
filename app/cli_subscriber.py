"""`turnpike subscriber`: who may log in."""

from datetime import datetime
from typing import Annotated

import typer

from aaa import enforcement_report, holds, subscribers
from aaa.subscribers import StoredSubscriber
from app import cli_output as output
from app.cli_context import (
    CLOCK,
    AsJson,
    Config,
    DataDir,
    Scope,
    TenantCode,
    in_tenant,
    subscriber_name,
)
from app.cli_pages import LIMIT, Limit, listed
from core.db import Tx

commands = typer.Typer(help="Who may log in.", no_args_is_help=True)

Username = Annotated[
    str, typer.Argument(metavar="USERNAME", help="Exact name, as listings show it.")
]
COLUMNS = ("username", "plan", "status", "expires_at", "static_ipv4", "bind_nas", "bind_mac")


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    prefix: Annotated[str, typer.Option(help="Only names that begin so.")] = "",
    after: Annotated[str, typer.Option(help="Begin behind this name.")] = "",
    limit: Limit = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List subscribers by name."""
    now = CLOCK.now()

    async def read(tx: Tx, beyond: str, size: int) -> list[dict[str, object]]:
        found = await subscribers.page(tx, prefix=prefix, after=beyond, limit=size)
        return [_row(subscriber, now) for subscriber in found]

    listed(
        *(config, data_dir, tenant, read, COLUMNS),
        start=after,
        limit=limit,
        as_json=as_json,
        key="username",
        go_on="--after",
    )


@commands.command()
def show(
    username: Username,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Show one subscriber.  The password is not shown."""

    async def work(tx: Tx, _: Scope) -> StoredSubscriber:
        return await subscribers.get(tx, subscriber_name(username))

    subscriber = in_tenant(config, data_dir, tenant, work)
    row = _details(subscriber, CLOCK.now())
    if as_json:
        output.as_json(row)
    else:
        output.facts(row)


@commands.command()
def suspend(
    username: Username,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    reason: Annotated[str, typer.Option(help="For colleagues who ask why.")] = "",
) -> None:
    """Place a hold of staff, with the subscriber's own effect (when_suspended)."""

    async def work(tx: Tx, scope: Scope) -> str:
        subscriber = await subscribers.get(tx, subscriber_name(username))
        effect = subscriber.spec.when_suspended
        await holds.place(
            tx, scope.tenant_id, {subscriber.id: effect}, "staff", reason=reason, now=CLOCK.now()
        )
        at_once = await _at_once(tx, subscriber.id)
        return f"{subscriber.spec.username}: suspended ({effect}){at_once}"

    output.say(in_tenant(config, data_dir, tenant, work))


@commands.command()
def resume(
    username: Username, config: Config = None, data_dir: DataDir = None, tenant: TenantCode = None
) -> None:
    """Lift the hold of staff.  Holds of others (dunning, quota) stay."""

    async def work(tx: Tx, _: Scope) -> str:
        subscriber = await subscribers.get(tx, subscriber_name(username))
        lifted = await holds.lift(tx, [subscriber.id], "staff")
        others = [hold.source for hold in subscriber.holds if hold.source != "staff"]
        said = "resumed" if lifted else "there was no hold of staff"
        still = f"; still held by {', '.join(others)}" if others else ""
        at_once = await _at_once(tx, subscriber.id) if lifted else ""
        return f"{subscriber.spec.username}: {said}{still}{at_once}"

    output.say(in_tenant(config, data_dir, tenant, work))


async def _at_once(tx: Tx, subscriber_id: int) -> str:
    """What it triggers, in words."""
    count = await enforcement_report.online(tx, subscriber_id)
    if not count:
        return ""
    return f"; {count} session{'s are' if count > 1 else ' is'} brought in line at once"


@commands.command()
def remove(
    username: Username, config: Config = None, data_dir: DataDir = None, tenant: TenantCode = None
) -> None:
    """Forget a subscriber, with password, entitlement and holds."""
    name = subscriber_name(username)

    async def work(tx: Tx, _: Scope) -> None:
        await subscribers.remove(tx, name)

    in_tenant(config, data_dir, tenant, work)
    output.say(f"- subscriber {name}")


def _row(subscriber: StoredSubscriber, now: datetime) -> dict[str, object]:
    """In the manifest's words."""
    spec = subscriber.spec
    held = any(hold.is_in_force(now) for hold in subscriber.holds)
    return {
        "username": spec.username,
        "plan": spec.profile,
        "status": "suspended" if held else "active",
        "when_suspended": spec.when_suspended,
        "expires_at": spec.valid_until,
        "bind_nas": list(spec.bind_nas),
        "bind_mac": [_mac(digits) for digits in spec.bind_mac],
        "static_ipv4": spec.static_ipv4,
        "static_ipv6_prefix": spec.static_ipv6_prefix,
        "delegated_ipv6": spec.delegated_ipv6,
        "reply": dict(spec.reply),
        "access": spec.access,
        "line_nas": spec.line_nas,
        "line": spec.line,
        "circuit_id": spec.circuit_id,
        "remote_id": spec.remote_id,
        "onu_serial": spec.onu_serial,
        "duid": spec.duid,
        "mac": _mac(spec.mac) if spec.mac else None,
    }


def _details(subscriber: StoredSubscriber, now: datetime) -> dict[str, object]:
    return _row(subscriber, now) | {
        "quota_anchor": subscriber.spec.quota_anchor,
        "has_password": subscriber.sealed is not None,
        "holds": [
            {
                "source": hold.source,
                "effect": hold.effect,
                "reason": hold.reason,
                "since": hold.since,
                "until": hold.until,
            }
            for hold in subscriber.holds
        ],
        "updated_at": subscriber.updated_at,
    }


def _mac(digits: str) -> str:
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))
