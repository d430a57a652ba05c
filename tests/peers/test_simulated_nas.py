"""radclient tells our simulated NASes what to do: they speak RFC 5176 as somebody else reads it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from app.simulator import accel_ppp, cisco, huawei, mikrotik
from app.simulator.personality import Box
from app.simulator.service import Rates
from app.simulator.session import Session, Subscriber
from app.simulator.simulated import SimulatedNas
from app.simulator.simulation import Server, Simulation
from tests.peers.programs import needs, run
from tests.peers.test_radclient import received
from tests.serving import PASSWORD, SECRET, Turnpike

pytestmark = pytest.mark.peer

ALICE = Subscriber("alice", PASSWORD, redials=False)
SLOW = {"slow": Rates(download_bps=2_000_000, upload_bps=1_000_000)}
# Of these only MikroTik signs its logins.
BOXES = {
    "mikrotik": (Box("told-1", "127.0.0.51", services=SLOW), mikrotik.PPPOE),
    "cisco": (Box("told-2", "127.0.0.52", services=SLOW), cisco.PERSONALITY),
    "huawei_bng": (Box("told-3", "127.0.0.53", services=SLOW), huawei.PERSONALITY),
    "accel_ppp": (Box("told-4", "127.0.0.54", services=SLOW), accel_ppp.PERSONALITY),
}


@pytest.fixture(scope="module")
def known(isp: Turnpike) -> Turnpike:
    """Where our NASes are known."""
    nases = [
        {
            "name": box.name,
            "address": box.address,
            "secret": SECRET,
            "vendor": vendor,
            "require_message_authenticator": make.signs_requests,
        }
        for vendor, (box, make) in BOXES.items()
    ]
    isp.apply({"tenant": "test-isp", "nas": nases})
    return isp


@pytest_asyncio.fixture
async def sim(known: Turnpike) -> AsyncIterator[Simulation]:
    async with Simulation(Server("127.0.0.1", known.auth[1], known.acct[1]), SECRET) as one:
        yield one


async def tell(
    nas: SimulatedNas, command: str, *attributes: str, secret: str = SECRET, timeout_s: float = 10
) -> tuple[str, set[str]]:
    """What radclient hears: the packet's name, or "" for silence, and its attributes."""
    host, port = nas.coa_address
    done = await asyncio.to_thread(
        run,
        *(needs("radclient"), "-x", "-r", "1", "-t", str(timeout_s), f"{host}:{port}"),
        *(command, secret),
        stdin=", ".join(attributes),
    )
    code, told = received(done.stdout)
    return code, {one for one in told if not one.startswith("Message-Authenticator")}


def meant(session: Session) -> tuple[str, ...]:
    return (
        f"User-Name={session.username}",
        f"Acct-Session-Id={session.acct_session_id}",
        f"Framed-IP-Address={session.framed_ip}",
        "Proxy-State=0x6f757273",
    )


@pytest.mark.parametrize("signed", [True, False], ids=["signed", "not signed"])
@pytest.mark.parametrize(
    ("vendor", "change"),
    [
        ("mikrotik", "Mikrotik-Rate-Limit=1M/2M"),
        ("cisco", 'Cisco-AVPair="subscriber:sub-qos-policy-out=slow"'),
        ("huawei_bng", "Huawei-Output-Average-Rate=2000000"),
        ("accel_ppp", "Filter-Id=1000/2000"),
    ],
)
async def test_radclient_changes_and_ends_a_session(
    sim: Simulation, vendor: str, change: str, signed: bool
) -> None:
    nas = await sim.add(*BOXES[vendor], coa_port=0)
    session = await sim.dial(ALICE)
    before = session.rates
    signature = ("Message-Authenticator=0x00",) if signed else ()
    said = (*meant(session), *signature)
    assert await tell(nas, "coa", *said, change) == ("CoA-ACK", {"Proxy-State = 0x6f757273"})
    assert session.rates != before
    ended = await tell(nas, "disconnect", *said)
    assert ended == ("Disconnect-ACK", {"Proxy-State = 0x6f757273"})
    assert sim.online() == []
    again, told = await tell(nas, "disconnect", *said)
    assert again == "Disconnect-NAK"
    assert "Error-Cause = Session-Context-Not-Found" in told
    await sim.settled()


async def test_radclient_with_another_secret_hears_nothing(sim: Simulation) -> None:
    nas = await sim.add(*BOXES["mikrotik"], coa_port=0)
    session = await sim.dial(ALICE)
    answer = await tell(nas, "disconnect", *meant(session), secret="another", timeout_s=0.7)
    assert answer == ("", set())
    assert sim.online() == [session]
    nas.hang_up(session)
    await sim.settled()
