"""`turnpike session` and `turnpike who-had`: who is or was online, and at which address."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated

import typer

from aaa import subscribers
from accounting import listing, usage_report, who_had
from accounting.listing import CONFIDENCES, StoredSession, Wanted
from accounting.terminate_causes import name_of
from app import cli_enforcement, cli_usage, manifest_values
from app import cli_output as output
from app.cli_context import (
    CLOCK,
    ID_MAX,
    AsJson,
    Config,
    DataDir,
    Scope,
    TenantCode,
    in_tenant,
    number,
)
from app.cli_pages import LIMIT, Before, Limit, Row, listed
from core.db import Tx
from core.errors import Invalid
from core.octets import from_text, to_text
from nas_adapters import registry

commands = typer.Typer(help="Who is online, and who was.", no_args_is_help=True)

COLUMNS = (
    "id",
    "acct_session_id",
    "generation",
    "nas",
    "nas_identifier",
    "nas_ip_address",
    "username",
    "subscriber",
    "framed_ip",
    "framed_ipv6",
    "started_at",
    "last_seen_at",
    "stopped_at",
    "terminate_cause",
    "session_time_s",
    "input_octets",
    "output_octets",
    "confidence",
)
CLAIM_COLUMNS = ("certainty", "matched", "overlaps", *COLUMNS)


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    username: Annotated[
        str | None, typer.Option("--username", help="Only of this User-Name.")
    ] = None,
    nas: Annotated[str | None, typer.Option("--nas", help="Only at this NAS.")] = None,
    acct_session_id: Annotated[
        str | None, typer.Option("--acct-session-id", help="Only with this Acct-Session-Id.")
    ] = None,
    open_only: Annotated[bool, typer.Option("--open", help="Only those not over.")] = False,
    before: Before = None,
    limit: Limit = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List sessions, newest first."""
    wanted = Wanted(_octets(username), None, _octets(acct_session_id), open_only)

    async def read(tx: Tx, beyond: int | None, size: int) -> list[Row]:
        sought = wanted
        if nas is not None:
            sought = replace(wanted, nas_id=(await registry.get(tx, nas)).id)
        return await _rows(tx, await listing.page(tx, sought, before=beyond or ID_MAX, limit=size))

    listed(*(config, data_dir, tenant, read, COLUMNS), start=before, limit=limit, as_json=as_json)


@commands.command()
def show(
    session_id: Annotated[
        int, typer.Argument(metavar="ID", help="Its number in listings.", parser=number)
    ],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Show one session with all that is known of it, and its usage by hour, of the last 31 days.

    A session that is no subscriber's has no usage by hour here (null), only its totals.
    """

    async def work(tx: Tx, _: Scope) -> tuple[Row, list[Row] | None]:
        session = await listing.get(tx, session_id)
        [row] = await _rows(tx, [session])
        used = await usage_report.of_session(tx, session)
        hours = None if used is None else cli_usage.rows(used, usage_report.By.HOUR)
        return row | _details(session), hours

    row, hours = in_tenant(config, data_dir, tenant, work)
    if as_json:
        output.as_json(row | {"usage": hours})
        return
    output.facts(row)
    if hours:
        output.say("")
        output.table(hours, cli_usage.COLUMNS)


commands.command("disconnect")(cli_enforcement.disconnect)
commands.command("reapply")(cli_enforcement.reapply)


def who_had_command(
    ip: Annotated[str, typer.Argument(metavar="IP", help="An IPv4 or IPv6 address.")],
    at: Annotated[str, typer.Option("--at", help="When, with its zone: 2027-01-01T12:00:00Z.")],
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    as_json: AsJson = False,
) -> None:
    """Tell which sessions had an address at a moment, and how certain that is.

    certain: the NAS reported the session before and after, and it ended with a Stop or goes
    on.  likely: nothing was heard of it any more by then, or no Stop ever told its end.
    OVERLAPS are other sessions that claim the same address at the same moment.
    """
    address = _address(ip)
    try:
        moment = manifest_values.moment(at)
    except Invalid as refused:
        raise Invalid(f"--at: {output.printable(at)}: {refused}") from None
    if moment > CLOCK.now():
        raise Invalid("--at: that is yet to come")

    async def work(tx: Tx, _: Scope) -> list[Row]:
        claims = await who_had.at(tx, address, moment)
        rows = await _rows(tx, [claim.session for claim in claims])
        return [
            row
            | {
                "certainty": claim.certainty.value,
                "matched": claim.matched,
                "overlaps": list(claim.overlaps),
                "delegated_ipv6": claim.session.delegated_ipv6,
                "closed_by": claim.session.closed_by or None,
            }
            for row, claim in zip(rows, claims, strict=True)
        ]

    rows = in_tenant(config, data_dir, tenant, work)
    if as_json:
        output.as_json_array(rows)
    else:
        output.table(rows, CLAIM_COLUMNS)


async def _rows(tx: Tx, sessions: Sequence[StoredSession]) -> list[Row]:
    """As listings show them, each with its subscriber's name."""
    names = await subscribers.names_of(
        tx, {s.subscriber_id for s in sessions if s.subscriber_id is not None}
    )
    return [_row(s, names.get(s.subscriber_id or 0)) for s in sessions]


def _row(s: StoredSession, subscriber: str | None) -> Row:
    return {
        "id": s.id,
        "acct_session_id": s.acct_session_id,
        "generation": s.generation,
        "nas": s.nas,
        "nas_identifier": s.nas_identifier or None,
        "nas_ip_address": s.nas_address or None,
        "username": s.username or None,
        "subscriber": subscriber,
        "framed_ip": s.framed_ip,
        "framed_ipv6": s.framed_ipv6,
        "started_at": s.started_at,
        "last_seen_at": s.last_seen_at,
        "stopped_at": s.stopped_at,
        "terminate_cause": name_of(s.terminate_cause),
        "session_time_s": s.session_time_s,
        "input_octets": s.input_octets,
        "output_octets": s.output_octets,
        "confidence": CONFIDENCES[s.confidence],
    }


def _details(s: StoredSession) -> Row:
    """What listings leave out."""
    return {
        "closed_by": s.closed_by or None,
        "delegated_ipv6": s.delegated_ipv6,
        "calling_station": s.calling_station or None,
        "mac": s.mac or None,
        "circuit_id": s.circuit_id or None,
        "nas_port": s.nas_port,
        "nas_port_id": s.nas_port_id or None,
        "nas_reported": s.nas_reported or None,
        "multi_session_id": s.multi_session_id or None,
        "class_nonce": s.class_nonce or None,
        "nas_id": s.nas_id,
        "subscriber_id": s.subscriber_id,
    }


def _octets(name: str | None) -> str | None:
    """As sessions hold it.  Not `exact`: a NAS may report what nobody may be called."""
    return None if name is None else to_text(from_text(manifest_values.string(name)))


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise Invalid(f"{output.printable(text)} is no IPv4 or IPv6 address") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise Invalid("leave out the scope: it names an interface of one machine")
        return address.ipv4_mapped or address
    return address
