"""Is this node serving?  Told to load balancers, service managers and people at a glance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from aaa.enforcement import State
from aaa.enforcement_status import EnforcementStatus
from aaa.status import ReplicatorStatus, WorkerStatus
from accounting.status import LATE_AFTER_S, IngestStatus
from core import status
from core.clock import Clock

FRESH_S = 5.0  # a process writes every second


@dataclass(frozen=True, slots=True)
class AccountingHealth:
    """How records get from this node's disk to the database.  An alarm is for people at once:
    logins go on, but someone must look before NASes have nowhere to leave their records."""

    waiting: int | None  # records that are not in the database; None: nobody says
    oldest_s: float  # how long the oldest of them has waited; 0: none waits
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Health:
    """`serving` decides the status code; the rest is for people."""

    serving: bool
    workers: int
    database: str  # connected | away
    directory_age_s: float | None  # since the directory was last known to be current
    subscribers: int | None
    accounting: AccountingHealth
    empty_pools: tuple[str, ...] = ()  # of which this node has no address to give
    enforcement: tuple[str, ...] = ()  # what keeps sessions from having what they should have


def assess(directory: Path, now_s: float, *, logs_in: bool = True) -> Health:
    """Logins are answered as long as one worker lives; the database may be away.

    A node that answers no logins (`logs_in`) serves as long as it can say so.
    """
    workers = status.read(directory, "worker-*", WorkerStatus)
    alive = sum(1 for _, said_at in workers.values() if _is_fresh(said_at, now_s))
    accounting = _accounting(directory, [said for said, _ in workers.values()], now_s)
    serving = alive > 0 or not logs_in
    enforcement = _enforcement(directory, now_s)
    replicator = status.read(directory, "replicator", ReplicatorStatus).get("replicator")
    if replicator is None:
        return Health(serving, alive, "away", None, None, accounting, enforcement=enforcement)
    said, said_at = replicator
    connected = said.connected and _is_fresh(said_at, now_s)
    return Health(
        serving,
        alive,
        "connected" if connected else "away",
        round(now_s - said.caught_up_at, 3) if said.caught_up_at else None,
        said.subscribers,
        accounting,
        tuple(sorted({one.pool for one in said.pools if one.is_empty})),
        enforcement,
    )


def _is_fresh(said_at: float, now_s: float) -> bool:
    """Whether it was said just now.  What was said in the future, before the clock was set
    back, nobody has said again since."""
    return abs(now_s - said_at) < FRESH_S


def _accounting(directory: Path, workers: Sequence[WorkerStatus], now_s: float) -> AccountingHealth:
    alarms = {
        worker.spool.refusing or "spool-filling" for worker in workers if worker.spool.is_alarming
    }
    ingest = status.read(directory, "ingest", IngestStatus).get("ingest")
    if ingest is None or not _is_fresh(ingest[1], now_s):
        if any(worker.spool.records for worker in workers):
            alarms.add("ingest-silent")
        return AccountingHealth(None, 0.0, tuple(sorted(alarms)))
    said = ingest[0]
    oldest_s = now_s - said.oldest_undrained_at if said.oldest_undrained_at else 0.0
    if oldest_s > LATE_AFTER_S:
        alarms.add("not-drained")
    if said.dead_letters_alarm:
        alarms.add("dead-letters")
    return AccountingHealth(said.waiting, round(max(0.0, oldest_s), 3), tuple(sorted(alarms)))


def _enforcement(directory: Path, now_s: float) -> tuple[str, ...]:
    """A node may enforce nothing, where another does; then there is nothing to say."""
    found = status.read(directory, "enforcement", EnforcementStatus).get("enforcement")
    if found is None or not _is_fresh(found[1], now_s):
        return ()
    said = found[0]
    alarms = [f"nas-silent: {name}" for name in said.silent_nases]
    if stopped := said.rows.get(State.STOPPED, 0):
        alarms.append(f"refused: {stopped} sessions, see turnpike enforcement list")
    return tuple(alarms)


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
                "addresses": {
                    "alarms": [f"pool-empty: {name}" for name in health.empty_pools],
                },
                "enforcement": {"alarms": health.enforcement},
                "accounting": {
                    "waiting": health.accounting.waiting,
                    "oldest_s": health.accounting.oldest_s,
                    "alarms": health.accounting.alarms,
                },
            },
            status=200 if health.serving else 503,
        )
