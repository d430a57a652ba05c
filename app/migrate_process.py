"""Brings the schema up to date before anything uses it, and checks that the key is the
database's, in a process of its own.

Alembic and what it loads would otherwise stay in the supervisor's memory for good.
"""

import sys

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.child import Ready, Stop
from app.supervised import KEY_REFUSED, REFUSED
from core.config import Settings
from core.db import Database
from core.errors import Invalid, Refused
from core.key_check import vault_of
from core.migrations import runner

log = structlog.get_logger()


async def run(settings: Settings, ready: Ready, stop: Stop) -> None:
    """Upgrade, or only check where the operator upgrades by hand; refusals exit with `REFUSED`
    or `KEY_REFUSED`, a database that does not answer with 1."""
    del stop
    assert settings.database_url is not None, "the supervisor resolves it"
    try:
        if settings.database.auto_upgrade:
            await runner.upgrade(settings.database_url)
        else:
            runner.require_current(await runner.status(settings.database_url))
        await _check_key(settings, settings.database_url)
    except Invalid as refused:
        log.error("key_refused", reason=str(refused))  # noqa: TRY400 - a refusal, not a bug
        sys.exit(KEY_REFUSED)
    except Refused as refused:
        log.error("schema_refused", reason=str(refused))  # noqa: TRY400 - a refusal, not a bug
        sys.exit(REFUSED)
    except (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        log.error("database_away", reason=reason)  # noqa: TRY400 - no bug of ours
        sys.exit(1)
    ready()


async def _check_key(settings: Settings, url: str) -> None:
    database = Database(url, connections_max=1)
    try:
        async with database.lobby() as tx:
            await vault_of(tx, settings.key_path)
    finally:
        await database.dispose()
