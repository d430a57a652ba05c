"""A node that counts against quotas, for tests: plans by SQL, packets, and what came of them."""

import json
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

from aaa.owners import owners
from aaa.quota_counting import QuotaCounting
from accounting.batch import Batch
from accounting.ingest import Ingest
from accounting.reading import understand
from core.clock import Clock
from core.db import NodeDatabase
from tests.accounting.ingesting import NOON_S, portion, rows, segment_of, spooled

MB = 1_000_000
GB = 1_000 * MB
_numbers = count()


class NoonClock(Clock):
    """Stands at `at_s` seconds after noon of 1 January 2026, UTC, until it is set."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def unix_s(self) -> float:
        return NOON_S + self.at_s


class CountingNode:
    """One ingest with its observer."""

    def __init__(self, url: str, clock: Clock, **more: Any) -> None:
        self.url = url
        self.database = NodeDatabase(url)
        self.counting = QuotaCounting(clock, **more)
        self.ingest = Ingest("test", owners=owners, observers=(self.counting.observe,))

    async def tell(self, root: Path, *packets: tuple[float, bytes]) -> Batch:
        """Packets by their time of arrival, after noon."""
        records = [spooled(octets, at_s) for at_s, octets in packets]
        segment = segment_of(root, records, str(next(_numbers)))
        async with self.database.transaction() as tx:
            return await self.ingest.take(tx, understand([portion(segment)], {}))


async def has_plan(url: str, username: str = "alice", **columns: Any) -> int:
    """Give the subscriber a plan of these columns in place of any he has, and return his id.

    Who is new was entitled on 31 December 2025.
    """
    columns = {"quota_octets": GB, "quota_window": "calendar"} | columns
    if "zones" in columns:
        columns["zones"] = json.dumps(columns["zones"])
    names = ", ".join(columns)
    values = ", ".join(f"${at}" for at in range(2, len(columns) + 2))
    [plan] = await rows(
        url,
        f"INSERT INTO profile (tenant_id, code, {names}) VALUES (1, $1, {values}) RETURNING id",
        f"plan-{next(_numbers)}",
        *columns.values(),
    )
    [subscriber] = await rows(
        url,
        "INSERT INTO subscriber (tenant_id, username) VALUES (1, $1)"
        " ON CONFLICT (tenant_id, username) DO UPDATE SET updated_at = now() RETURNING id",
        username,
    )
    await rows(
        url,
        "INSERT INTO entitlement (subscriber_id, tenant_id, profile_id, made_at)"
        " VALUES ($1, 1, $2, '2025-12-31 12:00Z')"
        " ON CONFLICT (subscriber_id) DO UPDATE SET profile_id = excluded.profile_id",
        subscriber["id"],
        plan["id"],
    )
    subscriber_id: int = subscriber["id"]
    return subscriber_id


async def states(url: str) -> list[dict[str, Any]]:
    """What logins are told."""
    return await rows(
        url,
        "SELECT octets, time_s, window_starts_at, window_ends_at FROM quota_state"
        " ORDER BY subscriber_id",
    )


async def sums(url: str) -> dict[datetime, tuple[int, int]]:
    """What is kept: octets and seconds, weighted, in hundredths, by the window's beginning."""
    found = await rows(url, "SELECT starts_at, octets, time_s FROM quota_usage ORDER BY starts_at")
    return {row["starts_at"]: (int(row["octets"]), int(row["time_s"])) for row in found}


async def crossings(url: str) -> list[int]:
    """Per cent, in the order of the windows."""
    found = await rows(
        url, "SELECT threshold FROM quota_crossing ORDER BY window_starts_at, threshold"
    )
    return [row["threshold"] for row in found]


async def jobs(url: str) -> list[tuple[dict[str, Any], datetime]]:
    """What is left behind, with its time, in order."""
    found = await rows(
        url,
        "SELECT entrypoint, payload, execute_after FROM turnpike_jobs.pgqueuer ORDER BY id",
    )
    assert {row["entrypoint"] for row in found} <= {"enforce"}
    return [(json.loads(row["payload"]), row["execute_after"]) for row in found]


async def take_jobs(url: str) -> None:
    """A worker takes all that wait: who asks again gets a job of his own (`core.jobs_queue`)."""
    await rows(url, "UPDATE turnpike_jobs.pgqueuer SET dedupe_key = NULL")


async def changes(url: str) -> int:
    """How often nodes were told to read the subscriber again."""
    [row] = await rows(url, "SELECT count(*) AS n FROM change WHERE kind = 'subscriber'")
    told: int = row["n"]
    return told


def day(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type, misc]
