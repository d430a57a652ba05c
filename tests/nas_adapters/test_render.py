"""Each dialect, word for word: what a box is told for the same profile."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Network

import pytest

from nas_adapters.profile import Burst, ServiceProfile
from nas_adapters.vendors import VENDORS, vendor

BARE = ServiceProfile(interim_s=None)
HOME = replace(BARE, download_bps=20_000_000, upload_bps=5_000_000)
BURST = Burst(download_bps=40_000_000, upload_bps=10_000_000, threshold_bps=15_000_000, time_s=16)
GARDEN = replace(
    BARE,
    download_bps=1_000_000,
    upload_bps=512_000,
    filter_id="walled-garden",
    redirect_url="http://pay.example.net/",
)


def rendered(name: str, profile: ServiceProfile) -> list[tuple[str, str | int | bytes]]:
    return [(attr.name, attr.value) for attr in vendor(name).render(profile)]


@pytest.mark.parametrize("name", VENDORS)
def test_a_profile_that_says_nothing_renders_nothing(name: str) -> None:
    assert rendered(name, BARE) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "generic",
            [("WISPr-Bandwidth-Max-Up", 5_000_000), ("WISPr-Bandwidth-Max-Down", 20_000_000)],
        ),
        ("mikrotik", [("Mikrotik-Rate-Limit", "5M/20M")]),
        (
            "cisco",
            [
                (
                    "Cisco-Account-Info",
                    "QU;5000000;937500;1875000;D;20000000;3750000;7500000",
                )
            ],
        ),
        (
            "huawei_bng",
            [
                ("HW-Input-Committed-Information-Rate", 5_000_000),
                ("HW-Input-Peak-Information-Rate", 5_000_000),
                ("HW-Input-Committed-Burst-Size", 937_500),
                ("HW-Output-Committed-Information-Rate", 20_000_000),
                ("HW-Output-Peak-Information-Rate", 20_000_000),
                ("HW-Output-Committed-Burst-Size", 3_750_000),
            ],
        ),
        ("accel_ppp", [("Filter-Id", "20000/5000")]),
    ],
)
def test_twenty_down_and_five_up(name: str, expected: list[tuple[str, str | int]]) -> None:
    assert rendered(name, HOME) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("generic", [("WISPr-Bandwidth-Max-Down", 20_000_000)]),
        ("mikrotik", [("Mikrotik-Rate-Limit", "0/20M")]),
        ("cisco", [("Cisco-Account-Info", "QD;20000000;3750000;7500000")]),
        (
            "huawei_bng",
            [
                ("HW-Output-Committed-Information-Rate", 20_000_000),
                ("HW-Output-Peak-Information-Rate", 20_000_000),
                ("HW-Output-Committed-Burst-Size", 3_750_000),
            ],
        ),
        ("accel_ppp", [("Filter-Id", "20000/0")]),
    ],
)
def test_one_direction_limited_leaves_the_other_free(
    name: str, expected: list[tuple[str, str | int]]
) -> None:
    assert rendered(name, replace(HOME, upload_bps=None)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "generic",
            [
                ("WISPr-Bandwidth-Max-Up", 512_000),
                ("WISPr-Bandwidth-Max-Down", 1_000_000),
                ("Filter-Id", "walled-garden"),
                ("WISPr-Redirection-URL", "http://pay.example.net/"),
            ],
        ),
        (
            "mikrotik",
            [
                ("Mikrotik-Rate-Limit", "512k/1M"),
                ("Mikrotik-Address-List", "walled-garden"),
                ("WISPr-Redirection-URL", "http://pay.example.net/"),
            ],
        ),
        (
            "cisco",
            [
                ("Cisco-Account-Info", "QU;512000;96000;192000;D;1000000;187500;375000"),
                ("Cisco-AVPair", "ip:inacl=walled-garden"),
            ],
        ),
        (
            "huawei_bng",
            [
                ("HW-Input-Committed-Information-Rate", 512_000),
                ("HW-Input-Peak-Information-Rate", 512_000),
                ("HW-Input-Committed-Burst-Size", 96_000),
                ("HW-Output-Committed-Information-Rate", 1_000_000),
                ("HW-Output-Peak-Information-Rate", 1_000_000),
                ("HW-Output-Committed-Burst-Size", 187_500),
                ("Filter-Id", "walled-garden"),
                ("HW-Portal-URL", "http://pay.example.net/"),
            ],
        ),
        ("accel_ppp", [("Framed-Pool", "walled-garden"), ("Filter-Id", "1000/512")]),
    ],
)
def test_the_walled_garden(name: str, expected: list[tuple[str, str | int]]) -> None:
    assert rendered(name, GARDEN) == expected


STATIC = replace(
    BARE,
    address_pool="pool-a",
    static_ipv4=IPv4Address("203.0.113.9"),
    static_ipv6_prefix=IPv6Network("2001:db8:1:42::/64"),
    delegated_ipv6=IPv6Network("2001:db8:42::/56"),
    session_timeout_s=86_400,
    interim_s=300,
)


@pytest.mark.parametrize("name", VENDORS)
def test_addresses_and_times_are_said_alike_by_all_and_an_address_excludes_the_pool(
    name: str,
) -> None:
    assert rendered(name, STATIC) == [
        ("Framed-IP-Address", "203.0.113.9"),
        ("Framed-IPv6-Prefix", "2001:db8:1:42::/64"),
        ("Delegated-IPv6-Prefix", "2001:db8:42::/56"),
        ("Session-Timeout", 86_400),
        ("Acct-Interim-Interval", 300),
    ]


@pytest.mark.parametrize("name", VENDORS)
def test_a_pool_is_named_where_no_address_is(name: str) -> None:
    expected = ("Framed-Pool", "pool-a")
    if name == "cisco":
        expected = ("Cisco-AVPair", "ip:addr-pool=pool-a")
    assert rendered(name, replace(BARE, address_pool="pool-a")) == [expected]


def test_on_accel_ppp_nothing_leads_around_the_walled_garden() -> None:
    walled = rendered("accel_ppp", replace(STATIC, filter_id="walled-garden"))
    assert walled == [
        ("Framed-Pool", "walled-garden"),
        ("Session-Timeout", 86_400),
        ("Acct-Interim-Interval", 300),
    ]


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        pytest.param(
            replace(HOME, burst=replace(BURST, upload_threshold_bps=4_000_000)),
            "5M/20M 10M/40M 4M/15M 16/16 8",
            id="the manual's example",
        ),
        pytest.param(
            replace(HOME, burst=BURST),
            "5M/20M 10M/40M 3750k/15M 16/16 8",
            id="the upload's threshold in proportion",
        ),
        pytest.param(
            ServiceProfile(
                download_bps=50_000_000,
                upload_bps=20_000_000,
                burst=Burst(80_000_000, 30_000_000, 40_000_000, 16),
            ),
            "20M/50M 30M/80M 16M/40M 16/16 8",
            id="home-50",
        ),
        pytest.param(
            replace(HOME, burst=replace(BURST, threshold_bps=None, time_s=0)),
            "5M/20M 10M/40M 5M/20M 1/1 8",
            id="without a threshold it is the rate, and a second is the least",
        ),
        pytest.param(
            replace(HOME, burst=replace(BURST, upload_bps=1_000_000)),
            "5M/20M 5M/40M 3750k/15M 16/16 8",
            id="no burst is slower than the rate",
        ),
        pytest.param(
            ServiceProfile(download_bps=1_024_000, upload_bps=1_048_576),
            "1048576/1024k",
            id="powers of two are no units",
        ),
        pytest.param(
            ServiceProfile(download_bps=2_500_000, upload_bps=999),
            "999/2500k",
            id="the largest unit that is exact",
        ),
        pytest.param(
            ServiceProfile(download_bps=10_000_000_000, upload_bps=10_000_000_000),
            "10000M/10000M",
            id="ten gigabit",
        ),
        pytest.param(
            replace(HOME, upload_bps=None, burst=BURST), "0/20M", id="no rate, nothing to exceed"
        ),
        pytest.param(
            ServiceProfile(download_bps=0, upload_bps=0), "1/1", id="zero is not unlimited"
        ),
    ],
)
def test_mikrotik_rate_limits(profile: ServiceProfile, expected: str) -> None:
    assert ("Mikrotik-Rate-Limit", expected) in rendered("mikrotik", profile)


def test_a_burst_is_huaweis_peak_rate() -> None:
    attributes = dict(rendered("huawei_bng", replace(HOME, burst=BURST)))
    assert attributes["HW-Input-Committed-Information-Rate"] == 5_000_000
    assert attributes["HW-Input-Peak-Information-Rate"] == 10_000_000
    assert attributes["HW-Output-Committed-Information-Rate"] == 20_000_000
    assert attributes["HW-Output-Peak-Information-Rate"] == 40_000_000


def test_ten_gigabit_does_not_wrap_in_thirty_two_bits() -> None:
    fast = replace(BARE, download_bps=10_000_000_000, upload_bps=2**32)
    for name in ("generic", "huawei_bng"):
        rates = [
            value for attribute, value in rendered(name, fast) if "Burst-Size" not in attribute
        ]
        assert set(rates) == {2**32 - 1}
    assert rendered("accel_ppp", fast) == [("Filter-Id", "10000000/4294967")]


def test_accel_ppp_rounds_down_to_kbit_but_never_to_zero_which_lifts_the_limit() -> None:
    odd = replace(BARE, download_bps=1_999_999, upload_bps=500)
    assert rendered("accel_ppp", odd) == [("Filter-Id", "1999/1")]


def test_times_stay_in_what_the_attributes_can_say() -> None:
    long = replace(BARE, session_timeout_s=2**40, interim_s=5)
    assert rendered("generic", long) == [
        ("Session-Timeout", 2**32 - 1),
        ("Acct-Interim-Interval", 60),
    ]
    none = replace(BARE, session_timeout_s=0, interim_s=0)
    assert rendered("generic", none) == []
