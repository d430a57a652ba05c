"""Lines and devices by name: Option 82 in every carrier, ONU serials, DUIDs, an OLT's pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Invalid
from core.radius.packet import vendor_attribute
from nas_adapters import duid, line_patterns, onu_serial, option82
from nas_adapters.identity import Line
from nas_adapters.option82 import Option82

HUAWEI = "OLT1 xpon 0/1/0/3:100.12.48575443A1B2C3D4"  # nas.md §1.2: third-party code only
HUAWEI_PATTERN = (
    r"(?P<node>\S+) xpon (?P<frame>\d+)/(?P<slot>\d+)/(?P<subslot>\d+)/(?P<port>\d+)"
    r":(?P<svlan>\d+)\.(?P<onu>\d+)\.(?P<sn>\w+)"
)
CISCO_SWITCH = bytes.fromhex("000400640105")  # VLAN 100, module 1, port 5


def carried(vendor: int, number: int, value: bytes) -> Option82:
    return option82.carried([vendor_attribute(vendor, number, value)[2:]])


@pytest.mark.parametrize(
    ("vendor", "circuit_id", "remote_id"),
    [
        pytest.param(3561, 1, 2, id="ADSL-Forum, RFC 4679"),
        pytest.param(2352, 97, 96, id="Redback: MikroTik and SmartEdge"),
        pytest.param(4874, 110, 182, id="Juniper"),
    ],
)
def test_both_names_are_found_in_every_carrier(
    vendor: int, circuit_id: int, remote_id: int
) -> None:
    assert carried(vendor, circuit_id, b"a 0/1") == Option82(b"a 0/1", None)
    assert carried(vendor, remote_id, b"cpe-7") == Option82(None, b"cpe-7")


@pytest.mark.parametrize(
    ("pair", "found"),
    [
        (b"circuit-id-tag=OLT1 eth 0/2", Option82(b"OLT1 eth 0/2")),
        (b"client:circuit-id-tag=000400640105", Option82(CISCO_SWITCH)),
        (b"remote-id-tag=0x020a00001234", Option82(None, bytes.fromhex("020a00001234"))),
        (b"remote-id-tag=cpe-7", Option82(None, b"cpe-7")),
        (b"connect-progress=Call Up", option82.NONE),
    ],
)
def test_cisco_writes_them_into_pairs(pair: bytes, found: Option82) -> None:
    assert carried(9, 1, pair) == found


def test_the_option_as_dhcp_has_it() -> None:
    suboptions = b"\x01\x06" + CISCO_SWITCH + b"\x02\x05cpe-7"
    expected = Option82(CISCO_SWITCH, b"cpe-7")
    assert option82.from_dhcp(suboptions) == expected
    assert option82.from_dhcp(bytes((82, len(suboptions))) + suboptions) == expected
    assert carried(4874, 159, suboptions) == expected
    assert option82.from_dhcp(suboptions[:-1]) == Option82(CISCO_SWITCH)


def test_two_names_in_one_attribute_and_the_first_of_each_wins() -> None:
    both = (3561).to_bytes(4, "big") + b"\x01\x05one\x02\x05two"
    assert option82.carried([both, *([both.replace(b"one", b"six")])]) == Option82(b"one", b"two")


@given(st.lists(st.binary(max_size=253), max_size=4))
def test_nothing_that_arrives_raises(values: list[bytes]) -> None:
    begins = [(vendor).to_bytes(4, "big") for vendor in (3561, 2352, 4874, 9, 1)]
    found = option82.carried([begins[i % 5] + value for i, value in enumerate(values)])
    for name in found:
        if name is not None:
            assert option82.text_of(name)
    option82.from_dhcp(b"".join(values))


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (HUAWEI.encode(), HUAWEI),
        (b"cpe-7\0\0", "cpe-7"),
        (CISCO_SWITCH, "0x000400640105"),
        (b"\x01\x07gi0/1/5", "gi0/1/5"),
        (bytes.fromhex("0006020a00001234"), "0x0006020a00001234"),
        (b"\x02\x00\x5e\x10\x00\x01", "0x02005e100001"),
        ("Größe".encode(), "0x4772c3b6c39f65"),
    ],
)
def test_a_name_is_text_where_it_is_text(octets: bytes, text: str) -> None:
    assert option82.text_of(octets) == text


def test_the_vlan_in_ciscos_binary_circuit_id() -> None:
    assert option82.vlan_in(CISCO_SWITCH) == 100
    assert option82.vlan_in(b"gi0/15") is None


@pytest.mark.parametrize(
    "written",
    [
        *("HWTC1A2B3C4D", "hwtc1a2b3c4d", "HWTC-1A2B3C4D", " HWTC1a2b3c4d "),
        *("485754431A2B3C4D", "0x485754431a2b3c4d"),
    ],
)
def test_an_onu_serial_is_one_in_every_spelling(written: str) -> None:
    assert onu_serial.normalise(written) == "HWTC1A2B3C4D"
    assert onu_serial.normalise_octets(written.encode()) == "HWTC1A2B3C4D"


def test_an_onu_serial_as_it_is_on_the_fibre() -> None:
    octets = bytes.fromhex("485754431a2b3c4d")
    assert onu_serial.from_octets(octets) == "HWTC1A2B3C4D"
    assert onu_serial.normalise_octets(octets) == "HWTC1A2B3C4D"


@pytest.mark.parametrize(
    "written", ["", "alice", "HWTC1A2B3C4", "HW1C1A2B3C4D", "00000000FFFFFFFF", "HWTC1A2B3C4G"]
)
def test_what_is_no_serial_is_none(written: str) -> None:
    assert onu_serial.normalise(written) is None
    assert onu_serial.normalise_octets(written.encode()) is None


def test_a_name_of_eight_letters_is_nobodys_serial() -> None:
    assert onu_serial.normalise_octets(b"customer") is None


@given(st.binary(min_size=4, max_size=4), st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=4))
def test_a_serial_is_its_own_normal_form(number: bytes, maker: str) -> None:
    serial = maker[:4] + number.hex().upper()
    assert onu_serial.normalise(serial) == serial
    assert onu_serial.normalise((maker[:4].encode() + number).hex()) == serial


@pytest.mark.parametrize(
    ("written", "digits", "mac"),
    [
        ("00:03:00:01:02:00:5e:10:00:01", "0003000102005e100001", "02005e100001"),
        ("0x0003000102005E100001", "0003000102005e100001", "02005e100001"),
        (bytes.fromhex("0003000102005e100001"), "0003000102005e100001", "02005e100001"),
        ("000100012c1b2a3902005e100001", "000100012c1b2a3902005e100001", "02005e100001"),
        ("0002000000090cc084d303000912", "0002000000090cc084d303000912", None),
        ("0004" + "ab" * 16, "0004" + "ab" * 16, None),
    ],
)
def test_a_duid_and_the_address_it_is_made_of(
    written: str | bytes, digits: str, mac: str | None
) -> None:
    assert duid.normalise(written) == digits
    assert duid.mac_in(digits) == mac


@pytest.mark.parametrize(
    "written",
    [
        "",
        "alice",
        "02005e100001",
        "00:03:ff:10:00:01",
        "0005000102005e100001",
        "0004abab",
        b"\xff\xfe",
    ],
)
def test_what_is_no_duid_is_none(written: str | bytes) -> None:
    assert duid.normalise(written) is None


def test_a_pattern_reads_the_place_of_an_onu() -> None:
    patterns = line_patterns.compiled("olt-1", {"circuit_id": HUAWEI_PATTERN})
    line, unread = line_patterns.read_any({"circuit_id": HUAWEI, "remote_id": None}, patterns)
    assert unread is None
    assert line == Line("OLT1", "0", "1", "0", "3", "12", "48575443A1B2C3D4", 100, None)


def test_a_name_that_the_pattern_does_not_fit_is_named_with_its_nas() -> None:
    patterns = line_patterns.compiled("olt-1", {"circuit_id": HUAWEI_PATTERN})
    line, unread = line_patterns.read_any({"circuit_id": "gi0/1"}, patterns)
    assert line is line_patterns.NO_LINE
    assert unread == ("NAS olt-1: circuit_id 'gi0/1' is not of the form that its pattern describes")


@pytest.mark.parametrize(
    ("patterns", "complaint"),
    [
        ({"circuit_id": "(?P<port>"}, r"NAS olt-1: pattern of circuit_id '\(\?P<port>': missing"),
        ({"circuit_id": r"\d+"}, "has no named group; write "),
        ({"remote_id": r"(?P<prot>\d+)"}, "unknown group prot; there are node, frame"),
        ({"line": r"(?P<port>\d+)"}, "no name is called line; there are circuit_id"),
        ({"user_name": "(?P<port>" + "a" * 500 + ")"}, "write at most 500 characters"),
    ],
)
def test_a_wrong_pattern_is_named_with_its_nas(patterns: dict[str, str], complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint) as refused:
        line_patterns.compiled("olt-1", patterns)
    assert "NAS olt-1" in str(refused.value)
