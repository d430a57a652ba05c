"""The jobs that a quota leaves behind: `enforce`, which compares what a subscriber may have
with what his sessions have, and changes it (the next login is right without it).

Level-triggered: a job says who and why, not what to do, so one too many does no harm, and
while one waits a second one has nothing to add.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from zlib import crc32

from aaa.enforcement_jobs import KIND
from core.db import Tx
from core.jobs import Deferral, defer_many

RESET_SPREAD_S: Final = 300  # all of a NAS's subscribers begin their month at one instant


class Enforce(NamedTuple):
    """Look after this subscriber: at once for a threshold, else when his window has ended."""

    tenant_id: int
    subscriber_id: int
    threshold: int | None
    window_ends_s: int | None = None


async def leave(tx: Tx, jobs: Sequence[Enforce]) -> None:
    """Leave them in the transaction that made them necessary."""
    await defer_many(tx, map(_deferral, jobs))


def _deferral(job: Enforce) -> Deferral:
    payload: dict[str, object] = {"subscriber": job.subscriber_id}
    key = str(job.subscriber_id)
    if job.window_ends_s is None:
        payload |= {"reason": "quota", "threshold": job.threshold}
        return Deferral(job.tenant_id, KIND, payload, key)
    # The same subscriber at the same second of the spread, month by month.
    run_s = job.window_ends_s + crc32(str(job.subscriber_id).encode()) % RESET_SPREAD_S
    payload |= {"reason": "quota-reset"}
    # For each window: of two that wait under one key the earlier time would win, and of a
    # window that was made longer since then nobody would see the end.
    key += f"/{job.window_ends_s}"
    return Deferral(job.tenant_id, KIND, payload, key, datetime.fromtimestamp(run_s, UTC))
