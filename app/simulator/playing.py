"""A scenario from its first dial to its last Stop.

A shell: it puts the scenario's dials and events on the NASes' agendas, waits, and lets
everybody hang up, so that a server's books can be compared with the counters.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from app.simulator.pace import Pace
from app.simulator.scenario import Deed, Event, Scenario, subscribers
from app.simulator.session import Subscriber
from app.simulator.simulated import SimulatedNas
from app.simulator.simulation import Server, Simulation
from core.clock import Clock

SETTLES_WITHIN_S: Final = 60.0
LOOKS_EVERY_S: Final = 0.5


async def play(
    scenario: Scenario,
    server: Server,
    secret: str,
    *,
    seed: int,
    minutes: float,
    stop: asyncio.Event,
    hurry: asyncio.Event,
    progress: Callable[[Simulation, float], None],
    clock: Clock,
) -> Simulation:
    """Until its minutes are over or `stop` is set, and until all that was asked then is answered,
    given up, or `hurry` is set; `progress` is told the seconds played.

    Raises:
        OSError: an address is not one of this machine's, or a CoA port is taken.
    """
    pace = Pace(clock, speed=scenario.speed, behind_s=scenario.behind_s)
    async with Simulation(server, secret, seed=seed, pace=pace) as sim:
        await populate(sim, scenario, seed)
        began_at = clock.monotonic()
        while not stop.is_set() and (played_s := clock.monotonic() - began_at) < minutes * 60:
            progress(sim, played_s)
            left_s = minutes * 60 - played_s
            with suppress(TimeoutError):
                async with asyncio.timeout(min(LOOKS_EVERY_S, left_s)):
                    await stop.wait()
        for nas in sim.nases:
            nas.stop()
        progress(sim, clock.monotonic() - began_at)
        await _settle(sim, hurry)
    return sim


async def _settle(sim: Simulation, hurry: asyncio.Event) -> None:
    """What is open after that is told as open."""
    waiting = {asyncio.create_task(hurry.wait()), asyncio.create_task(sim.settled(None))}
    _, pending = await asyncio.wait(
        waiting, timeout=SETTLES_WITHIN_S, return_when=asyncio.FIRST_COMPLETED
    )
    for task in pending:
        task.cancel()


async def populate(sim: Simulation, scenario: Scenario, seed: int) -> None:
    """Open the scenario's NASes, and put its dials and events on their agendas.

    Raises:
        OSError: an address is not one of this machine's, or a CoA port is taken.
    """
    now = sim.pace.now()
    for place in scenario.places:
        nas = await sim.add(
            place.box,
            place.make,
            secret=scenario.secrets.get(place.box.name),
            coa_port=place.coa_port,
            faults=place.faults,
            habits=place.habits,
        )
        for after_s, subscriber in subscribers(place, seed):
            nas.core.plan(now + after_s, partial(_dial, nas, subscriber))
        for event in scenario.events:
            if event.nas in ("", place.box.name):
                nas.core.plan(now + event.at_s, partial(_do, nas, event))
        nas.move()


def _dial(nas: SimulatedNas, subscriber: Subscriber, at_s: float) -> None:
    nas.core.dial(subscriber, at_s)


def _do(nas: SimulatedNas, event: Event, at_s: float) -> None:
    if event.do is Deed.REBOOT:
        nas.core.reboot(at_s, says_so=event.accounting_on)
    elif event.do is Deed.FAULTS:
        nas.faults = event.faults
    else:
        nas.core.hang_up_all(at_s)
