"""What an Accounting-Request says, also when it says nonsense."""

from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.event_time import event_time
from accounting.framed import ipv6_prefix, mac
from accounting.records import INTERIM, NOT_SENT, NasView, Record, Unreadable
from accounting.request import read
from core.radius.packet import Packet, attribute, parse, vendor_attribute
from nas_adapters.mac import normalise

NOW_S = 1_767_262_200  # 2026-01-01 10:10:00 UTC
NAS = NasView(id=3, tenant_id=1)


def packet(*attributes: bytes) -> Packet:
    octets = b"".join(attributes)
    return parse(b"\4\7" + pack(">H", 20 + len(octets)) + bytes(16) + octets)


def number(code: int, value: int) -> bytes:
    return attribute(code, pack(">I", value))


SESSION_ID = attribute(44, b"81200001")
AN_INTERIM = (number(40, 3), SESSION_ID)


def told(*attributes: bytes, nas: NasView = NAS, received_at_s: float = NOW_S + 0.7) -> Record:
    record = read(packet(*AN_INTERIM, *attributes), received_at_s, nas)
    assert isinstance(record, Record)
    return record


def test_who_where_and_how_much() -> None:
    record = told(
        attribute(1, b"alice@isp"),
        attribute(4, bytes([10, 0, 0, 1])),
        attribute(32, b"bras-2"),
        number(5, 1042),
        attribute(87, b"ether1.100"),
        attribute(8, bytes([100, 64, 1, 2])),
        attribute(31, b"02:00:5E:10:00:01"),
        attribute(97, b"\0\x40" + bytes.fromhex("20010db800000001")),
        attribute(123, b"\0\x38" + bytes.fromhex("20010db8ff0000")),
        attribute(50, b"bundle-7"),
        vendor_attribute(3561, 1, b"OLT1 xpon 0/1/0/3:100"),
        number(46, 300),
        number(42, 1_000),
        number(43, 9_000),
        number(47, 10),
        number(48, 20),
        number(49, 1),
    )
    about = record.about
    assert (about.user_name, about.mac, about.circuit_id) == (
        "alice@isp", "02005e100001", "OLT1 xpon 0/1/0/3:100",
    )  # fmt: skip
    assert (about.nas_identifier, about.nas_address, record.reported) == (
        "bras-2", "10.0.0.1", "bras-2",
    )  # fmt: skip
    assert (about.nas_port, about.nas_port_id, about.multi_session_id) == (
        1042, "ether1.100", "bundle-7",
    )  # fmt: skip
    assert (about.framed_ipv4, about.framed_ipv6, about.delegated_ipv6) == (
        "100.64.1.2", "2001:db8:0:1::/64", "2001:db8:ff00::/56",
    )  # fmt: skip
    assert (record.status, record.acct_session_id) == (INTERIM, "81200001")
    assert (record.session_time_s, record.input_octets, record.output_octets) == (300, 1_000, 9_000)
    assert record.terminate_cause == 1


# --- counters


def test_bug6_gigawords_count_rounds_of_two_to_the_32() -> None:
    """domain §5.1 **T**."""
    record = told(number(43, 5), number(53, 2))
    assert record.output_octets == 8_589_934_597
    assert record.sent_gigawords
    assert not told(number(43, 5)).sent_gigawords


def test_bug6_five_gibibytes_read_back_whole() -> None:
    assert told(number(43, 2**30), number(53, 1)).output_octets == 5 * 2**30


def test_the_largest_counters_are_read_exactly() -> None:
    assert told(number(42, 2**32 - 1), number(52, 2**32 - 1)).input_octets == 2**64 - 1


def test_a_nas_that_counts_from_the_other_side_is_turned_round() -> None:
    record = told(number(42, 1), number(43, 2), nas=NasView(3, 1, swap_octets=True))
    assert (record.input_octets, record.output_octets) == (2, 1)


def test_an_absurd_session_time_counts_as_unknown() -> None:
    assert told(number(46, 2**32 - 1)).session_time_s is None


# --- time


def test_without_a_timestamp_it_happened_the_delay_before_it_came() -> None:
    """domain §3.1 **T**: received 10:10:00, delay 600: 10:00:00."""
    record = told(number(41, 600))
    assert (record.at_s, record.stamped, record.delay_s) == (NOW_S - 600, False, 600)


@pytest.mark.parametrize(
    ("timestamp_s", "believed"),
    [
        pytest.param(NOW_S - 86_400, True, id="a day ago, exactly"),
        pytest.param(NOW_S - 86_401, False, id="more than a day ago"),
        pytest.param(NOW_S + 300, True, id="five minutes ahead, exactly"),
        pytest.param(NOW_S + 301, False, id="more than five minutes ahead"),
        pytest.param(0, False, id="1970"),
        pytest.param(2**31, False, id="2038"),
        pytest.param(2**32 - 1, False, id="2106"),
    ],
)
def test_an_event_timestamp_is_believed_within_the_skew(timestamp_s: int, believed: bool) -> None:
    record = told(number(55, timestamp_s), number(41, 60))
    assert record.stamped is believed
    assert record.at_s == (timestamp_s if believed else NOW_S - 60)
    assert (record.event_timestamp_s, record.skew_s) == (timestamp_s, timestamp_s - NOW_S + 60)


def test_d9_a_clock_of_ours_past_2038_reads_as_any_other() -> None:
    record = told(number(55, 2**31 + 5), received_at_s=2**31 + 9.5)
    assert (record.at_s, record.stamped) == (2**31 + 5, True)


def test_a_delay_of_a_hundred_years_is_none() -> None:
    assert event_time(NOW_S, None, 2**32 - 1).at_s == NOW_S


# --- our Class


OURS = b"ai:" + b"%016x" % 77 + b"00112233aabbccdd"


@pytest.mark.parametrize(
    ("classes", "subscriber_id", "nonce"),
    [
        pytest.param([OURS], 77, "00112233aabbccdd", id="ours alone"),
        pytest.param([b"theirs", OURS], 77, "00112233aabbccdd", id="after another's"),
        pytest.param([b"theirs"], 0, "", id="another's alone"),
        pytest.param([b"ai:" + b"z" * 32], 0, "", id="no digits"),
        pytest.param([b"ai:" + b"A" * 32], 0, "", id="not as we write them"),
        pytest.param([b"ai:" + b"f" * 32], 0, "", id="no subscriber has such an id"),
        pytest.param([b"ai:" + b"0" * 22 + b"1122aabbcc"], 0, "", id="nobody's: a stranger"),
        pytest.param([OURS[:-1]], 0, "", id="cut short"),
    ],
)
def test_subscriber_and_login_come_from_our_class(
    classes: list[bytes], subscriber_id: int, nonce: str
) -> None:
    record = told(*(attribute(25, one) for one in classes))
    assert (record.about.subscriber_id, record.class_nonce) == (subscriber_id, nonce)


# --- bad input


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        pytest.param([SESSION_ID], "no-status-type", id="no status type"),
        pytest.param([attribute(40, b"\3"), SESSION_ID], "no-status-type", id="one octet of it"),
        pytest.param([number(40, 3)], "no-session-id", id="no session id"),
        pytest.param([number(40, 1), attribute(44, b"")], "no-session-id", id="an empty one"),
        *(
            pytest.param([number(40, status), SESSION_ID], "status-type", id=f"status {status}")
            for status in (0, 4, 9, 14, 15, 2**32 - 1)
        ),
    ],
)
def test_what_cannot_be_understood_says_why(attributes: list[bytes], reason: str) -> None:
    assert read(packet(*attributes), NOW_S, NAS) == Unreadable(reason)


@pytest.mark.parametrize("status", [7, 8])
def test_a_nas_speaks_for_itself_without_a_session_id(status: int) -> None:
    record = read(packet(number(40, status), attribute(32, b"bras-2")), NOW_S, NAS)
    assert isinstance(record, Record)
    assert (record.status, record.acct_session_id, record.reported) == (status, "", "bras-2")


def test_hostile_text_is_escaped_and_never_lost() -> None:
    record = told(attribute(1, b"a\0'; DROP TABLE\xff"), attribute(31, b"\x80" * 253))
    assert record.about.user_name == r"a\x00'; DROP TABLE\xff"
    assert record.about.mac == ""
    long = read(packet(number(40, 3), attribute(44, b"\0" * 253)), NOW_S, NAS)
    assert isinstance(long, Record)
    assert long.acct_session_id == r"\x00" * 253


KNOWN = [1, 4, 5, 8, 25, 26, 31, 32, 40, 41, 42, 43, 44, 46, 47, 48, 49, 50, 52, 53, 55, 87, 95]
KNOWN += [97, 123, 168]


@given(
    st.lists(st.tuples(st.sampled_from(KNOWN), st.binary(max_size=30)), max_size=30),
    st.integers(0, 16),
)
def test_no_octets_raise(attributes: list[tuple[int, bytes]], status: int) -> None:
    octets = [attribute(code, value) for code, value in attributes]
    for one in (packet(*octets), packet(number(40, status), SESSION_ID, *octets)):
        result = read(one, NOW_S, NAS)
        if isinstance(result, Record):
            assert result.input_octets >= NOT_SENT
            assert "\0" not in result.acct_session_id


@given(st.binary(max_size=20))
def test_a_prefix_of_any_octets_is_text_or_nothing(octets: bytes) -> None:
    assert ipv6_prefix(octets) == "" or "/" in ipv6_prefix(octets)


@given(
    st.one_of(
        st.binary(max_size=20),
        st.binary(min_size=17, max_size=17),
        st.text("0123456789abcdefABCDEFx:-_ ", min_size=17, max_size=17).map(str.encode),
        st.lists(st.text("09afAFgx_", min_size=2, max_size=2), min_size=6, max_size=6).map(
            lambda pairs: ":".join(pairs).encode()
        ),
    )
)
def test_the_short_way_to_a_mac_gives_what_the_long_one_does(octets: bytes) -> None:
    assert mac(octets) == (normalise(octets) or "")
