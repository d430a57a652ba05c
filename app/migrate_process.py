"""Brings the schema up to date before anything uses it, in a process of its own.

Alembic and what it loads would otherwise stay in the supervisor's memory for good.
"""

import sys

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.child import Ready, Stop
from app.supervised import REFUSED
from core.config import Settings
from core.errors import Refused
from core.migrations import runner

log = structlog.get_logger()


async def run(settings: Settings, ready: Ready, stop: Stop) -> None:
    """Upgrade, or only check where the operator upgrades by hand; refusals exit with `REFUSED`,
    a database that does not answer with 1."""
    del stop
    assert settings.database_url is not None, "the supervisor resolves it"
    try:
        if settings.database.auto_upgrade:
            await runner.upgrade(settings.database_url)
        else:
            runner.require_current(await runner.status(settings.database_url))
    except Refused as refused:
        log.error("schema_refused", reason=str(refused))  # noqa: TRY400 - a refusal, not a bug
        sys.exit(REFUSED)
    except (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        log.error("database_away", reason=reason)  # noqa: TRY400 - no bug of ours
        sys.exit(1)
    ready()
