"""Who tries to come in as somebody else, and what would stop a login worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aaa import ways
from nas_adapters.identity import Line
from tests.aaa.test_access_types import (
    HOST_IP,
    OTHERS,
    OWN,
    PPP,
    REGISTRATION,
    Isp,
    adsl,
    circuit,
    device,
)
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, tlv


@pytest.fixture
def isp(tmp_path: Path) -> Iterator[Isp]:
    made = Isp(tmp_path)
    made.boxes("mikrotik")
    yield made
    made.decision_log.close()


# --- what would stop a worker -------------------------------------------------


@pytest.mark.parametrize("digits", [5, 60, 240])
def test_a_vlan_that_is_none_stops_no_login(isp: Isp, digits: int) -> None:
    """An ONU writes what it likes into its name, and a pattern says ``\\d+``."""
    isp.boxes("juniper", {"circuit_id": r"^(?P<svlan>\d+)\.(?P<port>\d+)"})
    assert isp.ask(tlv(1, "x"), adsl(b"9" * digits + b".1")).code == ACCESS_REJECT
    assert isp.last()[3] == f"no such subscriber: line 1, circuit_id {'9' * digits}.1"


def test_what_sql_calls_a_line_stops_no_replication(isp: Isp) -> None:
    """Letters that no request has are two octets each, and a key of LMDB has an end."""
    values = ("\u00e9" * 253, "", "x" * 400, "\u00e9", "HWTC1A2B3C4D", None)
    found = ways.of_access("gpon", 0, values)
    isp.found_by("fibre-7", *found)
    assert found == ("duid HWTC1A2B3C4D",)


# --- guessing -----------------------------------------------------------------


@pytest.mark.parametrize("station", [(), (tlv(31, OTHERS),)])
def test_spelling_a_code_anew_is_no_new_guess(isp: Isp, station: tuple[bytes, ...]) -> None:
    """A code may be typed in many ways, and all of them are one subscriber's name."""
    isp.found_by("7HG4K2QX", password="s3cret")
    for guess in range(10):
        spelled = "7hg4k2qx"[:guess] + "-" + "7hg4k2qx"[guess:]
        assert isp.login(spelled, "wrong", HOST_IP, *station).code == ACCESS_REJECT
        assert isp.last()[2] == "password"
    for spelled in ("7H-G4-K2-QX", "7HG4K2QX"):
        assert isp.login(spelled, "s3cret", HOST_IP, *station).code == ACCESS_REJECT
        assert isp.last()[2] == "guessing"
    isp.clock.at += 31.0
    assert isp.login("7hg4k2qx", "s3cret", HOST_IP, *station).code == ACCESS_ACCEPT


def test_the_password_of_a_device_is_not_to_be_guessed_by_who_has_its_address(isp: Isp) -> None:
    """He comes in as the device, but should not learn what its owner logs in with elsewhere; nor
    does coming in begin the count anew."""
    isp.found_by("tablet", device(OWN), password="arctangent")
    who = (tlv(31, OWN), HOST_IP)
    for guess in range(10):
        spelled = (OWN, OWN.lower(), OWN.replace(":", "-"), "0200.5e10.0001")[guess % 4]
        assert isp.login(spelled, "", *who).code == ACCESS_ACCEPT
        assert isp.login(spelled, f"guess-{guess}", *who).code == ACCESS_REJECT
        assert isp.last()[2] == "password"
    assert isp.login(OWN, "arctangent", *who).code == ACCESS_REJECT
    assert isp.last()[2] == "guessing"
    isp.clock.at += 31.0
    assert isp.login(OWN, "arctangent", *who).code == ACCESS_ACCEPT


def test_a_device_without_a_password_is_never_locked_out(isp: Isp) -> None:
    isp.found_by("tablet", device(OWN))
    who = (tlv(31, OWN), HOST_IP)
    for guess in range(60):
        assert isp.login(f"guest-{guess}", "wrong", *who).code == ACCESS_REJECT
    assert isp.login(OWN, "", *who).code == ACCESS_ACCEPT


def test_a_line_s_own_login_forgives_no_guesses_at_the_name_it_came_with(isp: Isp) -> None:
    isp.found_by("fibre-7", circuit("line-1"), number=2)
    who = tlv(31, OTHERS)
    for _ in range(10):
        assert isp.login("nemo", "wrong", PPP, who).code == ACCESS_REJECT
        assert isp.login("nemo", "x", who, adsl(b"line-1")).code == ACCESS_ACCEPT
    assert isp.login("nemo", "arctangent", PPP, who).code == ACCESS_REJECT
    assert isp.last()[2] == "guessing"


# --- somebody else's address, serial or line ---------------------------------------


@pytest.mark.parametrize("forged", ["1:" + OTHERS.lower(), "00:03:00:01:" + OTHERS, OTHERS])
def test_a_client_identifier_of_another_s_address_is_not_his_card(isp: Isp, forged: str) -> None:
    """A DHCP client chooses it, and boxes send it as the Calling-Station-Id; switches look at the
    card's own address, which is the User-Name."""
    isp.found_by("victim", device(OTHERS))
    for vendor in ("mikrotik", "generic"):
        isp.boxes(vendor)
        for more in ((adsl(b"line-9"),), ()):
            who = (tlv(1, OWN), tlv(31, forged), *more)
            assert isp.ask(*who).code == ACCESS_REJECT
            assert isp.last()[0] == 0
    isp.boxes("mikrotik")
    assert isp.ask(tlv(1, OTHERS), tlv(31, forged), adsl(b"line-9")).code == ACCESS_ACCEPT


@pytest.mark.parametrize("service", [1, 7, 8])
@pytest.mark.parametrize("box", ["accel_ppp", "edgerouter"])
def test_who_logs_in_at_the_box_itself_is_no_stranger_s_device(
    isp: Isp, box: str, service: int
) -> None:
    """Its shell asks with a Service-Type of 8, Authenticate-Only; whoever is let in has one."""
    isp.boxes(box, unknown=REGISTRATION.id)
    isp.found_by("onu", ways.by_device("onu_serial", "HWTC1A2B3C4D"), number=2)
    isp.found_by("v6", ways.by_device("duid", "0003000102005e100001"), number=3)
    for name in ("admin", "HWTC1A2B3C4D", "00:03:00:01:" + OWN):
        for more in ((), (tlv(31, "203.0.113.9"),)):
            assert isp.login(name, "guess", tlv(6, service), *more).code == ACCESS_REJECT
            assert isp.last()[0] == 0


def test_a_name_that_somebody_types_is_not_read_as_a_line(isp: Isp) -> None:
    """On a box that makes up the names of its lines, a portal asks for others (Service-Type of
    1, Login) and tells the line as well, in a form that its pattern does not fit."""
    place = ways.place(Line(port="3", onu="12"))
    assert place is not None
    isp.found_by("victim", ways.on_line("line", 0, place))
    isp.boxes("huawei_bng", {"user_name": r"^pon-(?P<port>\d+):(?P<onu>\d+)"})
    typed = (tlv(6, 1), adsl(b"line-9"))
    assert isp.login("pon-3:12", "guess", *typed).code == ACCESS_REJECT
    assert isp.login("pon-3:12", "", tlv(6, 5)).code == ACCESS_ACCEPT, "made up by the box"


@pytest.mark.parametrize("box", ["generic", "mikrotik", "cisco", "huawei_bng"])
def test_a_device_s_identifier_that_somebody_types_lets_no_stranger_in(isp: Isp, box: str) -> None:
    """At a gateway's or a router's own prompt, with any password."""
    isp.boxes(box, unknown=REGISTRATION.id)
    typed = "00:03:00:01:" + OWN
    for more in ((), (tlv(31, "203.0.113.9"),), (tlv(31, OTHERS),), (tlv(6, 1),)):
        assert isp.login(typed, "guess", *more).code == ACCESS_REJECT
        assert isp.ask(tlv(1, typed), *more).code == ACCESS_REJECT
    assert isp.ask(tlv(1, typed), tlv(31, OWN)).code == ACCESS_ACCEPT, "the box says so too"


def test_a_subscriber_is_nobody_at_the_prompt_of_a_mikrotik(isp: Isp) -> None:
    """It asks with a Service-Type of Login, and gives a console to whoever is accepted."""
    at_the_prompt = (tlv(6, 1), tlv(31, "203.0.113.9"))
    assert isp.login("nemo", "arctangent", *at_the_prompt).code == ACCESS_REJECT
    assert isp.last()[0] == 0
    assert isp.login("nemo", "arctangent", tlv(6, 1), HOST_IP).code == ACCESS_ACCEPT
    assert isp.login("nemo", "arctangent", PPP).code == ACCESS_ACCEPT
