"""BUG13: each dialect's Disconnect and CoA, over a socket, at a box that is as strict as that make.

The box has one session.  It refuses what its make refuses: an attribute that it does not take
(401), names that do not meet its session (503), no name that it looks for (402).
"""

from dataclasses import dataclass

import pytest

from core.clock import Clock
from core.secret import Secret
from dictionaries.loader import load
from nas_adapters.base import Step, Unchangeable
from nas_adapters.coa import Acked, CoaClient, CoaTarget
from nas_adapters.vendors import VENDORS, vendor
from tests.nas_adapters.asked import DISCONNECT, SECRET, Asked, Behaviour, Nas, ack, nak, nas
from tests.nas_adapters.golden_rows import HOME, PROFILES, SESSION

DICTIONARY = load()
USER_NAME, NAS_ADDRESS, FRAMED_IP, STATION, NAS_IDENTIFIER = 1, 4, 8, 31, 32
SESSION_ID, MULTI_SESSION_ID, EVENT_TIMESTAMP, SIGNATURE, PORT_NAME = 44, 50, 55, 80, 87
OURS = {
    USER_NAME: b"alice@isp",
    NAS_ADDRESS: bytes((192, 0, 2, 1)),
    FRAMED_IP: bytes((198, 51, 100, 7)),
    STATION: b"02:00:5E:10:00:01",
    NAS_IDENTIFIER: b"bras-1",
    SESSION_ID: b"81500012",
    MULTI_SESSION_ID: b"m-1",
    PORT_NAME: b"lag-1:10.300",
}
FRESHNESS = {EVENT_TIMESTAMP, SIGNATURE}
ANY = set(OURS) | FRESHNESS


@dataclass(frozen=True, slots=True)
class Make:
    """What it takes in a Disconnect, and what it looks a session up by: any of these is there."""

    takes: frozenset[int] | set[int]
    needs: frozenset[int] | set[int]


BY_SESSION = Make(ANY, {SESSION_ID})
MAKES = {  # vendor docs or its source where it is strict; else as loose as the RFC
    "accel_ppp": Make(ANY - {NAS_ADDRESS, NAS_IDENTIFIER}, {SESSION_ID, USER_NAME}),
    "coovachilli": Make(ANY, {USER_NAME}),
    "hostapd": Make(
        {USER_NAME, NAS_ADDRESS, NAS_IDENTIFIER, STATION, SESSION_ID, MULTI_SESSION_ID} | FRESHNESS,
        {STATION, SESSION_ID, MULTI_SESSION_ID},
    ),
    "nokia": Make({SESSION_ID, *FRESHNESS}, {SESSION_ID}),
    "cambium": Make(ANY, {STATION}),
    "ruckus": Make(ANY, {STATION}),
    "unifi": Make(ANY, {STATION}),
}
MAKES["edgerouter"] = MAKES["accel_ppp"]


def strict(make: Make, ended: list[Asked]) -> Behaviour:
    def behaves(box: Nas, asked: Asked) -> None:
        names = {number: value for number, value in asked.attributes if number in OURS}
        numbers = {number for number, _ in asked.attributes}
        if asked.code == DISCONNECT and not numbers <= make.takes:
            box.send(nak(asked.octets, 401), asked)
        elif not make.needs & names.keys():
            box.send(nak(asked.octets, 402), asked)
        elif any(OURS[number] != value for number, value in names.items()):
            box.send(nak(asked.octets, 503), asked)
        else:
            ended.append(asked)
            box.send(ack(asked.octets), asked)

    return behaves


async def tell(name: str, steps: tuple[Step, ...]) -> list[Asked]:
    taken: list[Asked] = []
    make = MAKES.get(name, BY_SESSION)
    async with nas(strict(make, taken)) as box, CoaClient(DICTIONARY, Clock()) as coa:
        host, port = box.address
        for step in steps:
            result = await coa.send(CoaTarget(host, port, Secret(SECRET), nas=name), step)
            assert isinstance(result, Acked), (name, result)
    return taken


@pytest.mark.parametrize("name", [n for n in VENDORS if vendor(n).abilities.can_disconnect])
async def test_bug13_every_dialects_disconnect_ends_the_session_at_its_box(name: str) -> None:
    step = vendor(name).disconnect(SESSION)
    assert isinstance(step, Step)
    [asked] = await tell(name, (step,))
    assert asked.code == DISCONNECT


@pytest.mark.parametrize("name", [n for n in VENDORS if vendor(n).abilities.can_coa])
async def test_every_change_that_a_dialect_can_say_is_taken_by_its_box(name: str) -> None:
    steps: tuple[Step, ...] = ()
    for wanted, applied in (
        (PROFILES["slow"], HOME),
        (PROFILES["renamed"], PROFILES["named"]),
        (PROFILES["garden"], HOME),
        (PROFILES["unlimited"], HOME),
    ):
        answer = vendor(name).change(wanted, applied, SESSION)
        if not isinstance(answer, Unchangeable):
            steps += answer
    assert len(await tell(name, steps)) == len(steps)
    assert steps or name == "ruckus", "of Ruckus nothing of these is known to change"
