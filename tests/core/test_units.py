import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.units import RATE_BPS_MAX, parse_rate_bps, rate_text


@pytest.mark.parametrize(
    ("written", "bps"),
    [("50M", 50_000_000), ("1.5G", 1_500_000_000), ("512k", 512_000), ("512K", 512_000),
     ("64000", 64_000), (64_000, 64_000), (" 10g ", 10_000_000_000), ("0.5k", 500)],
)  # fmt: skip
def test_rates_are_decimal(written: str | int, bps: int) -> None:
    assert parse_rate_bps(written) == bps


@pytest.mark.parametrize(
    "written",
    ["", "M", "50Mbit", "50Mi", "-1M", "1e6", "0", 0, -5, "0.0001k", "\u0665M", "101T", True,
     None, ["50M"], "9" * 4000],
)  # fmt: skip
def test_what_is_no_rate_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="rate"):
        parse_rate_bps(written)


@given(st.integers(1, RATE_BPS_MAX))
def test_what_is_shown_reads_back(bps: int) -> None:
    assert parse_rate_bps(rate_text(bps)) == bps
