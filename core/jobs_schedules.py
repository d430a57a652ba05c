"""Work that returns: at most one worker of all nodes runs a schedule at a time.

That is a lease: a worker that is silent for half a minute, which pgqueuer fixes, may find
that another one has begun.  What was missed while nobody was there is run once.
"""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from pgqueuer.domain.types import CronEntrypoint, CronExpression, ScheduleId
from pgqueuer.models import CronExpressionEntrypoint

from core.jobs_door import Door

BEAT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Every:
    """`run` is called each `interval`, first when one has passed."""

    name: str
    interval: timedelta
    run: Callable[[], Awaitable[None]]


async def plan(door: Door, schedules: Sequence[Every]) -> None:
    """Make them known; an interval that was changed begins anew."""
    await door.connection.execute(
        "DELETE FROM turnpike_jobs.pgqueuer_schedules AS old"
        " USING unnest($1::text[], $2::text[]) AS wanted (entrypoint, expression)"
        " WHERE old.entrypoint = wanted.entrypoint AND old.expression <> wanted.expression",
        [each.name for each in schedules],
        [_expression(each) for each in schedules],
    )
    await door.queries.insert_schedule(_intervals(schedules))


async def take_due(door: Door, schedules: Sequence[Every]) -> list[tuple[int, Every]]:
    """Those that are due and not being run, and their ids; they are now ours."""
    known = {(each.name, _expression(each)): each for each in schedules}
    rows = await door.queries.fetch_schedule(_intervals(schedules))
    return [(row.id, known[row.entrypoint, row.expression]) for row in rows]


async def beat(door: Door, ids: Collection[int]) -> None:
    """Say that these are still being run."""
    if ids:
        await door.queries.update_schedule_heartbeat({ScheduleId(id_) for id_ in ids})


async def settle(door: Door, ids: Collection[int]) -> None:
    """They came to an end, whichever, and wait for their next time."""
    if ids:
        await door.queries.set_schedule_queued({ScheduleId(id_) for id_ in ids})


def _intervals(schedules: Sequence[Every]) -> dict[CronExpressionEntrypoint, timedelta]:
    return {
        CronExpressionEntrypoint(
            entrypoint=CronEntrypoint(each.name), expression=CronExpression(_expression(each))
        ): each.interval
        for each in schedules
    }


def _expression(every: Every) -> str:
    return f"every {every.interval.total_seconds():g} s"
