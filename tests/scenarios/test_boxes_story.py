"""A subscriber's month at three makes over a bad network, and nobody lends a hand.

What is decided reaches the boxes by enforcement alone.  What a box does is seen in its
session, not in its ACK.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from app.simulator.faults import Faults
from app.simulator.service import Rates
from app.simulator.session import Subscriber
from tests.scenarios.simulated import Boxes, boxes
from tests.serving import PASSWORD, Turnpike, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

BAD = Faults(loss=0.05, duplicates=0.05)
MAKES = {
    "mikrotik-pppoe": "127.0.0.41",
    "cisco": "127.0.0.42",
    "accel-ppp": "127.0.0.43",
}
FULL = Rates(50_000_000, 20_000_000)
SLOW = Rates(1_000_000, 512_000)
PLAN: dict[str, object] = {
    "code": "monthly",
    "download": "50M",
    "upload": "20M",
    "quota": "100MB",
    "fup": {"download": "1M", "upload": "512k"},
    # Where all octets count alike, a MikroTik ends the session itself at the last of them,
    # and the next login is slow: then there is nothing to throttle.
    "zones": [{"from": "00:00", "to": "06:00", "weight": 0.5}],
}
# What was, was a month ago, as far as the quota of one subscriber goes: his window is over,
# and the job that was left for its end is due.
A_MONTH_PASSES = (
    "UPDATE usage SET begins_at = begins_at - interval '1 month' WHERE subscriber_id = $1",
    "UPDATE quota_usage SET starts_at = starts_at - interval '1 month',"
    " ends_at = ends_at - interval '1 month' WHERE subscriber_id = $1",
    "UPDATE quota_crossing SET window_starts_at = window_starts_at - interval '1 month',"
    " crossed_at = crossed_at - interval '1 month' WHERE subscriber_id = $1",
    "UPDATE quota_state SET window_starts_at = window_starts_at - interval '1 month',"
    " window_ends_at = window_ends_at - interval '1 month' WHERE subscriber_id = $1",
    "UPDATE turnpike_jobs.pgqueuer SET execute_after = execute_after - interval '1 month'"
    " WHERE entrypoint = 'enforce' AND status = 'queued'"
    " AND dedupe_key LIKE '%/enforce/' || $1::bigint || '/%'",
)


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    with turnpike_process(RADIUS__REJECT_DELAY_S="0") as one:
        yield one


@pytest_asyncio.fixture
async def place(house: Turnpike) -> AsyncIterator[Boxes]:
    async with boxes(house) as one:
        yield one


@pytest.mark.parametrize("make", MAKES)
async def test_a_month_with_a_throttle_a_suspension_and_full_speed_again(
    place: Boxes, make: str
) -> None:
    name = f"story-{make}"
    nas = await place.add(name, make, MAKES[make], BAD)
    await place.apply(
        [PLAN],
        [
            {
                "username": name,
                "password": PASSWORD,
                "plan": "monthly",
                "when_suspended": "walled_garden",
            }
        ],
    )
    first = await place.sim.dial(Subscriber(name, PASSWORD))
    assert first.rates == FULL
    await place.known(first)

    first.carry(download=300_000_000)
    assert await nas.report(first)
    await place.until(lambda: first.rates == SLOW)

    [[subscriber_id]] = await place.eventually(
        "SELECT id FROM subscriber WHERE username = $1", name, so=bool
    )
    await place.execute(*A_MONTH_PASSES, about=subscriber_id)
    await place.until(lambda: first.rates == FULL)
    assert first.is_online

    await place.command("subscriber", "suspend", name)
    await place.until(lambda: not first.is_online)
    await place.until(lambda: place.sim.online(name))
    [walled] = place.sim.online(name)
    assert walled.is_walled
    await place.known(walled)

    await place.command("subscriber", "resume", name)
    await place.until(lambda: not walled.is_online)
    await place.until(lambda: place.sim.online(name))
    [free] = place.sim.online(name)
    assert not free.is_walled
    assert free.rates == FULL

    # Three sessions, each ended by us but the last, and what they carried is in the books.
    nas.stop()
    await place.sim.settled()
    told = [one.session for one in place.sim.tally.sessions.values()]
    assert told == [first, walled, free]
    await place.eventually(
        "SELECT sum(output_octets)::bigint FROM session"
        " WHERE username = $1 AND stopped_at IS NOT NULL HAVING count(*) = 3",
        name,
        so=lambda rows: [row[0] for row in rows] == [sum(one.output_octets for one in told)],
    )
    assert not [one for one in await place.listed("enforcement", "list") if one["nas"] == name]
