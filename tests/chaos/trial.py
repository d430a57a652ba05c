"""A trial: simulated boxes go about their day while processes are killed; then all is compared.

Each kill is SIGKILL at a random moment.  What the supervisor owns it brings back; the
supervisor itself is started again by us, as a service manager would.  Now and then a box
loses power, too.  The day lasts until the last kill is over.
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
from app.simulator.events import What
from app.simulator.faults import Faults
from app.simulator.habits import Habits
from app.simulator.pace import Pace
from app.simulator.playing import populate
from app.simulator.scenario import Scenario
from app.simulator.simulation import Simulation
from core import postgres_pidfile, status
from core.clock import Clock
from core.db import connect
from tests.chaos.comparing import Verdict, compare
from tests.chaos.crowd import (
    CHAOS_ISP,
    GIVE_UP_AFTER_S,
    INTERIM_S,
    Watched,
    expected,
    places,
    server,
)
from tests.scenarios.flows import private_url, processes_of
from tests.serving import SECRET, Turnpike, turnpike_process

WORKER, INGEST, DATABASE, SUPERVISOR = "login", "ingest", "database", "supervisor"
REPLICATOR = "replicator"
# What does the work dies most often.
VICTIMS = (WORKER,) * 8 + (INGEST,) * 8 + (DATABASE,) * 4 + (REPLICATOR,) * 2 + (SUPERVISOR,)
REBOOTS = 0.3  # after a kill a box loses power, in so many of the cases
ANSWERS_WITHIN_S = 10.0
RECONNECTS_WITHIN_S = 30.0  # PostgreSQL's recovery included, on a machine that may be busy
DRAINED_WITHIN_S = 120.0
# The boxes' day begins then, and no trial lasts until it has caught up with ours.
BEHIND_S = 20 * 3600.0
REPEATED_WITHIN_S = 4.0
BOOTED_WITHIN_S = 60.0  # of the boxes' day


@dataclass(frozen=True, slots=True)
class Load:
    """How much is reported at least, and how it is disturbed."""

    seed: int = 1
    sessions: int = 2_000
    interims: int = 2  # of a session, on average
    duplicates: float = 0.25  # so many of the records are told twice
    at_once: int = 80
    pace_s: float = 0.4  # between two interims of a session
    kills: int = 10
    victims: Sequence[str] = VICTIMS

    @property
    def speed(self) -> float:
        """Seconds of the boxes' day that pass in one."""
        return INTERIM_S / self.pace_s

    @property
    def scenario(self) -> Scenario:
        """Boxes in a network that doubles and disorders."""
        faults = Faults(
            duplicates=0.1,
            reordered=0.05,
            reorder_s=0.1,
            repeats=self.duplicates,
            repeat_s=REPEATED_WITHIN_S * self.speed,
        )
        habits = Habits((self.interims + 0.5) * INTERIM_S, INTERIM_S / 2, INTERIM_S)
        return Scenario(tuple(places(self.at_once, faults, habits)))


@dataclass(slots=True)
class Outcome:
    """What happened.  Seconds are those of this machine in this moment."""

    verdict: Verdict
    sessions: int = 0
    records: int = 0  # that were told, however often
    acknowledged: int = 0
    wrong: Sequence[str] = ()  # what no box may hear
    reboots: int = 0
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
    outcome = Outcome(Verdict(0, (), (), (), ()))
    sim, watched = asyncio.run(_play(one, load, outcome))
    began = time.monotonic()
    await_drained(one)
    outcome.drained_s = time.monotonic() - began
    outcome.sessions = len(sim.tally.sessions)
    outcome.records = len(watched.told)
    outcome.acknowledged, outcome.wrong = len(watched.acknowledged), watched.wrong
    outcome.verdict = compare(private_url(one), expected([sim.tally]), watched.acknowledged)
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


async def _play(one: Turnpike, load: Load, outcome: Outcome) -> tuple[Simulation, Watched]:
    chance, watched = random.Random(load.seed), Watched()
    pace = Pace(Clock(), speed=load.speed, behind_s=BEHIND_S)
    began = time.monotonic()
    async with Simulation(
        server(one), SECRET, seed=load.seed, pace=pace, watch=watched.note
    ) as sim:
        await populate(sim, load.scenario, load.seed)
        killing = asyncio.create_task(_kill(one, load, sim, watched, chance, outcome))
        try:
            await sim.until(
                lambda: killing.done() and sim.tally.counts[What.ACCEPTED] >= load.sessions,
                BEHIND_S / load.speed,
            )
            await killing
        finally:
            killing.cancel()
        await asyncio.sleep(BOOTED_WITHIN_S / load.speed)  # the last box is up again
        for nas in sim.nases:
            nas.stop()
        await sim.settled(GIVE_UP_AFTER_S)
        outcome.reported_s = time.monotonic() - began
    return sim, watched


async def _kill(
    one: Turnpike,
    load: Load,
    sim: Simulation,
    watched: Watched,
    chance: random.Random,
    outcome: Outcome,
) -> None:
    """Kill as often as asked, spread over the time that the sessions take."""
    turns = load.sessions / load.at_once
    pause_s = turns * load.pace_s * (load.interims + 1) / max(load.kills, 1)
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
        if chance.random() < REBOOTS:
            chance.choice(sim.nases).reboot(says_so=True)
            outcome.reboots += 1
        if victim in (WORKER, SUPERVISOR):
            outcome.first_answers_s.append(await _answered(sim, watched, since))
        if victim == DATABASE:
            outcome.reconnects_s.append(await _reconnected(one))


async def _answered(sim: Simulation, watched: Watched, since: float) -> float:
    """How long until every box that has something to say was answered again."""
    while time.monotonic() - since < ANSWERS_WITHIN_S:
        if all(watched.answered_at.get(nas.name, 0) > since or nas.is_idle for nas in sim.nases):
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
            if moved_s is not None and moved_s > killed_at:
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
