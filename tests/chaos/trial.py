"""A trial: boxes report sessions while processes are killed; afterwards all is compared.

Each kill is SIGKILL at a random moment.  What the supervisor owns it brings back; the
supervisor itself is started again by us, as a service manager would.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from accounting.status import IngestStatus
from core import postgres_pidfile, status
from core.db import connect
from tests.chaos.boxes import Box, connected
from tests.chaos.comparing import Verdict, compare
from tests.chaos.plan import PlannedSession, sessions
from tests.scenarios.flows import private_url, processes_of
from tests.serving import ISP, SECRET, Manifest, Turnpike, turnpike_process

WORKER, INGEST, DATABASE, SUPERVISOR = "login", "ingest", "database", "supervisor"
REPLICATOR = "replicator"
# What does the work dies most often.
VICTIMS = (WORKER,) * 8 + (INGEST,) * 8 + (DATABASE,) * 4 + (REPLICATOR,) * 2 + (SUPERVISOR,)
BOXES = 20
HOSTS = tuple(f"127.0.1.{number}" for number in range(1, BOXES + 1))
ANSWERS_WITHIN_S = 10.0
RECONNECTS_WITHIN_S = 30.0  # PostgreSQL's recovery included, on a machine that may be busy
DRAINED_WITHIN_S = 120.0

CHAOS_ISP: Manifest = {
    **ISP,
    "nas": [{"name": f"box-{host}", "address": host, "secret": SECRET} for host in HOSTS],
}


@dataclass(frozen=True, slots=True)
class Load:
    """How much is reported, and how it is disturbed."""

    seed: int = 1
    sessions: int = 2_000
    interims: int = 2
    duplicates: float = 0.25
    at_once: int = 400
    pace_s: float = 0.2  # between two reports of a session, on average
    kills: int = 10
    victims: Sequence[str] = VICTIMS


@dataclass(slots=True)
class Outcome:
    """What happened.  Seconds are those of this machine in this moment."""

    verdict: Verdict
    acknowledged: int
    kills: dict[str, int] = field(default_factory=dict)
    first_answers_s: list[float] = field(default_factory=list)  # the last box's, after each kill
    reconnects_s: list[float] = field(default_factory=list)  # of ingest, after PostgreSQL's ends
    drained_s: float = 0.0
    reported_s: float = 0.0


@contextmanager
def house() -> Iterator[Turnpike]:
    """An instance that knows the boxes."""
    with turnpike_process(CHAOS_ISP) as one:
        yield one


def run(one: Turnpike, load: Load) -> Outcome:
    """Play `load` against an instance and compare."""
    planned = list(sessions(load.seed, load.sessions, len(HOSTS), load.interims, int(time.time())))
    chance = random.Random(load.seed)
    outcome, acknowledged = asyncio.run(_play(one, load, planned, chance))
    began = time.monotonic()
    await_drained(one)
    outcome.drained_s = time.monotonic() - began
    outcome.verdict = compare(private_url(one), planned, acknowledged)
    return outcome


def await_drained(one: Turnpike, within_s: float = DRAINED_WITHIN_S) -> None:
    """Wait until ingest says, after now, that nothing is left."""
    asked_at = time.time()
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        found = status.read(one.paths.status, "ingest", IngestStatus).get("ingest")
        if found is not None and found[0].drained_at > asked_at:
            return
        time.sleep(0.05)
    raise TimeoutError(f"not drained within {within_s:.0f} s: {one.log[-2000:]}")


async def _play(
    one: Turnpike, load: Load, planned: Sequence[PlannedSession], chance: random.Random
) -> tuple[Outcome, list[bytes]]:
    boxes = await connected(one.acct, HOSTS, lambda: Box(SECRET.encode(), chance))
    outcome = Outcome(Verdict(0, (), (), (), ()), 0)
    gate = asyncio.Semaphore(load.at_once)

    async def tell(session: PlannedSession) -> None:
        async with gate:
            await boxes[session.nas].tell(session, load.duplicates, load.pace_s)

    began = time.monotonic()
    reporting = asyncio.gather(*(tell(session) for session in planned))
    killing = asyncio.create_task(_kill(one, load, boxes, chance, outcome))
    try:
        await reporting
        outcome.reported_s = time.monotonic() - began
        await killing
    finally:
        killing.cancel()
        reporting.cancel()
        for box in boxes:
            box.close()
    acknowledged = [packet for box in boxes for packet in box.acknowledged]
    outcome.acknowledged = len(acknowledged)
    return outcome, acknowledged


async def _kill(
    one: Turnpike, load: Load, boxes: Sequence[Box], chance: random.Random, outcome: Outcome
) -> None:
    """Kill as often as asked, spread over the time that the reports take."""
    turns = load.sessions / load.at_once
    pause_s = turns * load.pace_s * (load.interims + 2) / max(load.kills, 1)
    for _ in range(load.kills):
        await asyncio.sleep(chance.uniform(0.5, 1.5) * pause_s)
        victim = chance.choice(load.victims)
        since = time.monotonic()
        while not await asyncio.to_thread(kill, one, victim, chance):
            await asyncio.sleep(0.05)  # it has not come back from the last time
            since = time.monotonic()
        outcome.kills[victim] = outcome.kills.get(victim, 0) + 1
        if victim == SUPERVISOR:
            since = time.monotonic()  # it was we who started it again
        if victim in (WORKER, SUPERVISOR):
            outcome.first_answers_s.append(await _answered(boxes, since))
        if victim == DATABASE:
            outcome.reconnects_s.append(await _reconnected(one))


async def _answered(boxes: Sequence[Box], since: float) -> float:
    """How long until every box that has something to say was answered again."""
    while time.monotonic() - since < ANSWERS_WITHIN_S:
        if all(box.answered_at > since or not box.has_pending for box in boxes):
            break
        await asyncio.sleep(0.01)
    return time.monotonic() - since


async def _reconnected(one: Turnpike) -> float:
    """How long until ingest committed something again; there is always something."""
    killed_at = time.time()
    while time.time() - killed_at < RECONNECTS_WITHIN_S:
        with suppress(OSError, asyncpg.PostgresError):  # not there yet
            connection = await connect(private_url(one), None)
            try:
                moved_s = await connection.fetchval(
                    "SELECT extract(epoch FROM max(updated_at))::float8 FROM spool_position"
                )
            finally:
                await connection.close()
            if moved_s > killed_at:
                break
        await asyncio.sleep(0.05)
    return time.time() - killed_at


def kill(one: Turnpike, victim: str, chance: random.Random) -> bool:
    """SIGKILL; whether there was anybody to kill."""
    if victim == SUPERVISOR:
        one.stop(signal.SIGKILL)
        one.start()
        return True
    if victim == DATABASE:
        found = postgres_pidfile.read(one.paths.postgres / "data")
        numbers = [] if found is None else [found.pid]
    else:
        numbers = sorted(
            number
            for number, command in processes_of(one).items()
            if f"app.children {victim}" in command
        )
    if not numbers or not Path(f"/proc/{numbers[0]}").exists():
        return False
    os.kill(chance.choice(numbers), signal.SIGKILL)
    return True
