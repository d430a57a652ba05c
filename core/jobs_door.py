"""The door to pgqueuer: its names for our tables, and a connection that hears of new jobs.

Of pgqueuer we use the tables and what takes jobs and schedules from them and ends them; not
its worker, which ends when its connection does, marks what then runs as cancelled (and
deletes it), and forgets what it could not store.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import asyncpg
from pgqueuer.adapters.persistence import qb
from pgqueuer.db import AsyncpgDriver
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pgqueuer.queries import Queries

from core.db import NodeDatabase
from core.deadlines import within

ANSWER_TIMEOUT_S: Final = 10.0  # a database that takes longer for next to nothing hangs

# All of them, for pgqueuer asks the environment for what is left out: even for CHANNEL.
SETTINGS: Final = DBSettings(
    prefix="",
    db_schema="turnpike_jobs",
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=True,
)


@dataclass(frozen=True, slots=True)
class Door:
    """A connection as the node's role, and pgqueuer's statements on it.  For one task."""

    connection: asyncpg.Connection
    queries: Queries


@asynccontextmanager
async def opened(node: NodeDatabase, woken: Callable[[], None]) -> AsyncIterator[Door]:
    """A door for the length of the block; `woken` is called when there may be news.

    The role of a node sees every tenant and, of what there is, only what it needs: the
    owner, whom no policy stops, is for migrations.
    """
    connection = await node.connect()
    try:
        async with within(ANSWER_TIMEOUT_S, "listening for jobs"):
            await connection.add_listener(SETTINGS.channel, lambda *_: woken())
        connection.add_termination_listener(lambda *_: woken())
        yield Door(connection, queries(connection))
    finally:
        connection.terminate()


def queries(connection: asyncpg.Connection) -> Queries:
    """pgqueuer's statements, on our tables."""
    return Queries(
        AsyncpgDriver(connection),
        qbe=qb.QueryBuilderEnvironment(SETTINGS),
        qbq=qb.QueryQueueBuilder(SETTINGS),
        qbs=qb.QuerySchedulerBuilder(SETTINGS),
    )
