"""Simulated NASes against a running server: real packets, real answers, a bad network."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.simulator import mikrotik
from app.simulator.events import What
from app.simulator.faults import Faults
from app.simulator.personality import Box
from app.simulator.service import Rates
from app.simulator.session import Subscriber
from app.simulator.simulated import NotOnline
from app.simulator.simulation import Server, Simulation
from tests.asking import Answer, accounting_request, read, tlv, vsa
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = pytest.mark.scenario

KEY = SECRET.encode()
MIKROTIK_BOX = Box("bng-mikrotik", "127.0.0.2")
DEMAND_BPS = 40_000_000


def alice(method: str, download_bps: int = 0) -> Subscriber:
    return Subscriber("alice", PASSWORD, method=method, redials=False, download_bps=download_bps)


def server(isp: Turnpike) -> Server:
    return Server("127.0.0.1", isp.auth[1], isp.acct[1])


@pytest_asyncio.fixture
async def sim(isp: Turnpike) -> AsyncIterator[Simulation]:
    async with Simulation(server(isp), SECRET) as one:
        yield one


async def coa(to: tuple[str, int], code: int, *attributes: bytes) -> Answer:
    """Ask a NAS, as the server will."""
    request = accounting_request(b"".join(attributes), secret=KEY, code=code)

    def ask() -> bytes:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(5)
            sock.sendto(request, to)
            return sock.recv(4096)

    return read(await asyncio.to_thread(ask), request, KEY, signed=False)


@pytest.mark.parametrize("method", ["pap", "chap", "mschapv2"])
async def test_a_subscriber_comes_online_whatever_his_method(sim: Simulation, method: str) -> None:
    nas = await sim.add(MIKROTIK_BOX, mikrotik.PPPOE, coa_port=0)
    session = await sim.dial(alice(method))
    assert session.rates == Rates(download_bps=50_000_000, upload_bps=20_000_000)
    assert session.service.interim_s == 300
    nas.hang_up(session)
    await sim.settled()
    assert sim.tally.counts[What.ACKNOWLEDGED] == 2, "Start and Stop"


async def test_a_wrong_password_is_no_session(sim: Simulation) -> None:
    await sim.add(MIKROTIK_BOX, mikrotik.PPPOE, coa_port=0)
    with pytest.raises(NotOnline) as refused:
        await sim.dial(Subscriber("alice", "not hers", redials=False))
    assert refused.value.what is What.REJECTED
    assert sim.online() == []


@pytest.mark.slow
async def test_the_servers_books_hold_what_the_nas_counted(isp: Turnpike, sim: Simulation) -> None:
    nas = await sim.add(MIKROTIK_BOX, mikrotik.PPPOE, coa_port=0)
    session = await sim.dial(alice("chap", download_bps=DEMAND_BPS))
    session.carry(download=3 * 2**32 + 5, upload=77)
    assert await nas.report(session)
    told = f"{session.output_octets}"
    for _ in range(100):
        found = json.loads(isp.command("session", "list", "--json"))
        if any(str(one["output_octets"]) == told for one in found):
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail(f"{told} is nowhere in {found}")
    nas.hang_up(session)
    await sim.settled()


async def test_a_throttle_by_coa_is_obeyed_on_the_wire(sim: Simulation) -> None:
    nas = await sim.add(MIKROTIK_BOX, mikrotik.PPPOE, coa_port=0)
    session = await sim.dial(alice("pap", download_bps=DEMAND_BPS))
    who = tlv(1, "alice") + tlv(44, session.acct_session_id)
    assert (await coa(nas.coa_address, 43, who, vsa(14988, 8, b"1M/2M"))).code == 44
    assert session.rates == Rates(upload_bps=1_000_000, download_bps=2_000_000)
    assert (await coa(nas.coa_address, 40, who)).code == 41
    await sim.settled()
    assert sim.online() == []


@pytest.mark.slow
async def test_a_bad_network_loses_no_login_and_no_record(isp: Turnpike) -> None:
    bad = Faults(loss=0.05, duplicates=0.05, reordered=0.05)
    async with Simulation(server(isp), SECRET, seed=7) as sim:
        nas = await sim.add(MIKROTIK_BOX, mikrotik.PPPOE, coa_port=0, faults=bad)
        sessions = await asyncio.gather(*(nas.dial(alice("chap")) for _ in range(40)))
        for session in sessions:
            nas.hang_up(session)
        await sim.settled()
        assert sim.tally.counts[What.ACCEPTED] == 40
        assert sim.tally.counts[What.ACKNOWLEDGED] == 80
        assert sim.tally.counts[What.UNACKNOWLEDGED] == 0
