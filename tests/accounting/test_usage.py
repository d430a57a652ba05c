"""Splitting usage at instants loses nothing."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounting.counters import GOOD, LOW
from accounting.usage import (
    FINE_MAX_S,
    HOUR_S,
    QUARTER_S,
    SPREAD_MAX_S,
    Amounts,
    Bucket,
    Interval,
    Usage,
    bounded,
    by_quarter,
    difference,
    quarters,
    shares,
    split,
    taken_back,
    within,
)

amounts = st.integers(0, 2**63)


@st.composite
def intervals(draw: st.DrawFn) -> Interval:
    from_s = draw(st.integers(0, 10**6))
    to_s = from_s + draw(st.one_of(st.integers(0, 5 * HOUR_S), st.integers(0, 3 * FINE_MAX_S)))
    return Interval(
        draw(st.integers(0, 2)), from_s, to_s, draw(amounts), draw(amounts), draw(amounts), GOOD
    )


@given(amounts, st.lists(st.integers(1, 10**5), min_size=1, max_size=30))
def test_shares_add_up_and_are_as_even_as_whole_numbers_can_be(
    amount: int, lengths: list[int]
) -> None:
    parts = shares(amount, lengths)
    assert sum(parts) == amount
    whole = sum(lengths)
    for part, length in zip(parts, lengths, strict=True):
        assert abs(part * whole - amount * length) < whole
    assert shares(-amount, lengths) == [-part for part in parts]


@pytest.mark.parametrize(
    ("amount", "lengths", "parts"),
    [
        pytest.param(100, [1, 1, 1], [34, 33, 33], id="the earlier gets the odd one"),
        pytest.param(10, [1, 2], [3, 7], id="the larger remainder is rounded up"),
        pytest.param(1, [1, 1], [1, 0], id="one octet is not halved"),
        pytest.param(0, [5, 5], [0, 0], id="nothing"),
    ],
)
def test_shares_by_largest_remainder(amount: int, lengths: list[int], parts: list[int]) -> None:
    assert shares(amount, lengths) == parts


@given(intervals(), st.lists(st.integers(0, 10**6 + 5 * HOUR_S), unique=True).map(sorted))
def test_splitting_at_any_instants_loses_nothing(interval: Interval, instants: list[int]) -> None:
    pieces = split(interval, within(instants, interval.from_s, interval.to_s))
    assert (pieces[0].from_s, pieces[-1].to_s) == (interval.from_s, interval.to_s)
    assert all(before.to_s == after.from_s for before, after in pairwise(pieces))
    assert (
        tuple(sum(column) for column in zip(*(piece[3:6] for piece in pieces), strict=True))
        == (interval[3:6])
    )


@given(st.lists(intervals(), max_size=6))
def test_quarters_conserve_usage_and_taking_back_leaves_nothing(some: list[Interval]) -> None:
    by = by_quarter(some)
    for column in range(3):
        assert sum(held[column] for held in by.values()) == sum(one[3 + column] for one in some)
    assert by_quarter([*some, *map(taken_back, some)]) == {}


@given(st.lists(intervals(), max_size=5), st.lists(intervals(), max_size=5))
def test_the_difference_turns_one_into_the_other(
    before: list[Interval], after: list[Interval]
) -> None:
    sums = {key: list(held) for key, held in by_quarter(before).items()}
    for row in difference(before, after):
        held = sums.setdefault(Bucket(*row[:3]), [0, 0, 0])
        for column in range(3):
            held[column] += row[3 + column]
    assert {key: Amounts(*held) for key, held in sums.items() if any(held)} == by_quarter(after)


def test_an_instant_on_the_quarter_belongs_to_the_quarter_that_begins() -> None:
    moment = Interval(0, QUARTER_S, QUARTER_S, 1, 1, 0, GOOD)
    assert by_quarter([moment]) == {(0, QUARTER_S, GOOD): Amounts(1, 1, 0)}
    ending = Interval(0, QUARTER_S - 60, QUARTER_S, 1, 1, 60, GOOD)
    assert by_quarter([ending]) == {(0, 0, GOOD): Amounts(1, 1, 60)}


def test_what_is_doubtful_is_kept_apart_from_what_is_sure() -> None:
    sure, doubtful = Interval(0, 0, 60, 5, 5, 60, GOOD), Interval(0, 60, 120, 7, 7, 60, LOW)
    assert difference([sure], [sure, doubtful]) == (Usage(0, 0, LOW, 7, 7, 60),)


def test_a_year_between_two_reports_fills_a_month_of_rows() -> None:
    year = bounded(Interval(0, 0, 365 * 86_400, 10**9, 0, 0, GOOD))
    assert year.to_s - year.from_s == SPREAD_MAX_S
    assert len(by_quarter([year])) == 31 * 24


@pytest.mark.parametrize(
    ("from_s", "to_s", "cuts"),
    [
        pytest.param(899, 1_801, [900, 1_800], id="inside"),
        pytest.param(900, 1_800, [], id="not the ends"),
        pytest.param(900, 900 + FINE_MAX_S, range(1_800, 900 + FINE_MAX_S, 900), id="a day"),
        pytest.param(
            900, 901 + FINE_MAX_S, range(3_600, 901 + FINE_MAX_S, 3_600), id="a long silence"
        ),
    ],
)
def test_where_an_interval_is_cut(from_s: int, to_s: int, cuts: Sequence[int]) -> None:
    assert list(quarters(from_s, to_s)) == list(cuts)


def test_a_day_of_india_is_a_sum_of_quarters() -> None:
    """Its midnight is 18:30 UTC: a report from 18:20 to 18:40 is half of either day."""
    half_past_s = 18 * HOUR_S + 1_800
    across = Interval(0, half_past_s - 600, half_past_s + 600, 100, 0, 1_200, GOOD)
    before = [held for key, held in by_quarter([across]).items() if key.begins_s < half_past_s]
    assert before == [Amounts(50, 0, 600)]
