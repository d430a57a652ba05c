"""A whole scenario in less than a second, at a server that says yes to everything."""

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from app.simulator import summary
from app.simulator.events import ACCOUNTING_ON, INTERIM, LOST_CARRIER, START, STOP, USER_REQUEST
from app.simulator.faults import Coa, Faults
from app.simulator.habits import Habits
from app.simulator.makes import MAKES
from app.simulator.personality import Box
from app.simulator.playing import play
from app.simulator.scenario import Crowd, Deed, Event, Place, Scenario
from app.simulator.simulation import Simulation
from core.clock import Clock
from tests.app.simulator.driving import SECRET
from tests.app.simulator.yes import YesMan, yes_man

# Of the simulation's time 600 s pass in a second.
PLACE = Place(
    Box("bng-1", "127.0.0.1"),
    MAKES["cisco"],
    coa_port=0,
    habits=Habits(pause_s=20),
    crowd=Crowd(count=5, method="pap", ramp_s=10),
)
QUIET = Scenario((PLACE,), speed=600)


async def played(scenario: Scenario, yes: YesMan, minutes: float = 0.01) -> Simulation:
    seen: list[float] = []
    stop, hurry = asyncio.Event(), asyncio.Event()
    sim = await play(
        scenario,
        yes.server,
        SECRET,
        seed=1,
        minutes=minutes,
        stop=stop,
        hurry=hurry,
        progress=lambda _, played_s: seen.append(played_s),
        clock=Clock(),
    )
    assert seen
    return sim


async def test_everybody_dials_reports_and_hangs_up_in_the_end() -> None:
    async with yes_man() as yes:
        sim = await played(QUIET, yes)
        assert len(yes.records(START)) == len(yes.records(STOP)) == 5
        # After 300 of the 360 seconds; of more, where this machine was slow.
        interims = len(yes.records(INTERIM))
        assert interims >= 5
        assert {one.cause for one in sim.tally.sessions} == {USER_REQUEST}
        found = summary.document(sim.tally, seed=1, unbelieved=0, pending=0)
        for one in found["sessions"]:
            assert one["acknowledged"]["output_octets"] == one["output_octets"]
        assert found["records"]["acknowledged"] == 10 + interims


@pytest.mark.parametrize("says_so", [True, False])
async def test_a_reboot_loses_all_stops_and_the_devices_dial_again(says_so: bool) -> None:
    reboot = Event(120, Deed.REBOOT, accounting_on=says_so)
    async with yes_man() as yes:
        sim = await played(replace(QUIET, events=(reboot,)), yes)
        causes = Counter(one.cause for one in sim.tally.sessions)
        assert causes == {LOST_CARRIER: 5, USER_REQUEST: 5}
        assert len(yes.records(STOP)) == 5, "of those who came back"
        assert len(yes.records(ACCOUNTING_ON)) == (1 if says_so else 0)


async def test_an_event_may_change_the_faults_and_send_all_home() -> None:
    events = (
        Event(60, Deed.HANG_UP_ALL, "bng-1"),
        Event(120, Deed.FAULTS, faults=Faults(coa=Coa.SILENT)),
        Event(60, Deed.HANG_UP_ALL, "bng-1"),
    )
    async with yes_man() as yes:
        sim = await played(replace(QUIET, events=events), yes)
        assert len(yes.records(START)) == 10
        assert sim.nases[0].faults.coa is Coa.SILENT
