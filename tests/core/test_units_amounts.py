import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.units import (
    OCTETS_MAX,
    TIME_S_MAX,
    octets_text,
    parse_octets,
    parse_time_s,
    time_text,
)


@pytest.mark.parametrize(
    ("written", "octets"),
    [("100GB", 100 * 10**9), ("100GiB", 100 * 2**30), ("1.5 tb", 1_500_000_000_000),
     ("512MiB", 2**29), ("7", 7), (7, 7), ("0.5kB", 500), ("1kib", 1024)],
)  # fmt: skip
def test_an_amount_says_whether_it_is_decimal_or_binary(written: str | int, octets: int) -> None:
    assert parse_octets(written) == octets


@pytest.mark.parametrize(
    "written",
    ["", "GB", "100G", "100Gbit", "-1GB", "1e9", 0, "0GB", True, None, "0.5", "0.0001kB",
     "1000001TB", ["1GB"], "9" * 4000],
)  # fmt: skip
def test_what_is_no_amount_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match=r"amount|octets"):
        parse_octets(written)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30h", 108_000), ("90m", 5400), ("7d", 604_800), ("45 s", 45), (60, 60), ("1H", 3600)],
)
def test_a_time_has_one_unit(written: str | int, seconds: int) -> None:
    assert parse_time_s(written) == seconds


@pytest.mark.parametrize("written", ["", "h", "1.5h", "-1h", 0, "30 hours", True, "9999999999d"])
def test_what_is_no_time_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="time"):
        parse_time_s(written)


@given(st.integers(1, OCTETS_MAX), st.integers(1, TIME_S_MAX))
def test_what_is_shown_of_amounts_and_times_reads_back(octets: int, seconds: int) -> None:
    assert parse_octets(octets_text(octets)) == octets
    assert parse_time_s(time_text(seconds)) == seconds


def test_amounts_are_shown_as_they_are_written() -> None:
    assert [octets_text(n) for n in (100 * 10**9, 100 * 2**30, 1, 1500)] == [
        "100GB",
        "100GiB",
        "1",
        "1500",
    ]
    assert [time_text(s) for s in (108_000, 5400, 61)] == ["30h", "90m", "61s"]
