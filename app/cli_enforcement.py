"""`turnpike enforcement`, and what people do to one session: disconnect it, reapply its plan."""

import asyncio
from datetime import datetime
from typing import Annotated, Final

import typer
from sqlalchemy import func, select

from aaa import enforcement_jobs, enforcement_report
from aaa.enforcement import State
from aaa.enforcement_report import Open
from accounting import listing
from app import cli_output as output
from app import instance
from app.cli_context import (
    CLOCK,
    ID_MAX,
    AsJson,
    Config,
    DataDir,
    TenantCode,
    number,
    settings_of,
)
from app.cli_pages import LIMIT, Before, Limit, Row, listed
from core.db import Database, Tx
from core.errors import Conflict

commands = typer.Typer(
    help="Sessions that do not have what they should have.", no_args_is_help=True
)

COLUMNS: Final = ("id", "nas", "username", "wanted", "reason", "state", "attempts", "cause")
WAIT_S: Final = 30.0
LOOK_S: Final = 0.1

SessionId = Annotated[
    int, typer.Argument(metavar="ID", help="Its number in listings.", parser=number)
]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Do not wait for what comes of it.")]


@commands.callback()
def _group() -> None:
    """Sessions that do not have what they should have."""


@commands.command("list")
def list_(
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    unknown: Annotated[
        bool,
        typer.Option("--unknown", help="Also those of which nobody knows what they have."),
    ] = False,
    before: Before = None,
    limit: Limit = LIMIT,
    as_json: AsJson = False,
) -> None:
    """List sessions that are not in their wanted state, newest first, each with the cause."""

    async def read(tx: Tx, beyond: int | None, size: int) -> list[Row]:
        found = await enforcement_report.page(
            tx, before=beyond or ID_MAX, limit=size, unknown=unknown
        )
        return [_row(one) for one in found]

    listed(*(config, data_dir, tenant, read, COLUMNS), start=before, limit=limit, as_json=as_json)


def disconnect(
    session_id: SessionId,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    no_wait: NoWait = False,
) -> None:
    """End a session at its NAS.  Whoever it belongs to may log in again."""
    _ask(config, data_dir, tenant, session_id, enforcement_jobs.DISCONNECT, wait=not no_wait)


def reapply(
    session_id: SessionId,
    config: Config = None,
    data_dir: DataDir = None,
    tenant: TenantCode = None,
    no_wait: NoWait = False,
) -> None:
    """Tell the NAS all that the session should have, whatever it is thought to have."""
    _ask(config, data_dir, tenant, session_id, enforcement_jobs.REAPPLY, wait=not no_wait)


def _ask(
    config: Config,
    data_dir: DataDir,
    tenant: TenantCode,
    session_id: int,
    action: str,
    *,
    wait: bool,
) -> None:
    settings = settings_of(config, data_dir)

    async def run(url: str) -> str:
        async with instance.opened(settings, url) as database:
            known = await instance.tenant(database, tenant)
            async with database.transaction(known.id) as tx:
                session = await listing.get(tx, session_id)
                if session.stopped_at is not None:
                    raise Conflict(f"session {session_id} is over")
                await enforcement_jobs.leave_for_session(tx, known.id, session_id, action)
                asked_at = (await tx.execute(select(func.now()))).scalar_one()
            if not wait:
                return f"session {session_id}: {action} asked for"
            return await _outcome(database, known.id, session_id, action, asked_at)

    with instance.database_url(settings) as url:
        output.say(asyncio.run(run(url)))


async def _outcome(
    database: Database, tenant_id: int, session_id: int, action: str, asked_at: datetime
) -> str:
    """What came of it, in words.

    Raises:
        Conflict: the NAS did not do it, or nothing was heard within half a minute.
    """
    deadline = CLOCK.monotonic() + WAIT_S
    one: Open | None = None
    while CLOCK.monotonic() < deadline:
        async with database.transaction(tenant_id) as tx:
            session = await listing.get(tx, session_id)
            found = await enforcement_report.of_session(tx, session_id)
        if session.stopped_at is not None:
            return f"session {session_id}: ended"
        one = found if found is not None and found.made_at >= asked_at else None
        if one is not None and enforcement_report.is_final(one):
            if one.state in (State.TOLD, State.DONE):
                ms = f" in {one.rtt_s * 1000:.0f} ms" if one.rtt_s else ""
                return f"session {session_id}: {action}: NAS {one.nas} acknowledged{ms}"
            raise Conflict(f"session {session_id}: {one.why}")
        await asyncio.sleep(LOOK_S)
    if one is None:
        raise Conflict(f"session {session_id}: nobody has taken it up: is turnpike serve running?")
    raise Conflict(f"session {session_id}: {one.why}; see turnpike enforcement list")


def _row(one: Open) -> Row:
    return {
        "id": one.session_id,
        "acct_session_id": one.acct_session_id,
        "nas": one.nas,
        "username": one.username or None,
        "subscriber": one.subscriber,
        "wanted": one.wanted,
        "reason": one.reason or None,
        "state": one.state,
        "rung": one.rung,
        "attempts": one.attempts,
        "cause": one.why,
        "error_cause": one.error_cause,
        "since": one.made_at,
        "next_at": one.next_at,
        "told_at": one.told_at,
        "target": one.target or None,
        "request": one.request or None,
        "rtt_ms": None if one.rtt_s is None else round(one.rtt_s * 1000, 1),
    }
