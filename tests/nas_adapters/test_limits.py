"""What remains of a quota, as a box reads it (domain §8.5, BUG6): attributes, and their octets."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.radius.codec import encode_named
from dictionaries.loader import load
from nas_adapters.base import words
from nas_adapters.profile import ServiceProfile
from nas_adapters.vendors import VENDORS, vendor

DICTIONARY = load()
GIB = 2**30
PLAN = ServiceProfile(download_bps=20_000_000, upload_bps=5_000_000)
WORDLESS = (
    *("accel_ppp", "cisco", "cisco_xr", "edgerouter", "generic", "hostapd"),
    *("huawei_campus", "juniper", "nokia", "ruckus", "wispr", "zte", "zte_bps"),
)


def limits(name: str, profile: ServiceProfile) -> list[tuple[str, str | int | bytes]]:
    return [(attr.name, attr.value) for attr in vendor(name).limits(profile)]


def octets(name: str, profile: ServiceProfile) -> str:
    return b"".join(
        encode_named(DICTIONARY, attr.name, attr.value) for attr in vendor(name).limits(profile)
    ).hex(" ")


def test_bug6_five_gibibytes_are_a_low_word_and_one_gigaword() -> None:
    five = ServiceProfile(limit_octets=5 * GIB)
    assert limits("mikrotik", five) == [
        ("Mikrotik-Total-Limit", 2**30),
        ("Mikrotik-Total-Limit-Gigawords", 1),
    ]
    # Vendor-Specific of 12 octets, 14988, attribute of 6 octets: nas.md §1.1, vendor docs.
    assert octets("mikrotik", five) == (
        "1a 0c 00 00 3a 8c 11 06 40 00 00 00 1a 0c 00 00 3a 8c 12 06 00 00 00 01"
    )


@pytest.mark.parametrize(
    ("amount", "low", "gigawords"),
    [
        (1, 1, 0),
        (2**32 - 1, 2**32 - 1, 0),
        pytest.param(2**32, 0, 1, id="zero in the low word is no end of limits"),
        (100 * 10**9, 100 * 10**9 % 2**32, 23),
        pytest.param(2**70, 2**32 - 1, 2**32 - 1, id="more than can be said does not wrap"),
        pytest.param(0, 1, 0, id="nothing left is not unlimited"),
        pytest.param(-5, 1, 0, id="and less than nothing neither"),
    ],
)
def test_an_amount_is_split_at_two_to_the_32(amount: int, low: int, gigawords: int) -> None:
    assert words(amount) == (low, gigawords)


def test_mikrotik_receives_what_the_subscriber_uploads() -> None:
    assert limits(
        "mikrotik", ServiceProfile(limit_upload_octets=GIB, limit_download_octets=6 * GIB)
    ) == [
        ("Mikrotik-Recv-Limit", GIB),
        ("Mikrotik-Recv-Limit-Gigawords", 0),
        ("Mikrotik-Xmit-Limit", 2 * GIB),
        ("Mikrotik-Xmit-Limit-Gigawords", 1),
    ]
    assert octets("mikrotik", ServiceProfile(limit_upload_octets=5 * GIB)) == (
        "1a 0c 00 00 3a 8c 01 06 40 00 00 00 1a 0c 00 00 3a 8c 0e 06 00 00 00 01"
    )
    assert octets("mikrotik", ServiceProfile(limit_download_octets=5 * GIB)) == (
        "1a 0c 00 00 3a 8c 02 06 40 00 00 00 1a 0c 00 00 3a 8c 0f 06 00 00 00 01"
    )


@pytest.mark.parametrize(
    ("amount", "kib"),
    [
        (5 * GIB, 5 * 2**20),
        (1025, 2),
        (1, 1),
        (0, 1),
        pytest.param(2**60, 2**32 - 2, id="the highest number would be no limit"),
    ],
)
def test_huawei_counts_what_remains_in_kilobytes(amount: int, kib: int) -> None:
    assert limits("huawei_bng", ServiceProfile(limit_octets=amount)) == [
        ("HW-Remanent-Volume", kib)
    ]


def test_huawei_in_octets() -> None:
    five = ServiceProfile(limit_octets=5 * GIB)
    assert octets("huawei_bng", five) == "1a 0c 00 00 07 db 0f 06 00 50 00 00"


def test_huawei_says_nothing_of_one_direction_alone() -> None:
    """A total of that size would end the session too early."""
    profile = ServiceProfile(limit_download_octets=GIB, limit_upload_octets=GIB)
    assert limits("huawei_bng", profile) == []


@pytest.mark.parametrize("name", WORDLESS)
def test_a_box_without_words_for_an_amount_is_told_none(name: str) -> None:
    every = ServiceProfile(
        limit_octets=GIB, limit_download_octets=GIB, limit_upload_octets=GIB, interim_s=None
    )
    assert limits(name, every) == []
    assert vendor(name).render(every) == ()


amounts = st.none() | st.integers(-1, 2**70)


@pytest.mark.parametrize("name", VENDORS)
@settings(max_examples=25)
@given(total=amounts, download=amounts, upload=amounts)
def test_a_login_that_adds_the_limits_to_a_plan_says_what_the_whole_would(
    name: str, total: int | None, download: int | None, upload: int | None
) -> None:
    limited = replace(
        PLAN, limit_octets=total, limit_download_octets=download, limit_upload_octets=upload
    )
    spoken = vendor(name)
    assert spoken.render(limited) == spoken.render(PLAN) + spoken.limits(limited)
    assert spoken.limits(PLAN) == ()


@given(amount=st.integers(1, 2**64 - 1))
def test_mikrotik_adds_up_to_the_amount_again(amount: int) -> None:
    read = {
        attr.name: int(attr.value)
        for attr in vendor("mikrotik").limits(ServiceProfile(limit_octets=amount))
    }
    assert read["Mikrotik-Total-Limit"] + read["Mikrotik-Total-Limit-Gigawords"] * 2**32 == amount


@given(amount=st.integers(1, 2**41))
def test_huawei_is_told_enough_and_less_than_a_kilobyte_more(amount: int) -> None:
    [attr] = vendor("huawei_bng").limits(ServiceProfile(limit_octets=amount))
    assert amount <= int(attr.value) * 1024 < amount + 1024
