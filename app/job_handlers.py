"""Which function runs which kind of job, and what returns by itself.

A kind that is not here waits in the queue, untouched, for a version that knows it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from core import jobs_log
from core.clock import Clock
from core.db import NodeDatabase
from core.jobs import Handler
from core.jobs_schedules import Every

log = structlog.get_logger()

LOG_KEPT: Final = timedelta(days=7)

HANDLERS: Final[Mapping[str, Handler]] = {}


def schedules(node: NodeDatabase, clock: Clock) -> tuple[Every, ...]:
    """What the jobs processes do again and again, one of them at a time."""

    async def prune_job_log() -> None:
        pruned = await jobs_log.prune(node, clock.now() - LOG_KEPT)
        log.debug("job_log_pruned", rows=pruned)

    return (Every("job-log", timedelta(hours=1), prune_job_log),)
