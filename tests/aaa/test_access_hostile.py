"""Who tries to come in as somebody else, and what would stop a login worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from aaa import ways
from aaa.finding import find
from core.radius.packet import parse
from nas_adapters import line_patterns
from nas_adapters.identity import Line
from nas_adapters.vendors import VENDORS
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
from tests.aaa.world import BRAS, SECRET
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, access_request, tlv, vsa


@pytest.fixture
def isp(tmp_path: Path) -> Iterator[Isp]:
    made = Isp(tmp_path)
    made.boxes("mikrotik")
    yield made
    made.decision_log.close()


# --- what would stop a worker -------------------------------------------------


@pytest.mark.parametrize("vlan", ["0100", "00000", "9" * 60, "9" * 240])
def test_a_vlan_that_is_none_or_has_zeros_before_it_stops_no_login(isp: Isp, vlan: str) -> None:
    """An ONU writes what it likes into its name, and a pattern says ``\\d+``."""
    isp.boxes("juniper", {"circuit_id": r"^(?P<svlan>\d+)\.(?P<port>\d+)"})
    assert isp.ask(tlv(1, "x"), adsl(vlan.encode() + b".1")).code == ACCESS_REJECT
    assert isp.last()[3] == f"no such subscriber: line 1, circuit_id {vlan}.1"


def test_what_sql_calls_a_line_stops_no_replication(isp: Isp) -> None:
    """Letters that no request has are two octets each, and a key of LMDB has an end."""
    values = ("\u00e9" * 253, "", "x" * 400, "\u00e9", "HWTC1A2B3C4D", None)
    found = ways.of_access("gpon", 0, values)
    isp.found_by("fibre-7", *found)
    assert found == ("duid HWTC1A2B3C4D",)


_WORDS = st.sampled_from(
    [b"", OWN.encode(), b"nemo", b"HWTC1A2B3C4D", b"\0\3\0\1", b"9" * 30, b"\0\0\0\1", b"x" * 250]
)
_VALUES = st.binary(max_size=60) | _WORDS
_CARRIED = st.builds(
    lambda vendor, number, value: (26, vsa(vendor, number, value)[2:]),
    st.sampled_from([9, 311, 2352, 3561, 4874, 14122, 14559, 14988]),
    st.sampled_from([1, 2, 3, 8, 10, 11, 25, 96, 97, 110, 159, 182]),
    st.builds(
        lambda head, tail: (head + tail)[:200],
        st.sampled_from([b"", b"circuit-id-tag=", b"remote-id-tag=0x", b"\x52\xff\1", b"\1\x08"]),
        _VALUES,
    ),
)


@given(
    box=st.sampled_from(sorted(VENDORS)),
    attributes=st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4, 6, 7, 24, 26, 30, 31, 60, 61, 79, 87]), _VALUES)
        | _CARRIED,
        max_size=9,
    ),
)
@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_nothing_that_a_box_passes_on_stops_a_worker_or_lets_a_name_in(
    isp: Isp, box: str, attributes: list[tuple[int, bytes]]
) -> None:
    """Whoever has a name and a password alone is never found without it."""
    isp.access.refresh()
    known = isp.access.nases.known(1)
    assert known is not None
    told = replace(known.record, vendor=box, unknown_profile_id=REGISTRATION.id)
    patterns = line_patterns.compiled(
        "bras-1",
        {"circuit_id": r"(?P<svlan>\d+)?.(?P<port>.+)", "user_name": r"(?P<sn>.)(?P<onu>.*)"},
    )
    made = known._replace(record=told, identify=VENDORS[box].identify, patterns=patterns)
    request = parse(
        access_request(b"".join(tlv(*each) for each in attributes), secret=SECRET, identifier=1)
    )
    try:
        name = request.first.get(1) or b""
        record, found_by, vouched = find(isp.directory, made, request, name)
        isp.access.nases._by_id[1] = made
        isp.access.handle(request, made.auth, BRAS, isp.clock.at)
    finally:
        isp.access.end_turn()
    assert len(found_by) < 2_000
    if record is not None and record.id:
        assert not vouched


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
    for name in (OTHERS, "254712345678"):
        assert isp.ask(tlv(1, name), tlv(31, forged), adsl(b"line-9")).code == ACCESS_ACCEPT


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


def test_a_subscriber_is_nobody_at_a_terminal_of_a_cisco(isp: Isp) -> None:
    """Without a Service-Type, unless it is told to send one."""
    isp.boxes("cisco")
    at_a_terminal = (tlv(31, "203.0.113.9"), tlv(87, "tty2"), tlv(61, 5))
    assert isp.login("nemo", "arctangent", *at_a_terminal).code == ACCESS_REJECT
    assert isp.last()[0] == 0
    assert isp.login("nemo", "arctangent", tlv(87, "0/0/1/7")).code == ACCESS_ACCEPT
    assert isp.login("nemo", "arctangent", PPP, tlv(87, "tty2")).code == ACCESS_ACCEPT


@pytest.mark.parametrize("more", [b"", PPP, tlv(6, 5), tlv(6, 10), adsl(b"line-1"), HOST_IP])
@pytest.mark.parametrize("box", ["mikrotik", "huawei_bng", "accel_ppp", "coovachilli"])
def test_who_proves_more_than_a_word_must_prove_it(isp: Isp, box: str, more: bytes) -> None:
    """EAP and MS-CHAP, from a device and a line that are known without either."""
    isp.boxes(box, unknown=REGISTRATION.id)
    isp.found_by("victim", circuit("line-1"), device(OWN))
    identity = tlv(79, b"\2\1" + (5 + len(OWN)).to_bytes(2, "big") + b"\1" + OWN.encode())
    challenge, response = vsa(311, 11, bytes(16)), vsa(311, 25, bytes(50))
    for proof in (identity, challenge + response, challenge + vsa(311, 1, bytes(50))):
        assert isp.ask(tlv(1, OWN), tlv(31, OWN), more, proof).code != ACCESS_ACCEPT
