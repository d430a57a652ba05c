"""Who tries to come in as somebody else, and what would stop a login worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from aaa import ways
from tests.aaa.test_access_types import (
    HOST_IP,
    OTHERS,
    OWN,
    PPP,
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
