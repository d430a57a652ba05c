"""Who is asking, by what the boxes send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.radius.packet import Packet, attribute, parse, vendor_attribute
from core.radius.types import ACCESS_REQUEST, PACKET_LENGTH_MIN
from nas_adapters import line_patterns
from nas_adapters.base import NO_PATTERNS, Patterns
from nas_adapters.identity import Identity, Kind
from nas_adapters.vendors import VENDORS, vendor
from tests.nas_adapters.test_line_names import HUAWEI, HUAWEI_PATTERN

MAC = "02005e100001"
NAME = attribute(1, b"alice")
NAMED_BY_MAC = attribute(1, b"02:00:5E:10:00:01")
STATION = attribute(31, b"02:00:5E:10:00:01")
PPP = attribute(6, b"\0\0\0\2") + attribute(7, b"\0\0\0\1")
CHAP = attribute(3, bytes(17))
EAP = attribute(79, b"\2\0\0\5\1")
ETHERNET = attribute(61, b"\0\0\0\x0f")
WIRELESS = attribute(61, b"\0\0\0\x13")
HOST_IP = vendor_attribute(14988, 10, bytes((10, 0, 0, 7)))
LOCATION = vendor_attribute(14122, 1, b"isocc=de")
CIRCUIT = vendor_attribute(3561, 1, HUAWEI.encode())
OUTBOUND = attribute(6, b"\0\0\0\5")
LOGIN = attribute(6, b"\0\0\0\1")
CALL_CHECK = attribute(6, b"\0\0\0\x0a")
ADMINISTRATIVE = attribute(6, b"\0\0\0\6")


def request(*attributes: bytes) -> Packet:
    octets = b"".join(attributes)
    length = PACKET_LENGTH_MIN + len(octets)
    return parse(bytes((ACCESS_REQUEST, 1)) + length.to_bytes(2, "big") + bytes(16) + octets)


def asking(name: str, *attributes: bytes, patterns: Patterns = NO_PATTERNS) -> Identity:
    return vendor(name).identify(request(*attributes), patterns)


@pytest.mark.parametrize(
    ("name", "attributes", "kind"),
    [
        pytest.param("mikrotik", [NAME, PPP, STATION], Kind.PPPOE, id="MikroTik PPPoE"),
        pytest.param(
            "mikrotik", [NAME, CHAP, STATION, ETHERNET, HOST_IP], Kind.HOTSPOT, id="its hotspot"
        ),
        pytest.param(
            "mikrotik", [NAMED_BY_MAC, STATION, ETHERNET, HOST_IP], Kind.MAC, id="a hotspot's MAC"
        ),
        pytest.param("mikrotik", [NAMED_BY_MAC, STATION, ETHERNET], Kind.IPOE, id="its DHCP"),
        pytest.param("mikrotik", [NAMED_BY_MAC, STATION, WIRELESS], Kind.MAC, id="its wireless"),
        pytest.param("generic", [NAMED_BY_MAC, STATION, ETHERNET], Kind.MAC, id="a MAC elsewhere"),
        pytest.param("generic", [NAME], Kind.LOGIN, id="a name and nothing else"),
        pytest.param("generic", [NAME, STATION, EAP, WIRELESS], Kind.WIFI, id="EAP"),
        pytest.param("generic", [NAME, LOCATION], Kind.HOTSPOT, id="WISPr"),
        pytest.param("generic", [NAME, CHAP, WIRELESS], Kind.HOTSPOT, id="CHAP over the air"),
        pytest.param("generic", [NAME, STATION, CIRCUIT], Kind.IPOE, id="a line"),
        pytest.param("generic", [NAME, PPP, STATION, CIRCUIT], Kind.PPPOE, id="PPP over a line"),
        pytest.param("generic", [NAME, ADMINISTRATIVE], Kind.ADMIN, id="somebody at the box"),
        pytest.param("generic", [NAMED_BY_MAC, CALL_CHECK], Kind.MAC, id="Call-Check"),
        pytest.param("cisco", [NAME, OUTBOUND], Kind.SERVICE, id="ISG fetches a service"),
        pytest.param("huawei_bng", [NAME, OUTBOUND], Kind.IPOE, id="an IP session of Huawei's"),
        pytest.param(
            "accel_ppp", [NAME, STATION, ETHERNET], Kind.IPOE, id="accel-ppp by interface"
        ),
        pytest.param("accel_ppp", [NAME, PPP, STATION], Kind.PPPOE, id="accel-ppp PPPoE"),
        pytest.param("coovachilli", [NAME, LOGIN], Kind.HOTSPOT, id="CoovaChilli"),
        pytest.param("unifi", [NAME], Kind.HOTSPOT, id="UniFi"),
        pytest.param("hostapd", [NAME, EAP, WIRELESS], Kind.WIFI, id="hostapd"),
    ],
)
def test_the_kind_of_access(name: str, attributes: list[bytes], kind: Kind) -> None:
    assert asking(name, *attributes).kind is kind


def test_a_mac_login_of_coovachilli_may_have_a_suffix() -> None:
    name = attribute(1, b"02-00-5E-10-00-01-guest")
    found = asking("coovachilli", name, attribute(31, b"02-00-5E-10-00-01"), LOGIN)
    assert (found.kind, found.mac) == (Kind.MAC, MAC)


@pytest.mark.parametrize(
    "written", [b"02:00:5E:10:00:01", b"0200.5e10.0001", b"1:2:0:5e:10:0:1", b"02005e100001"]
)
def test_a_device_is_one_in_any_notation_of_name_and_station(written: bytes) -> None:
    found = asking("mikrotik", attribute(1, written), attribute(31, b"1:02:00:5e:10:00:01"))
    assert (found.kind, found.mac, found.login) == (Kind.IPOE, MAC, written)


def test_a_line_is_read_by_the_pattern_of_its_nas() -> None:
    patterns = line_patterns.compiled("olt-1", {"circuit_id": HUAWEI_PATTERN})
    found = asking("huawei_bng", NAME, STATION, CIRCUIT, patterns=patterns)
    assert found.circuit_id == HUAWEI
    assert (found.onu_serial, found.svlan, found.unread) == ("HWTCA1B2C3D4", 100, None)
    assert found.line is not None
    assert (found.line.slot, found.line.port, found.line.onu) == ("1", "3", "12")


def test_a_line_that_its_pattern_does_not_fit_is_told_and_still_known_by_name() -> None:
    patterns = line_patterns.compiled("olt-1", {"circuit_id": "ONU (?P<onu>.+)"})
    found = asking("huawei_bng", NAME, CIRCUIT, patterns=patterns)
    assert found.circuit_id == HUAWEI
    assert found.unread is not None
    assert "NAS olt-1" in found.unread
    assert HUAWEI in found.unread


def test_a_pattern_reads_port_and_name_as_well() -> None:
    patterns = line_patterns.compiled(
        "bng",
        {
            "nas_port_id": r"slot=(?P<slot>\d+);.*vlanid=(?P<svlan>\d+);vlanid2=(?P<cvlan>\d+)",
            "user_name": r"(?P<svlan>\d+):(?P<cvlan>\d+)@",
        },
    )
    port = attribute(87, b"slot=2;subslot=0;port=3;vlanid=200;vlanid2=1001;")
    by_port = asking("huawei_bng", NAME, port, patterns=patterns)
    assert (by_port.svlan, by_port.cvlan) == (200, 1001)
    by_name = asking("huawei_bng", attribute(1, b"300:7@isp"), patterns=patterns)
    assert (by_name.svlan, by_name.cvlan) == (300, 7)


def test_an_onu_is_known_by_its_serial_without_a_pattern() -> None:
    for carrier in (b"HWTC1A2B3C4D", b"485754431A2B3C4D", bytes.fromhex("485754431a2b3c4d")):
        found = asking("generic", NAME, vendor_attribute(3561, 2, carrier))
        assert found.onu_serial == "HWTC1A2B3C4D"
    by_name = asking("accel_ppp", attribute(1, b"HWTC1A2B3C4D"))
    assert by_name.onu_serial == "HWTC1A2B3C4D"


def test_a_dhcpv6_client_is_known_by_its_duid() -> None:
    found = asking("generic", attribute(1, b"0x0003000102005e100001"))
    assert (found.kind, found.duid, found.mac) == (Kind.IPOE, "0003000102005e100001", MAC)


def test_a_vlan_stands_in_ciscos_binary_circuit_id() -> None:
    circuit = vendor_attribute(2352, 97, bytes.fromhex("000400640105"))
    found = asking("mikrotik", NAMED_BY_MAC, STATION, circuit)
    assert (found.circuit_id, found.cvlan) == ("0x000400640105", 100)


@pytest.mark.parametrize("name", VENDORS)
@given(
    attributes=st.lists(
        st.tuples(st.sampled_from([1, 6, 7, 26, 30, 31, 61, 79, 87]), st.binary(max_size=60)),
        max_size=8,
    )
)
def test_nothing_that_arrives_raises(name: str, attributes: list[tuple[int, bytes]]) -> None:
    patterns = line_patterns.compiled("x", {"circuit_id": HUAWEI_PATTERN, "user_name": "(?P<sn>.)"})
    found = asking(name, *(attribute(*each) for each in attributes), patterns=patterns)
    assert isinstance(found.kind, Kind)
