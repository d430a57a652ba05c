"""A subscriber's day at three makes over a bad network: throttle, walled garden, full speed.

The operator's hand stands in for enforcement: it asks the dialect what to say, and the CoA
client says it.  What the box does is seen in the session, not in the ACK.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from app.simulator.faults import Faults
from app.simulator.habits import Habits
from app.simulator.makes import MAKES
from app.simulator.personality import Box
from app.simulator.service import Rates
from app.simulator.session import Session, Subscriber
from app.simulator.simulated import SimulatedNas
from app.simulator.simulation import Server, Simulation
from core.clock import Clock
from core.secret import Secret
from dictionaries.loader import load
from nas_adapters.base import SessionRef, Step, Unchangeable
from nas_adapters.coa import Acked, CoaClient, CoaTarget, Naked
from nas_adapters.profile import ServiceProfile
from nas_adapters.vendors import VENDORS
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

BAD = Faults(loss=0.05, duplicates=0.05)
PLACES = {
    "mikrotik-pppoe": ("127.0.0.21", "mikrotik"),
    "cisco": ("127.0.0.22", "cisco"),
    "accel-ppp": ("127.0.0.23", "accel_ppp"),
}
FULL = ServiceProfile(50_000_000, 20_000_000)
SLOW = ServiceProfile(1_000_000, 512_000)


@pytest.fixture
def house(isp: Turnpike) -> Turnpike:
    isp.apply(
        {
            "tenant": "test-isp",
            "nas": [
                {
                    "name": f"story-{make}",
                    "address": address,
                    "secret": SECRET,
                    "vendor": vendor,
                    "require_message_authenticator": False,
                }
                for make, (address, vendor) in PLACES.items()
            ],
            "plan": [{"code": "story", "download": "50M", "upload": "20M"}],
            "subscriber": [
                {
                    "username": f"story-{make}",
                    "password": PASSWORD,
                    "plan": "story",
                    "when_suspended": "walled_garden",
                }
                for make in PLACES
            ],
        }
    )
    return isp


@pytest_asyncio.fixture
async def sim(house: Turnpike) -> AsyncIterator[Simulation]:
    async with Simulation(Server("127.0.0.1", house.auth[1], house.acct[1]), SECRET) as one:
        yield one


class Hand:
    """Does what enforcement would."""

    def __init__(self, client: CoaClient, nas: SimulatedNas, vendor: str) -> None:
        self._client = client
        self._vendor = VENDORS[vendor]
        host, port = nas.coa_address
        self._nas = nas
        self._target = CoaTarget(host, port, Secret(SECRET.encode()))

    async def change(self, wanted: ServiceProfile, applied: ServiceProfile, one: Session) -> None:
        steps = self._vendor.change(wanted, applied, self._reference(one))
        assert not isinstance(steps, Unchangeable)
        for step in steps:
            assert isinstance(await self._client.send(self._target, step), Acked)

    async def disconnect(self, one: Session) -> None:
        step = self._vendor.disconnect(self._reference(one))
        assert isinstance(step, Step)
        result = await self._client.send(self._target, step)
        # A lost ACK makes a second request, which meets no session any more (503).
        assert isinstance(result, Acked) or (
            isinstance(result, Naked) and result.error_cause == 503
        )

    def _reference(self, one: Session) -> SessionRef:
        return SessionRef(one.acct_session_id, one.username, one.framed_ip)


@pytest.mark.parametrize("make", PLACES)
async def test_a_day_with_a_throttle_a_walled_garden_and_full_speed_again(
    house: Turnpike, sim: Simulation, make: str
) -> None:
    address, vendor = PLACES[make]
    name = f"story-{make}"
    nas = await sim.add(
        Box(name, address),
        replace(MAKES[make], resend_after_s=0.5),
        coa_port=0,
        faults=BAD,
        habits=Habits(pause_s=0.2, reject_pause_s=0.2),
    )
    first = await sim.dial(Subscriber(name, PASSWORD, download_bps=30_000_000))
    assert first.rates == Rates(50_000_000, 20_000_000)
    async with CoaClient(load(), Clock()) as client:
        hand = Hand(client, nas, vendor)
        await hand.change(SLOW, FULL, first)
        assert first.rates == Rates(1_000_000, 512_000)
        before = sim.online(name)[0].output_octets
        sim.advance(300)
        assert sim.online(name)[0].output_octets - before == pytest.approx(37_500_000, rel=0.02)
        await hand.change(FULL, SLOW, first)
        assert first.rates == Rates(50_000_000, 20_000_000)

        house.command("subscriber", "suspend", name)
        house.settle()
        await hand.disconnect(first)
        await sim.until(lambda: sim.online(name))
        [walled] = sim.online(name)
        assert walled.is_walled
        assert walled is not first

        house.command("subscriber", "resume", name)
        house.settle()
        await hand.disconnect(walled)
        await sim.until(lambda: sim.online(name))
        [free] = sim.online(name)
        assert not free.is_walled
        assert free.rates == Rates(50_000_000, 20_000_000)
    nas.stop()
    await sim.settled()
    told = sim.tally.sessions
    assert [one.session.is_online for one in told.values()] == [False] * 3
    for one in told.values():
        assert one.acknowledged is not None
        assert one.acknowledged.output_octets == one.session.output_octets
