"""Is this node serving?  Told to load balancers, service managers and people at a glance."""

from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from aaa.status import ReplicatorStatus, WorkerStatus
from core import status
from core.clock import Clock

FRESH_S = 5.0  # a process writes every second


@dataclass(frozen=True, slots=True)
class Health:
    """`serving` decides the status code; the rest is for people."""

    serving: bool
    workers: int
    database: str  # connected | away
    directory_age_s: float | None  # since the directory was last known to be current
    subscribers: int | None


def assess(directory: Path, now_s: float, *, logs_in: bool = True) -> Health:
    """Logins are answered as long as one worker lives; the database may be away.

    A node that answers no logins (`logs_in`) serves as long as it can say so.
    """
    workers = status.read(directory, "worker-*", WorkerStatus)
    alive = sum(1 for _, said_at in workers.values() if now_s - said_at < FRESH_S)
    serving = alive > 0 or not logs_in
    replicator = status.read(directory, "replicator", ReplicatorStatus).get("replicator")
    if replicator is None:
        return Health(serving, alive, "away", None, None)
    said, said_at = replicator
    connected = said.connected and now_s - said_at < FRESH_S
    return Health(
        serving,
        alive,
        "connected" if connected else "away",
        round(now_s - said.caught_up_at, 3) if said.caught_up_at else None,
        said.subscribers,
    )


class HealthPage:
    """GET /healthz: 200 while logins are answered, else 503."""

    def __init__(self, directory: Path, clock: Clock, *, logs_in: bool) -> None:
        self._logs_in = logs_in
        self._directory = directory
        self._clock = clock

    async def get(self, request: web.Request) -> web.Response:
        del request
        health = assess(self._directory, self._clock.unix_s(), logs_in=self._logs_in)
        return web.json_response(
            {
                "status": "ok" if health.serving else "down",
                "workers": health.workers,
                "database": health.database,
                "directory_age_s": health.directory_age_s,
                "subscribers": health.subscribers,
            },
            status=200 if health.serving else 503,
        )
