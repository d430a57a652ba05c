"""What is used of a quota: a function of usage and rule, and of nothing else."""

from dataclasses import replace
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaa.quota import (
    BIGINT_MAX,
    NOTHING,
    Allowance,
    Amount,
    Direction,
    Rule,
    Scale,
    has_moved,
    percent_used,
    total,
)
from aaa.quota_state import State, judge
from aaa.quota_windows import Kind, Window, start_of
from aaa.zones import Zone
from accounting.usage import Interval, by_quarter

GB = 10**9
NIGHT = Zone(0, 6 * 60, 0)
EVENING = Zone(18 * 60, 0, 50)
RULE = Rule(Direction.TOTAL, Kind.CALENDAR, (NIGHT, EVENING), "Europe/Berlin", date(2026, 1, 31))
SCALE = Scale(RULE)
ALLOWANCE = Allowance(100 * GB, None)
BOTH = Allowance(100 * GB, 3600)
MONTH = Window(1_000_000, 2_000_000)
NOW_S = 1_500_000


def at(*when: int) -> int:
    return int(datetime(*when, tzinfo=SCALE.zone).timestamp())  # type: ignore[misc, arg-type]


def test_a_direction_counts_its_octets_and_time_counts_in_all() -> None:
    noon = at(2026, 3, 1, 12)
    counted = {
        direction: Scale(replace(RULE, direction=direction)).weighed(noon, 3, 40, 900)
        for direction in Direction
    }
    assert counted == {
        Direction.TOTAL: (4300, 90_000),
        Direction.DOWNLOAD: (4000, 90_000),  # output octets: to the subscriber
        Direction.UPLOAD: (300, 90_000),
    }


def test_zones_weigh_octets_and_time_by_the_wall_clock() -> None:
    weights = [SCALE.weighed(at(2026, 3, 1, hour), 1, 0, 1) for hour in (5, 6, 18, 23)]
    assert weights == [(0, 0), (100, 100), (50, 50), (50, 50)]


@pytest.mark.parametrize(
    ("day", "free_hours"),
    [
        pytest.param((2026, 3, 28), 6, id="an ordinary night"),
        pytest.param((2026, 3, 29), 5, id="the night that lacks an hour"),
        pytest.param((2026, 10, 25), 7, id="the night with an hour twice"),
    ],
)
def test_a_free_night_is_as_long_as_the_clocks_make_it(
    day: tuple[int, int, int], free_hours: int
) -> None:
    day_starts_s = at(*day)
    quarters = range(day_starts_s, day_starts_s + 12 * 3600, 900)
    free = sum(SCALE.place(quarter).weight == 0 for quarter in quarters)
    assert free == free_hours * 4


@given(
    from_s=st.integers(at(2026, 10, 24), at(2026, 10, 26)),
    length_s=st.integers(0, 2 * 86_400),
    octets=st.integers(-(10**12), 10**12),
)
def test_a_split_over_zones_and_windows_conserves_every_octet(
    from_s: int, length_s: int, octets: int
) -> None:
    """Zones that all weigh alike are no zones, wherever an interval is cut."""
    alike = Scale(replace(RULE, kind=Kind.DAY, zones=(Zone(0, 6 * 60, 100), Zone(23 * 60, 0, 100))))
    pieces = by_quarter([Interval(0, from_s, from_s + length_s, octets, 0, length_s, 0)])
    weighed = [alike.weighed(bucket.begins_s, *amounts) for bucket, amounts in pieces.items()]
    assert total(weighed).octets == 100 * octets
    by_weight = {
        weight: sum(
            amounts.input_octets
            for bucket, amounts in pieces.items()
            if SCALE.place(bucket.begins_s).weight == weight
        )
        for weight in (0, 50, 100)
    }
    assert sum(by_weight.values()) == octets
    counted = total(SCALE.weighed(bucket.begins_s, *one) for bucket, one in pieces.items())
    assert counted.octets == 100 * by_weight[100] + 50 * by_weight[50]


@given(
    st.lists(st.tuples(st.integers(0, 95), st.integers(-(2**62), 2**62)), max_size=20), st.randoms()
)
def test_the_order_of_adding_makes_no_difference(
    rows: list[tuple[int, int]], random: object
) -> None:
    amounts = [SCALE.weighed(at(2026, 3, 1) + 900 * quarter, n, n, 0) for quarter, n in rows]
    shuffled = amounts.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert total(shuffled) == total(amounts)


def test_usage_of_the_night_between_two_months_counts_in_the_one_that_it_was_in() -> None:
    before, after = SCALE.place(at(2026, 3, 31, 23, 45)), SCALE.place(at(2026, 4, 1))
    assert before.window == Window(at(2026, 3, 1), at(2026, 4, 1))
    assert after.window == Window(at(2026, 4, 1), at(2026, 5, 1))


def test_a_rule_of_another_name_is_one_that_may_give_another_sum() -> None:
    others = [
        replace(RULE, direction=Direction.UPLOAD),
        replace(RULE, kind=Kind.DAY),
        replace(RULE, kind=Kind.ANCHOR),
        replace(RULE, kind=Kind.ANCHOR, anchor=date(2026, 1, 30)),
        replace(RULE, zones=(NIGHT,)),
        replace(RULE, zones=()),
        replace(RULE, timezone="UTC"),
    ]
    assert len({rule.name() for rule in (RULE, *others)}) == len(others) + 1
    assert replace(RULE, anchor=date(2026, 1, 1)).name() == RULE.name()


def test_a_threshold_is_reached_to_the_octet() -> None:
    just_below = Amount(100 * 80 * GB - 1)
    assert percent_used(just_below, ALLOWANCE) == 79
    assert percent_used(Amount(100 * 80 * GB), ALLOWANCE) == 80
    assert percent_used(Amount(-1), ALLOWANCE) == 0
    assert percent_used(Amount(100 * 125 * GB, 0), ALLOWANCE) == 125


def test_of_two_quotas_the_one_that_is_nearer_its_end_decides() -> None:
    hour = Amount(100 * GB, 100 * 3600)
    assert percent_used(hour, BOTH) == 100
    assert percent_used(hour, ALLOWANCE) == 1
    assert percent_used(hour, Allowance(None, 7200)) == 50


def test_what_is_told_is_rounded_down_and_fits_its_column() -> None:
    assert Amount(199, 299).whole() == (1, 2)
    assert Amount(-1, -200).whole() == (0, 0)
    assert Amount(2**80, 0).whole() == (BIGINT_MAX, 0)


def test_a_hundredth_of_the_quota_is_a_move_in_either_direction() -> None:
    used = Amount(50 * 100 * GB)
    for by, moved in ((100 * GB, True), (100 * GB - 1, False), (-100 * GB, True)):
        assert has_moved(used, Amount(used.octets + by), ALLOWANCE) is moved
    assert has_moved(used, Amount(used.octets, 36 * 100), BOTH)


def state(percent: float, *, window: Window = MONTH, allowance: Allowance = ALLOWANCE) -> State:
    """As it is worked out: in hundredths."""
    return State(window, Amount(int(percent * GB) * 100), allowance)


def told(percent: float, **more: object) -> State:
    one = state(percent, **more)  # type: ignore[arg-type]
    return one._replace(used=one.used.whole())


def test_a_jump_crosses_every_threshold_between_and_full_is_one_of_them() -> None:
    assert judge(None, state(130), (120, 80), NOW_S).crossed == (80, 100, 120)
    assert judge(told(85), state(119), (80, 120), NOW_S).crossed == (100,)
    assert judge(told(100), state(119), (80, 120), NOW_S).crossed == ()


def test_less_than_a_hundredth_is_told_only_if_it_crosses_something() -> None:
    assert not judge(told(50), state(50.9), (80,), NOW_S).is_to_tell
    assert judge(told(50), state(51), (80,), NOW_S).is_to_tell
    assert judge(told(79.9), state(80), (80,), NOW_S).is_to_tell
    assert judge(told(80), state(79.9), (80,), NOW_S).is_to_tell
    assert judge(told(50), state(50, window=Window(0, 3_000_000)), (80,), NOW_S).is_to_tell
    other = Allowance(200 * GB, None)
    assert judge(told(50), state(50, allowance=other), (80,), NOW_S).is_to_tell


def test_a_new_window_begins_with_nothing_used() -> None:
    following = Window(MONTH.ends_s or 0, 3_000_000)
    verdict = judge(told(130), state(1, window=following), (80,), 2_000_000)
    assert (verdict.crossed, verdict.is_to_tell) == ((), True)
    assert judge(told(130), state(81, window=following), (80,), 2_000_000).crossed == (80,)


def test_full_speed_comes_back_once_a_window_and_never_where_there_is_no_end() -> None:
    assert judge(told(99), state(100), (), NOW_S).ends_anew
    assert not judge(told(100), state(140), (), NOW_S).ends_anew
    assert not judge(told(90), state(99), (), NOW_S).ends_anew
    forever = Window(0, None)
    assert not judge(None, state(100, window=forever), (), NOW_S).ends_anew


def test_another_quota_is_judged_from_the_beginning() -> None:
    other = Allowance(50 * GB, None)
    assert judge(told(60), state(60, allowance=other), (80,), NOW_S).crossed == (80, 100)


ROLLING = Scale(replace(RULE, kind=Kind.ROLLING, zones=()))
TODAY = date(2026, 3, 30)


def rolled(*last: int) -> list[Amount]:
    """Thirty days, of which the last used so many hundredths of the quota."""
    return [NOTHING] * (30 - len(last)) + [Amount(each * 100 * GB) for each in last]


def test_a_rolling_quota_is_free_again_when_enough_days_have_dropped_out() -> None:
    def until(by_day: list[Amount]) -> date:
        instant = ROLLING.over_until(TODAY, by_day, ALLOWANCE)
        return datetime.fromtimestamp(instant, ROLLING.zone).date()

    assert until(rolled(60, 30, 20)) == date(2026, 4, 27)  # without the first: 50
    assert until(rolled(1, 0, 99)) == date(2026, 4, 27)
    assert until(rolled(0, 0, 100)) == date(2026, 4, 29)
    assert until(rolled(0, 0, 10)) == date(2026, 4, 29)  # not over: when all has dropped out
    assert start_of(ROLLING.zone, date(2026, 4, 29)) == ROLLING.over_until(
        TODAY, rolled(10), ALLOWANCE
    )


def test_a_rolling_quota_that_was_over_and_free_again_is_crossed_again() -> None:
    today = Window(3_000_000, 4_000_000)
    floor = Amount(95 * 100 * GB)
    again = judge(told(130), state(101, window=today), (80,), 2_500_000, floor=floor)
    assert again.crossed == (100,), "80 was never left; full speed was given back"
    late = judge(told(130), state(101, window=today), (80,), 2_500_000, floor=state(101).used)
    assert late.crossed == (100,), "also by usage of an earlier day that came late"
    stays = judge(told(130), state(125, window=today), (80,), NOW_S, floor=floor)
    assert stays.crossed == (), "the days go by and he stays over"
