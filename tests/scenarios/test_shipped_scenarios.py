"""The simulator's own scenarios against the ISP that is shipped with them: whoever is online
gets another rate, and what the boxes were acknowledged is what is in the books."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import scenario_file
from app.simulator.playing import play
from app.simulator.service import Rates
from app.simulator.simulation import Server, Simulation
from core.clock import Clock
from tests.scenarios.flows import private_url, sql
from tests.serving import ROOT, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

ISP_FILE = ROOT / "deploy/simulated-isp.toml"
BEFORE, AFTER = 'download = "50M"', 'download = "40M"'
PATIENCE_MIN = 3.0
LIARS = {"mixed": set(), "bad-day": {"sim-huawei"}}
# A reboot of `bad-day` ends what nobody was told of: what was reported before it counts.
BOOKS = """
SELECT username, sum(input_octets)::bigint, sum(output_octets)::bigint FROM session
 WHERE stopped_at IS NOT NULL GROUP BY username
"""


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Turnpike]:
    with turnpike_process() as one:
        one.command("apply", str(ISP_FILE))
        one.settle()
        yield one


@pytest.mark.parametrize("name", LIARS)
async def test_a_shipped_scenario_gets_another_rate_in_the_midst_of_it(
    house: Turnpike, tmp_path: Path, name: str
) -> None:
    scenario = scenario_file.read(name)
    changed = tmp_path / "isp.toml"
    changed.write_text(ISP_FILE.read_text().replace(BEFORE, AFTER))
    stop = asyncio.Event()
    at_work: asyncio.Future[Simulation] = asyncio.get_running_loop().create_future()
    playing = asyncio.create_task(
        play(
            scenario,
            Server("127.0.0.1", house.auth[1], house.acct[1]),
            scenario.secret,
            seed=7,
            minutes=PATIENCE_MIN,
            stop=stop,
            hurry=asyncio.Event(),
            progress=lambda sim, _: None if at_work.done() else at_work.set_result(sim),
            clock=Clock(),
        )
    )
    try:
        sim = await at_work
        count = sum(place.crowd.count for place in scenario.places)
        await sim.until(lambda: len(sim.online()) > 0.8 * count, PATIENCE_MIN * 60)
        await asyncio.to_thread(house.command, "apply", str(changed))
        await sim.until(
            lambda: all(
                session.rates == Rates(40_000_000, 20_000_000)
                for nas in sim.nases
                for session in nas.sessions
                if nas.name not in LIARS[name] and session.rates.upload_bps == 20_000_000
            ),
            PATIENCE_MIN * 60,
        )
        assert not playing.done(), "it was told in the midst of it"
        lies = [
            session
            for nas in sim.nases
            for session in nas.sessions
            if session.rates.download_bps == 50_000_000
        ]
        assert bool(lies) == bool(LIARS[name])
    finally:
        stop.set()
        await playing
    told: dict[str, tuple[int, int]] = {}
    for one in sim.tally.sessions.values():
        last = one.acknowledged
        if last is not None:
            before = told.get(one.session.username, (0, 0))
            told[one.session.username] = (
                before[0] + last.input_octets,
                before[1] + last.output_octets,
            )

    def books() -> dict[str, tuple[int, int]]:
        rows = sql(private_url(house), BOOKS)
        return {username: (received, sent) for username, received, sent in rows}

    await asyncio.to_thread(eventually, lambda: books() == told, 60.0, lambda: f"{books()} {told}")
