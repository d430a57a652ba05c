"""Which function runs which kind of job, and what returns by itself.

A kind that is not here waits in the queue, untouched, for a version that knows it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

import structlog

from aaa import enforcement_jobs
from aaa.enforcement_judge import Judge
from app.enforcement import Enforcement
from core import jobs_log
from core.clock import Clock
from core.config import Settings
from core.db import Database, NodeDatabase
from core.errors import Invalid
from core.jobs import Handler, Job
from core.jobs_schedules import Every

log = structlog.get_logger()

LOG_KEPT: Final = timedelta(days=7)
# Quick, for they look at next to nothing: what was told something, and whose time has come.
ACKS_EVERY: Final = timedelta(seconds=3)
TIME_EVERY: Final = timedelta(seconds=5)
NEW_EVERY: Final = timedelta(seconds=3)


def handlers(enforcement: Enforcement) -> Mapping[str, Handler]:
    """By kind."""
    return {enforcement_jobs.KIND: _enforce(enforcement.judge)}


def schedules(
    settings: Settings, node: NodeDatabase, clock: Clock, enforcement: Enforcement
) -> tuple[Every, ...]:
    """What the jobs processes do again and again, one of them at a time."""

    async def prune_job_log() -> None:
        pruned = await jobs_log.prune(node, clock.now() - LOG_KEPT)
        log.debug("job_log_pruned", rows=pruned)

    every = timedelta(seconds=settings.enforcement.pass_every_s)
    return (
        Every("job-log", timedelta(hours=1), prune_job_log),
        Every("enforcement-pass", every, enforcement.whole.run),
        Every("enforcement-acks", ACKS_EVERY, enforcement.whole.settle),
        Every("enforcement-time", TIME_EVERY, enforcement.whole.by_time),
        Every("enforcement-new", NEW_EVERY, enforcement.whole.newcomers),
    )


def _enforce(judge: Judge) -> Handler:
    async def enforce(database: Database, job: Job) -> None:
        del database  # the tables are nodes': the judge has a connection of theirs
        match job.payload:
            case {"subscriber": int(number)}:
                await judge.subscriber(number)
            case {"profile": int(number)}:
                await judge.profile(job.tenant_id, number)
            case {"session": int(number), "action": enforcement_jobs.DISCONNECT}:
                await judge.disconnect(job.tenant_id, number)
            case {"session": int(number), "action": enforcement_jobs.REAPPLY}:
                await judge.reapply(job.tenant_id, number)
            case _:
                raise Invalid("an enforce job names a subscriber, a profile or a session")

    return enforce
