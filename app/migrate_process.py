"""Brings the schema up to date before anything uses it, in a process of its own.

Alembic and what it loads would otherwise stay in the supervisor's memory for good.
"""

import sys

import structlog

from app.child import Ready, Stop
from app.supervised import REFUSED
from core.config import Settings
from core.errors import Refused
from core.migrations import runner

log = structlog.get_logger()


async def run(settings: Settings, ready: Ready, stop: Stop) -> None:
    """Upgrade, or only check where the operator upgrades by hand; refusals exit with `REFUSED`."""
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
    ready()
