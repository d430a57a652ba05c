"""One counter, from report to report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.counters import GOOD, LOW, WRAP, Advance, advance, plausible

FULL = WRAP - 10


def after(raw: int, elapsed_s: int, line_bps: int, *, wide: bool = False) -> Advance:
    return advance(FULL, 0, raw, wide=wide, line_bps=line_bps, elapsed_s=elapsed_s)


@pytest.mark.parametrize(
    ("line_bps", "once_s", "ambiguous_s"),
    [
        pytest.param(50_000_000, 687, 688, id="50 Mb/s"),
        pytest.param(100_000_000, 343, 344, id="100 Mb/s"),
        pytest.param(300_000_000, 114, 115, id="300 Mb/s"),
        pytest.param(1_000_000_000, 34, 35, id="1 Gb/s"),
    ],
)
def test_one_wrap_only_while_the_line_cannot_have_made_two(
    line_bps: int, once_s: int, ambiguous_s: int
) -> None:
    """domain §5.2: how long 2^32 octets last."""
    assert after(5, once_s, line_bps) == Advance(WRAP + 5, 1, GOOD)
    assert after(5, ambiguous_s, line_bps) == Advance(WRAP + 5, 1, LOW)


def test_without_a_line_rate_a_wrap_is_a_guess() -> None:
    assert after(5, 300, 0) == Advance(WRAP + 5, 1, LOW)


@pytest.mark.parametrize(
    "advanced",
    [
        pytest.param(after(5, 300, 100_000_000, wide=True), id="this NAS counts in 64 bits"),
        pytest.param(after(5, 0, 100_000_000), id="no time has passed"),
        pytest.param(after(WRAP // 2, 10, 100_000_000), id="the line is too slow for a round"),
    ],
)
def test_what_fell_for_no_good_reason_stays_at_its_most(advanced: Advance) -> None:
    assert advanced == Advance(FULL, 0, LOW)


def test_nothing_goes_round_from_below() -> None:
    fell = advance(9_000, 0, 5, wide=False, line_bps=100_000_000, elapsed_s=300)
    assert fell == Advance(9_000, 0, LOW)


@given(
    st.integers(0, 2**63), st.integers(0, 5), st.integers(0, 2**64), st.booleans(),
    st.integers(0, 10**12), st.integers(-10, 10**6),
)  # fmt: skip
def test_a_total_never_falls(
    total: int, wraps: int, raw: int, wide: bool, line_bps: int, elapsed_s: int
) -> None:
    total += wraps * WRAP
    advanced = advance(total, wraps, raw, wide=wide, line_bps=line_bps, elapsed_s=elapsed_s)
    assert advanced.total >= total
    assert advanced.wraps - wraps in (0, 1)


def test_half_as_much_again_as_the_line_carries_is_plausible_and_no_more() -> None:
    """domain §5.4."""
    most = 100_000_000 // 8 * 60 * 3 // 2
    assert plausible(most, 100_000_000, 60)
    assert not plausible(most + 1, 100_000_000, 60)
