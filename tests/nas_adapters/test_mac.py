import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_adapters.mac import normalise

MAC = "02005e1000ab"


@pytest.mark.parametrize(
    "written",
    [
        "02:00:5e:10:00:ab",
        "02:00:5E:10:00:AB",
        "02-00-5E-10-00-AB",
        "02.00.5e.10.00.ab",
        "02 00 5e 10 00 ab",
        "0200.5e10.00ab",
        "0200-5e10-00ab",
        "0200:5e10:00ab",
        "02005e-1000ab",
        "02005e1000ab",
        "2:0:5e:10:0:ab",
        " 02:00:5e:10:00:ab\n",
        pytest.param("1:02:00:5e:10:00:ab", id="client-id of RouterOS"),
        pytest.param("1:2:0:5e:10:0:ab", id="client-id of RouterOS, leading zeros dropped"),
        pytest.param("01:02:00:5e:10:00:ab", id="client-id with its type as an octet"),
        pytest.param("01-02-00-5e-10-00-ab", id="client-id with dashes"),
        pytest.param("0102005e1000ab", id="client-id, solid"),
        pytest.param("102005e1000ab", id="client-id, solid, 13 digits"),
        pytest.param("0102.005e.1000.ab", id="client-id of Cisco"),
        pytest.param("eth0:02:00:5e:10:00:ab", id="accel-ppp with the interface in front"),
        pytest.param("eth1.100:0200.5e10.00ab", id="a VLAN interface in front"),
    ],
)
def test_any_notation_is_the_same_address(written: str) -> None:
    assert normalise(written) == MAC
    assert normalise(written.encode()) == MAC


@pytest.mark.parametrize(
    "written",
    [
        "",
        "192.0.2.17",
        "2001:db8::1",
        "alice",
        "feed-cab-decaf",
        "02:00:5e:10:00",
        "02:00:5e:10:00:ab:cd",
        "02:00:5e:10-00-ab",
        "02:00:5e:10:00:ag",
        "02:00:5e:10:00:ab\0",
        "02005e1000abcd",
        "\uff122:00:5e:10:00:ab",
        "0" * 300,
        b"\xff\xfe\x02\x00\x5e\x10",
    ],
)
def test_what_is_no_address_is_none(written: str | bytes) -> None:
    assert normalise(written) is None


@given(st.one_of(st.binary(max_size=300), st.text(max_size=80)))
def test_nothing_that_arrives_raises(written: str | bytes) -> None:
    found = normalise(written)
    assert found is None or (len(found) == 12 and set(found) <= set("0123456789abcdef"))


@given(st.binary(min_size=6, max_size=6), st.sampled_from([":", "-", ".", " ", ""]))
def test_every_address_survives_every_separator_and_is_its_own_normal_form(
    octets: bytes, separator: str
) -> None:
    written = octets.hex(separator) if separator else octets.hex()
    assert normalise(written) == octets.hex()
    assert normalise(octets.hex()) == octets.hex()
