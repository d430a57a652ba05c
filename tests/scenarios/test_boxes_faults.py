"""Boxes that do not do what they are told: each is listed with its cause, and none is asked
without end (fault P11, from the command to the wire and back)."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from app.simulator.events import What
from app.simulator.faults import NONE, Coa, Faults
from app.simulator.scenario import station
from app.simulator.session import Session, Subscriber
from app.simulator.simulated import SimulatedNas
from tests.scenarios.simulated import Boxes, boxes
from tests.serving import PASSWORD, Turnpike, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

PLAN: dict[str, object] = {"code": "home", "download": "50M", "upload": "20M"}
SENDS_MAX = 3  # of one request
AFTER_AN_ACK_S = 25.0  # a report of so long after it tells whether it was kept
QUIET_S = 5.0
STORM = 1_000


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    with turnpike_process(RADIUS__REJECT_DELAY_S="0") as one:
        yield one


@pytest_asyncio.fixture
async def place(house: Turnpike) -> AsyncIterator[Boxes]:
    async with boxes(house) as one:
        yield one


def someone(name: str) -> dict[str, object]:
    return {"username": name, "password": PASSWORD, "plan": "home"}


async def dialled(place: Boxes, nas: SimulatedNas) -> tuple[Session, int]:
    """The one subscriber of a box, who has its name."""
    session = await place.sim.dial(Subscriber(nas.name, PASSWORD, redials=False), nas)
    return session, await place.known(session)


async def test_boxes_that_do_not_obey_are_listed_with_the_cause_and_left_in_peace(
    place: Boxes,
) -> None:
    """Five kinds of them at once; then they come to their senses, and obey after all."""
    faults = {
        "silent": Coa.SILENT,
        "forger": Coa.FORGED,
        "forgetful": Coa.NAK_503,
        "liar": Coa.NO_EFFECT,
    }
    nases = {
        name: await place.add(name, "mikrotik-pppoe", f"127.0.0.{51 + at}")
        for at, name in enumerate(faults)
    }
    nases["stranger"] = await place.add(
        "stranger", "mikrotik-pppoe", "127.0.0.55", coa_secret="of-another-box"
    )
    nases["deaf"] = await place.add("deaf", "ipoe", "127.0.0.56", vendor="pfsense")
    await place.apply([PLAN], [someone(name) for name in nases])
    sessions = {name: await dialled(place, nas) for name, nas in nases.items()}
    for name, fault in faults.items():
        nases[name].faults = Faults(coa=fault)

    people = [someone(name) | {"status": "suspended"} for name in nases]
    await place.apply([PLAN], people)
    for name, states in {
        "forgetful": ("stale",),
        "liar": ("told",),
        "deaf": ("waiting",),
    }.items():
        await place.becomes(sessions[name][1], *states)
    for name in ("silent", "forger", "stranger"):
        await place.eventually(
            "SELECT cause FROM enforcement WHERE session_id = $1",
            sessions[name][1],
            so=lambda rows: rows and rows[0]["cause"],
        )
        assert place.asked[name] <= SENDS_MAX
    await asyncio.sleep(AFTER_AN_ACK_S)
    assert await nases["liar"].report(sessions["liar"][0])
    await place.becomes(sessions["liar"][1], "waiting")

    before = place.asked.copy()
    await asyncio.sleep(QUIET_S)
    again = place.asked - before
    assert sum(again.values()) <= 3 * SENDS_MAX, "at most once more of those who were silent"
    assert place.asked["forgetful"] <= SENDS_MAX
    assert place.asked["liar"] <= SENDS_MAX
    assert not place.asked["deaf"]
    listed = {one["nas"]: one for one in await place.listed("enforcement", "list")}
    assert listed.keys() == nases.keys()
    for name, cause in {
        "silent": "disconnect: no answer to 3 requests",
        "stranger": "disconnect: no answer to 3 requests",
        "forger": "disconnect: answers with another secret",
        "forgetful": "disconnect: 503 Session-Context-Not-Found",
        "liar": "disconnect: acknowledged, and the session goes on",
        "deaf": "disconnect: takes no Disconnect-Request",
    }.items():
        assert listed[name]["cause"].startswith(cause)
        assert (listed[name]["wanted"], listed[name]["reason"]) == ("no session", "suspended")
    assert listed["forgetful"]["error_cause"] == 503
    assert all(session.is_online for session, _ in sessions.values())
    assert place.coa(nases["forger"]).ignored["authenticator"] >= SENDS_MAX

    for name in faults:
        nases[name].faults = NONE
    for name in ("silent", "forger"):
        session = sessions[name][0]
        await place.until(lambda session=session: not session.is_online)  # type: ignore[misc]


async def test_a_storm_of_disconnects_keeps_nobody_from_logging_in(place: Boxes) -> None:
    bras = await place.add("crowded", "accel-ppp", "127.0.0.57")
    other = await place.add("other", "mikrotik-pppoe", "127.0.0.58")
    names = [f"crowd-{number}" for number in range(STORM)]
    people = [someone(name) for name in names]
    await place.apply([PLAN], [*people, someone("other")])
    for at in range(0, STORM, 50):
        await asyncio.gather(
            *(
                place.sim.dial(
                    Subscriber(name, PASSWORD, station(at + n), method="pap", redials=False), bras
                )
                for n, name in enumerate(names[at : at + 50])
            )
        )
    await place.eventually(
        "SELECT count(*) FROM session JOIN nas ON nas.id = nas_id"
        " WHERE name = 'crowded' AND stopped_at IS NULL",
        so=lambda rows: rows[0][0] == STORM,
    )
    held = [one | {"status": "suspended"} for one in people]
    storm = asyncio.create_task(place.apply([PLAN], held))
    logins = 0
    while bras.sessions:
        session = await place.sim.dial(Subscriber("other", PASSWORD, redials=False), other)
        other.hang_up(session)
        logins += 1
    await storm
    assert logins
    assert place.sim.tally.counts[What.ACKED] == STORM, "each was ended, and once"
    await place.eventually(
        "SELECT count(*) FROM session JOIN nas ON nas.id = nas_id"
        " WHERE name = 'crowded' AND stopped_at IS NULL",
        so=lambda rows: not rows[0][0],
    )
