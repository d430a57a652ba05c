"""The queue as a worker sees it: jobs are taken, kept alive, and end in one of four ways.

To what pgqueuer does we add:

- A job's key is taken off while it runs.  pgqueuer leaves it on, and a job that is deferred
  again meanwhile would be lost, though the first may have looked before the change.
- A job belongs to whoever took it last, and nobody else ends it.
- How often one was taken without coming to an end is counted: it may kill its workers.
"""

import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec
from pgqueuer.domain.types import JOB_STATUS, QueueEntrypoint, QueueManagerId
from pgqueuer.models import Job as Row
from pgqueuer.ports.repository import EntrypointExecutionParameter

from core.jobs import Job
from core.jobs_door import Door
from core.jobs_outcome import Again, Done, Held, Outcome, Released

CLAIMS_MAX: Final = 3
_ANY_NUMBER: Final = EntrypointExecutionParameter(concurrency_limit=0)
# pgqueuer keeps what has failed, and deletes the others.
_STATUS: Final[dict[type, JOB_STATUS]] = {
    Done: "successful",
    Held: "failed",
    type(None): "canceled",
}
_TAKE: Final = """
UPDATE turnpike_jobs.pgqueuer
SET dedupe_key = NULL,
    headers = headers || jsonb_build_object('claims', coalesce((headers ->> 'claims')::int, 0) + 1)
WHERE id = ANY($1::bigint[])
RETURNING id, tenant_id, (headers ->> 'claims')::int AS claims
"""
# What of ours nobody runs: the answer to our claim was lost, and not a worker.
_UNCLAIM: Final = """
UPDATE turnpike_jobs.pgqueuer
SET status = 'queued', queue_manager_id = NULL, updated = now(),
    headers = headers || jsonb_build_object(
        'claims', greatest(coalesce((headers ->> 'claims')::int, 0) - 1, 0))
WHERE queue_manager_id = $1 AND status = 'picked' AND id <> ALL($2::bigint[])
"""
_MINE: Final = """
SELECT id FROM turnpike_jobs.pgqueuer
WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2 AND status = 'picked'
ORDER BY id FOR UPDATE
"""
_BLAME: Final = """
UPDATE turnpike_jobs.pgqueuer AS job
SET attempts = attempts + 1, headers = headers || jsonb_build_object('error', held.error)
FROM unnest($1::bigint[], $2::text[]) AS held (id, error) WHERE job.id = held.id
"""
_PUT_BACK: Final = """
UPDATE turnpike_jobs.pgqueuer
SET status = 'queued', queue_manager_id = NULL, updated = now(),
    execute_after = now() + $3::interval,
    attempts = attempts + CASE WHEN $4::text IS NULL THEN 0 ELSE 1 END,
    headers = (headers - 'claims')
        || jsonb_strip_nulls(jsonb_build_object('error', $4::text)),
    dedupe_key = CASE WHEN $5::boolean THEN headers ->> 'key' END
WHERE id = $1 AND queue_manager_id = $2 AND status = 'picked'
"""
_COUNTS: Final = """
WITH waiting AS (SELECT entrypoint, execute_after FROM turnpike_jobs.pgqueuer
    WHERE status = 'queued')
SELECT count(*), count(*) FILTER (WHERE entrypoint <> ALL($1::text[])),
    (SELECT count(*) FROM turnpike_jobs.pgqueuer WHERE status = 'failed'),
    coalesce(extract(epoch FROM now() - min(execute_after) FILTER (
        WHERE execute_after <= now() AND entrypoint = ANY($1::text[]))), 0)::float8
FROM waiting
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """Of the whole queue; `waiting` includes those of kinds that are `unhandled`."""

    waiting: int
    unhandled: int
    held: int
    oldest_waiting_s: float


class Queue:
    """As one worker.  The door may be another one each time; what was taken stays taken."""

    def __init__(self, lease: timedelta) -> None:
        """A job that nobody said a `beat` for in a `lease` is for anyone to take."""
        self._lease = lease
        self._id = QueueManagerId(uuid.uuid4())
        self._rows: dict[int, Row] = {}  # of the jobs that we took
        self._is_unsure = False  # there may be more of ours than we were told of

    async def claim(self, door: Door, kinds: Collection[str], at_most: int) -> list[Job]:
        """Take jobs of these kinds that are due; all others wait for who knows them.

        One that cannot be read, or whose workers died, is held and not returned.  Those of a
        claim that failed on the way back are given back first.
        """
        if self._is_unsure:
            await door.connection.execute(_UNCLAIM, self._id, list(self._rows))
        self._is_unsure = True
        async with door.connection.transaction():
            rows = await door.queries.dequeue(
                batch_size=at_most,
                entrypoints={QueueEntrypoint(kind): _ANY_NUMBER for kind in kinds},
                queue_manager_id=self._id,
                global_concurrency_limit=None,
                heartbeat_timeout=self._lease,
            )
            if not rows:
                self._is_unsure = False
                return []
            taken = await door.connection.fetch(_TAKE, [row.id for row in rows])
        facts = {record["id"]: record for record in taken}
        jobs: list[Job] = []
        unfit: dict[int, Outcome] = {}
        for row in rows:
            self._rows[row.id] = row
            payload = _payload(row)
            if payload is None:
                unfit[row.id] = Held("the payload is no JSON object")
            elif facts[row.id]["claims"] > CLAIMS_MAX:
                unfit[row.id] = Held(f"{CLAIMS_MAX} times the worker ended while it ran this")
            else:
                jobs.append(
                    Job(
                        id=row.id,
                        tenant_id=facts[row.id]["tenant_id"],
                        kind=row.entrypoint,
                        payload=payload,
                        attempts=row.attempts,
                        deferred_at=row.created,
                    )
                )
        try:
            await self.settle(door, unfit)
        except BaseException:
            for row in rows:  # nobody will hear of these
                self._rows.pop(row.id, None)
            raise
        self._is_unsure = False
        return jobs

    async def beat(self, door: Door, ids: Iterable[int]) -> None:
        """Say that these are still being run."""
        mine = [self._rows[id_].id for id_ in ids if id_ in self._rows]
        if mine:
            await door.queries.update_heartbeat(mine)

    async def settle(self, door: Door, outcomes: Mapping[int, Outcome]) -> None:
        """Store what became of jobs; of one that is settled or lost already, nothing."""
        ours = {id_: outcome for id_, outcome in outcomes.items() if id_ in self._rows}
        await self._end(
            door, {id_: one for id_, one in ours.items() if isinstance(one, Done | Held)}
        )
        for id_, outcome in ours.items():
            if isinstance(outcome, Again | Released):
                await self._put_back(door, id_, outcome)
        for id_ in ours:
            del self._rows[id_]

    async def counts(self, door: Door, kinds: Collection[str]) -> Counts:
        """How much there is; `kinds` are those that can be run."""
        return Counts(*await door.connection.fetchrow(_COUNTS, list(kinds)))

    async def _end(self, door: Door, outcomes: Mapping[int, Done | Held | None]) -> None:
        """For good, or until people come; None: another one does the work of this."""
        if not outcomes:
            return
        async with door.connection.transaction():
            records = await door.connection.fetch(_MINE, list(outcomes), self._id)
            mine = {record["id"]: outcomes[record["id"]] for record in records}
            held = {id_: one.error for id_, one in mine.items() if isinstance(one, Held)}
            if held:
                errors = [_storable(error) for error in held.values()]
                await door.connection.execute(_BLAME, list(held), errors)
            if mine:
                await door.queries.log_jobs(
                    [(self._rows[id_], _STATUS[type(one)], None) for id_, one in mine.items()]
                )

    async def _put_back(self, door: Door, id_: int, outcome: Again | Released) -> None:
        """Each on its own, so that its key, which others may hold, is the only one we wait for."""
        delay, error = timedelta(0), None
        if isinstance(outcome, Again):
            delay, error = outcome.delay, _storable(outcome.error)
        arguments = (id_, self._id, delay, error)
        try:
            async with door.connection.transaction():
                await door.connection.execute("SET LOCAL lock_timeout = '200ms'")
                await door.connection.execute(_PUT_BACK, *arguments, True)
        except asyncpg.UniqueViolationError:
            await self._end(door, {id_: None})  # deferred again meanwhile: that one waits
        except asyncpg.LockNotAvailableError:
            # About to be deferred again, by a transaction that takes its time.
            await door.connection.execute(_PUT_BACK, *arguments, False)


def _payload(row: Row) -> Mapping[str, object] | None:
    try:
        payload: dict[str, object] = msgspec.json.decode(row.payload or b"", type=dict)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return payload


def _storable(error: str) -> str:
    """PostgreSQL takes no NUL, and errors may quote what came from the network."""
    return error.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
