"""Work left behind: a job is stored in the transaction that made it necessary.

So there is no job of what was rolled back, and no change whose job was forgotten.  A worker
(`core.jobs_worker`) runs it after the commit, at least once: after a crash, again.  What a
job does must therefore look at how things stand, and doing it twice must be harmless.

The queue is pgqueuer's, in the schema `turnpike_jobs`; leaving a job takes one statement of
our own, because of what its own do with keys (see `defer_many`).  Knows no kind of job.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import text

from core.db import Database, Tx

KEY_LENGTH_MAX: Final = 200
PAYLOAD_OCTETS_MAX: Final = 64 << 10  # name things, and let the job read them


@dataclass(frozen=True, slots=True)
class Job:
    """One to be run now, as its handler gets it."""

    id: int
    tenant_id: int
    kind: str
    payload: Mapping[str, object]
    attempts: int  # that failed before this one
    deferred_at: datetime


Handler = Callable[[Database, Job], Awaitable[None]]
"""Opens the transactions it needs, of `job.tenant_id`, and awaits the network outside them."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """One to be left behind; see `defer`."""

    tenant_id: int
    kind: str
    payload: Mapping[str, object] = field(default_factory=dict)
    dedupe_key: str | None = None
    run_at: datetime | None = None


async def defer(
    tx: Tx,
    tenant_id: int,
    kind: str,
    payload: Mapping[str, object],
    *,
    dedupe_key: str | None = None,
    run_at: datetime | None = None,
) -> None:
    """Leave a job of `kind`, for at once or for `run_at`; it is there if `tx` commits.

    `dedupe_key`, made of ids, says which work this is among the tenant's jobs of its kind.
    While one waits, who repeats it gets no second one: the newest payload counts, and the
    earliest time.  One that runs already has read what was before, so a second one waits.

    `payload` is JSON for people to read, and no place for secrets.
    """
    await defer_many(tx, [Deferral(tenant_id, kind, payload, dedupe_key, run_at)])


async def defer_many(tx: Tx, deferrals: Iterable[Deferral]) -> None:
    """Leave many in one statement; see `defer`.

    A job that waits is updated rather than skipped, though it says the same: its row stays
    locked until `tx` ends, so no worker runs it before what `tx` did can be seen.  Whoever
    leaves several with keys in one transaction does so in one call, or they may deadlock.
    """
    rows = _one_for_each_key(deferrals)
    if not rows:
        return
    await tx.execute(
        _DEFER,
        {
            "tenants": [row.tenant_id for row in rows],
            "kinds": [row.kind for row in rows],
            "payloads": [_encoded(row) for row in rows],
            "keys": [_key(row) for row in rows],
            "run_ats": [row.run_at for row in rows],
        },
    )


# In the order of the keys, so that two who repeat the same ones wait and do not deadlock.
_DEFER = text(
    """
    INSERT INTO turnpike_jobs.pgqueuer AS waiting
        (priority, status, entrypoint, payload, execute_after, dedupe_key, headers)
    SELECT 0, 'queued', kind, payload, coalesce(run_at, now()), key,
        jsonb_strip_nulls(jsonb_build_object('tenant_id', tenant_id, 'key', key))
    FROM unnest(
        CAST(:tenants AS bigint[]), CAST(:kinds AS text[]), CAST(:payloads AS bytea[]),
        CAST(:keys AS text[]), CAST(:run_ats AS timestamptz[])
    ) AS wanted (tenant_id, kind, payload, key, run_at)
    ORDER BY key
    ON CONFLICT (dedupe_key) WHERE status IN ('queued', 'picked') AND dedupe_key IS NOT NULL
    DO UPDATE SET
        payload = excluded.payload,
        execute_after = least(waiting.execute_after, excluded.execute_after),
        updated = now()
    """
)


def _one_for_each_key(deferrals: Iterable[Deferral]) -> list[Deferral]:
    keyed: dict[str, Deferral] = {}
    rows = []
    for each in deferrals:
        key = _key(each)
        if key is None:
            rows.append(each)
            continue
        earlier = keyed.get(key)
        keyed[key] = each if earlier is None else replace(each, run_at=_earliest(earlier, each))
    return [*rows, *keyed.values()]


def _earliest(one: Deferral, other: Deferral) -> datetime | None:
    if one.run_at is None or other.run_at is None:
        return None
    return min(one.run_at, other.run_at)


def _key(deferral: Deferral) -> str | None:
    """The key among all tenants and kinds."""
    if deferral.dedupe_key is None:
        return None
    if len(deferral.dedupe_key) > KEY_LENGTH_MAX:
        raise ValueError("a dedupe key is made of ids, and short")
    return f"{deferral.tenant_id}/{deferral.kind}/{deferral.dedupe_key}"


def _encoded(deferral: Deferral) -> bytes:
    """The payload as it is stored: with its tenant."""
    named = deferral.payload.get("tenant_id", deferral.tenant_id)
    if named != deferral.tenant_id:
        raise ValueError(f"a job of tenant {deferral.tenant_id} names tenant {named}")
    encoded = msgspec.json.encode({"tenant_id": deferral.tenant_id, **deferral.payload})
    if len(encoded) > PAYLOAD_OCTETS_MAX:
        raise ValueError(f"the payload of a {deferral.kind} job is too large")
    return encoded
