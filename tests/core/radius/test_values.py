"""What a person may write for each type, what goes out, and what is said otherwise."""

from datetime import UTC, datetime, timedelta, timezone
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.radius.codec_error import CodecError
from core.radius.values import decode_value, encode_value
from dictionaries.definitions import Definition, Type

ENUM = {"Framed-User": 2, "Login-User": 1}


def of(kind: Type, has_tag: bool = False) -> Definition:
    return Definition("X", (1,), kind, has_tag, value_of=ENUM if kind == "integer" else {})


@pytest.mark.parametrize(
    ("kind", "value", "wire", "back"),
    [
        ("string", "grüß", "6772c3bcc39f", "grüß"),
        ("string", "0x00", "30783030", "0x00"),
        ("string", b"\xc3\xbc", "c3bc", "ü"),
        ("octets", "0x00ff10", "00ff10", b"\x00\xff\x10"),
        ("octets", "gold", "676f6c64", b"gold"),
        ("octets", b"0x00", "30783030", b"0x00"),
        ("abinary", "0x0100", "0100", b"\x01\x00"),
        ("byte", 255, "ff", 255),
        ("short", "65535", "ffff", 65535),
        ("integer", 4294967295, "ffffffff", 4294967295),
        ("integer", "42", "0000002a", 42),
        ("integer", "Framed-User", "00000002", 2),
        ("signed", "-2", "fffffffe", -2),
        ("integer64", 2**64 - 1, "ff" * 8, 2**64 - 1),
        ("date", 0, "00000000", 0),
        ("date", "2027-01-01T00:00:00Z", "6b36ec80", 1798761600),
        ("date", "1798761600", "6b36ec80", 1798761600),
        ("date", datetime(2027, 1, 1, tzinfo=UTC), "6b36ec80", 1798761600),
        (
            "date",
            datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
            "6b36ec80",
            1798761600,
        ),
        ("ipaddr", "192.0.2.1", "c0000201", "192.0.2.1"),
        ("ipaddr", IPv4Address("192.0.2.1"), "c0000201", "192.0.2.1"),
        ("ipv6addr", "2001:DB8::1", "20010db8" + "00" * 11 + "01", "2001:db8::1"),
        ("ipv6addr", IPv6Address("::"), "00" * 16, "::"),
        ("ipv6prefix", "2001:db8:42::/56", "003820010db80042" + "00" * 10, "2001:db8:42::/56"),
        ("ipv6prefix", IPv6Network("::/0"), "0000" + "00" * 16, "::/0"),
        ("ifid", "211:22ff:fe33:4455", "021122fffe334455", "0211:22ff:fe33:4455"),
        ("ifid", bytes(8), "00" * 8, "0000:0000:0000:0000"),
        ("ether", "02-00-5E-10-00-01", "02005e100001", "02:00:5e:10:00:01"),
        ("ether", "0200.5e10.0001", "02005e100001", "02:00:5e:10:00:01"),
        ("ether", b"\x02\x00\x5e\x10\x00\x01", "02005e100001", "02:00:5e:10:00:01"),
    ],
)
def test_a_value_goes_out_and_comes_back(
    kind: Type, value: object, wire: str, back: int | str | bytes
) -> None:
    assert encode_value(of(kind), value).hex() == wire
    assert decode_value(of(kind), bytes.fromhex(wire)) == back


@pytest.mark.parametrize(
    ("kind", "value", "remedy"),
    [
        ("string", 5, "quotes"),
        ("string", "\ud800", "UTF-8"),
        ("octets", 5, "0x"),
        ("octets", "0x123", "two digits"),
        ("octets", "0xzz", "two digits"),
        ("octets", "\ud800", "UTF-8"),
        ("abinary", "ip in drop", "0x"),
        ("byte", 256, "0 to 255"),
        ("short", -1, "0 to 65535"),
        ("integer", 2**32, "0 to 4294967295"),
        ("integer", True, "Framed-User or Login-User"),
        ("integer", "Framed-Usr", "write Framed-User$"),
        ("integer", "1.5", "known name"),
        ("integer", "٣", "known name"),
        ("byte", "three", "decimal"),
        ("signed", 2**31, "-2147483648 to 2147483647"),
        ("integer64", 2**64, "range"),
        ("date", "tomorrow", "2027-01-01"),
        ("date", "2027-01-01T00:00:00", "zone"),
        ("date", datetime(1969, 1, 1, tzinfo=UTC), "range"),
        ("ipaddr", "192.0.2", "192.0.2.1"),
        ("ipaddr", "2001:db8::1", "192.0.2.1"),
        ("ipaddr", 3221225985, "192.0.2.1"),
        ("ipv6addr", "192.0.2.1", "2001:db8::1"),
        ("ipv6addr", "fe80::1%eth0", "2001:db8::1"),
        ("ipv6prefix", "2001:db8::1", "/56"),
        ("ipv6prefix", "2001:db8::/129", "/56"),
        ("ipv6prefix", "192.0.2.0/24", "/56"),
        ("ifid", "2:3:4", "211:22ff"),
        ("ifid", b"1234567", "211:22ff"),
        ("ether", "02:00:5e", "02:00:5e"),
    ],
)
def test_what_cannot_be_encoded_is_refused_with_the_remedy(
    kind: Type, value: object, remedy: str
) -> None:
    with pytest.raises(CodecError, match=remedy):
        encode_value(of(kind), value)


def test_the_tag_takes_the_highest_octet_of_an_integer() -> None:
    assert encode_value(of("integer", has_tag=True), 0xFFFFFF) == b"\x00\xff\xff\xff"
    with pytest.raises(CodecError, match="16777215"):
        encode_value(of("integer", has_tag=True), 0x1000000)


def test_host_bits_do_not_go_out() -> None:
    wire = encode_value(of("ipv6prefix"), "2001:db8::1/64")
    assert wire == b"\x00\x40" + IPv6Address("2001:db8::").packed


@pytest.mark.parametrize(
    ("wire", "prefix"),
    [
        ("004020010db8", "2001:db8::/64"),
        ("004020010db800000000", "2001:db8::/64"),
        ("004020010db8" + "00" * 12, "2001:db8::/64"),
        ("002f20010db800420001" + "ff" * 8, "2001:db8:42::/47"),
        ("ff00", "::/0"),
    ],
)
def test_a_prefix_is_read_trimmed_or_in_full_and_without_host_bits(wire: str, prefix: str) -> None:
    assert decode_value(of("ipv6prefix"), bytes.fromhex(wire)) == prefix


@pytest.mark.parametrize(
    ("kind", "wire"),
    [
        ("string", "ff"),
        *((kind, "00" * size) for kind, size in [("byte", 0), ("byte", 2), ("short", 1)]),
        *(("integer", "00" * size) for size in (0, 3, 5)),
        ("signed", "00"),
        ("integer64", "00" * 7),
        ("date", ""),
        ("ipaddr", "000000"),
        ("ipaddr", "00" * 16),
        ("ipv6addr", "00" * 15),
        ("ipv6prefix", "00"),
        ("ipv6prefix", "0081"),
        ("ipv6prefix", "0080" + "00" * 17),
        ("ifid", "00" * 7),
        ("ether", "00" * 8),
        ("tlv", "0103ff"),
        ("evs", "00"),
    ],
)
def test_octets_of_another_length_are_none_of_the_type(kind: Type, wire: str) -> None:
    assert decode_value(of(kind), bytes.fromhex(wire)) is None


@given(
    st.integers(0, 2**128 - 1) | st.lists(st.sampled_from([0, 0, 1, 0xDB8]), min_size=8, max_size=8)
)
def test_ipv6_addresses_are_written_as_everybody_writes_them(drawn: int | list[int]) -> None:
    if isinstance(drawn, list):  # rows of zeros, which chance hardly makes
        drawn = int.from_bytes(b"".join(group.to_bytes(2, "big") for group in drawn), "big")
    address = IPv6Address(drawn)
    assert decode_value(of("ipv6addr"), address.packed) == str(address)
