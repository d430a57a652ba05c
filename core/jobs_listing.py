"""Jobs as people see them, in the transaction of a tenant: what waits, what is held and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text

from core.db import Tx
from core.errors import NotFound

LIMIT_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Listed:
    """A job that is not done."""

    id: int
    kind: str
    state: str  # waiting, running or held
    attempts: int  # that failed
    deferred_at: datetime
    run_at: datetime  # not before
    error: str | None  # of the last attempt
    payload: object


async def newest(
    tx: Tx, limit: int, *, before: int | None = None, held: bool = False
) -> list[Listed]:
    """The newest jobs with ids below `before`; `held`: only those that wait for people."""
    rows = await tx.execute(_NEWEST, {"before": before, "held": held, "limit": limit})
    return [
        Listed(
            id=row.id,
            kind=row.entrypoint,
            state=_STATES[row.status],
            attempts=row.attempts,
            deferred_at=row.created,
            run_at=row.execute_after,
            error=row.error,
            payload=_decoded(row.payload),
        )
        for row in rows
    ]


async def retry(tx: Tx, ids: Sequence[int]) -> None:
    """Let held jobs wait again, for at once, with all their attempts before them.

    Raises:
        NotFound: one of them is not held, or there is none; nothing is changed.
    """
    put_back = await tx.scalars(
        text(
            """
            UPDATE turnpike_jobs.pgqueuer
            SET status = 'queued', execute_after = now(), updated = now(), attempts = 0,
                headers = headers - 'claims'
            WHERE id = ANY(:ids) AND status = 'failed'
            RETURNING id
            """
        ),
        {"ids": list(ids)},
    )
    missing = sorted(set(ids) - set(put_back))
    if missing:
        raise NotFound(f"no held job {', '.join(map(str, missing))}: see turnpike jobs list --held")


_NEWEST = text(
    """
    SELECT id, entrypoint, status, attempts, created, execute_after,
        headers ->> 'error' AS error, payload
    FROM turnpike_jobs.pgqueuer
    WHERE id < coalesce(CAST(:before AS bigint), 9223372036854775807)
        AND (NOT :held OR status = 'failed')
    ORDER BY id DESC LIMIT :limit
    """
)

# pgqueuer's words for those that are in its queue.
_STATES: Final = {"queued": "waiting", "picked": "running", "failed": "held"}


def _decoded(payload: bytes | None) -> object:
    """What somebody wrote by hand may be no JSON; then the job is held, and must be seen."""
    try:
        return msgspec.json.decode(payload or b"null")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return repr(payload)
