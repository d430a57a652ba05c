"""What the server's dialects say, heard by the simulated boxes, which know nothing of them.

Two descriptions of each make, written apart: where they disagree, one of them is wrong.
"""

import pytest

from app.simulator.makes import MAKES
from app.simulator.service import Rates
from app.simulator.session import Session
from core.radius.codec import encode_named
from dictionaries.definitions import Dictionary
from dictionaries.loader import load
from nas_adapters.base import Attr, SessionRef, Step, Unchangeable, Verb
from nas_adapters.profile import ServiceProfile
from nas_adapters.vendors import VENDORS
from tests.app.simulator.driving import Driven, driven, number, told

PAIRS = {
    "mikrotik-pppoe": "mikrotik",
    "mikrotik-hotspot": "mikrotik",
    "huawei": "huawei_bng",
    "cisco": "cisco",
    "accel-ppp": "accel_ppp",
    "ipoe": "generic",
}
FULL = ServiceProfile(50_000_000, 20_000_000, address_pool="pool-a", session_timeout_s=86_400)
THROTTLED = ServiceProfile(1_000_000, 512_000, address_pool="pool-a", session_timeout_s=86_400)
WALLED = ServiceProfile(1_000_000, 512_000, filter_id="walled-garden")
LIMITED = ServiceProfile(50_000_000, 20_000_000, limit_octets=5 * 2**32)


@pytest.fixture(scope="module")
def dictionary() -> Dictionary:
    return load()


def octets(dictionary: Dictionary, attributes: tuple[Attr, ...]) -> bytes:
    return b"".join(
        encode_named(dictionary, one.name, one.value, tag=one.tag) for one in attributes
    )


def online(dictionary: Dictionary, make: str, profile: ServiceProfile) -> tuple[Driven, Session]:
    box = driven(MAKES[make])
    return box, box.online(octets(dictionary, VENDORS[PAIRS[make]].render(profile)))


def reference(box: Driven) -> SessionRef:
    """The session as its Start told it."""
    said = told(box.said[-1])
    return SessionRef(
        acct_session_id=said[44].decode(),
        user_name=said[1].decode(),
        framed_ip=".".join(map(str, said[8])),
        calling_station=said[31].decode(),
        called_station=said.get(30, b"").decode(),
        nas_port=number(said[5]),
        nas_port_id=said[87].decode(),
        nas_identifier=said[32].decode(),
        nas_address=".".join(map(str, said[4])),
    )


def send(dictionary: Dictionary, box: Driven, step: Step) -> int:
    """The code of the answer."""
    ask = box.coa if step.verb is Verb.COA else box.disconnect
    reply = ask(octets(dictionary, step.attributes))
    assert reply is not None
    assert reply.all(101) == []
    return reply.code


@pytest.mark.parametrize("make", PAIRS)
def test_a_box_gives_the_speed_that_the_dialect_meant(dictionary: Dictionary, make: str) -> None:
    _, session = online(dictionary, make, FULL)
    assert session.rates == Rates(download_bps=50_000_000, upload_bps=20_000_000)
    assert (session.service.session_timeout_s, session.service.interim_s) == (86_400, 300)
    assert session.service.pool == "pool-a"
    assert not session.is_walled


@pytest.mark.parametrize("make", PAIRS)
def test_a_box_confines_whom_the_dialect_meant_to_confine(
    dictionary: Dictionary, make: str
) -> None:
    _, session = online(dictionary, make, WALLED)
    assert session.is_walled


@pytest.mark.parametrize("make", ["mikrotik-pppoe", "mikrotik-hotspot", "huawei"])
def test_a_box_stops_at_the_amount_that_the_dialect_meant(
    dictionary: Dictionary, make: str
) -> None:
    _, session = online(dictionary, make, LIMITED)
    assert session.service.limits.total_octets == 5 * 2**32


@pytest.mark.parametrize("make", [make for make in PAIRS if make != "mikrotik-hotspot"])
def test_a_throttle_and_its_end_are_understood_in_mid_session(
    dictionary: Dictionary, make: str
) -> None:
    box, session = online(dictionary, make, FULL)
    vendor, ref = VENDORS[PAIRS[make]], reference(box)
    for wanted, applied, rates in (
        (THROTTLED, FULL, Rates(1_000_000, 512_000)),
        (FULL, THROTTLED, Rates(50_000_000, 20_000_000)),
        (THROTTLED, None, Rates(1_000_000, 512_000)),
    ):
        steps = vendor.change(wanted, applied, ref)
        assert not isinstance(steps, Unchangeable)
        assert [send(dictionary, box, step) for step in steps] == [44] * len(steps)
        assert session.rates == rates


@pytest.mark.parametrize("make", PAIRS)
def test_what_cannot_be_changed_is_ended(dictionary: Dictionary, make: str) -> None:
    box, session = online(dictionary, make, FULL)
    step = VENDORS[PAIRS[make]].disconnect(reference(box))
    assert isinstance(step, Step)
    assert send(dictionary, box, step) == 41
    assert not session.is_online
