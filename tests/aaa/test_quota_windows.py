from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aaa.quota_windows import ROLLING_DAYS, Kind, Window, day_of, days, start_of, window

BERLIN = ZoneInfo("Europe/Berlin")
CAIRO = ZoneInfo("Africa/Cairo")  # its clocks go forward at midnight
KOLKATA = ZoneInfo("Asia/Kolkata")
HAVANA = ZoneInfo("America/Havana")  # and these back, from one o'clock to midnight
ZONES = (ZoneInfo("UTC"), BERLIN, CAIRO, KOLKATA, HAVANA, ZoneInfo("Pacific/Chatham"))
JAN_31 = date(2026, 1, 31)


def at(zone: ZoneInfo, *when: int) -> int:
    return int(datetime(*when, tzinfo=zone).timestamp())  # type: ignore[misc, arg-type]


def hours(found: Window | None) -> float:
    assert found is not None
    assert found.ends_s is not None
    return (found.ends_s - found.starts_s) / 3600


def test_a_month_from_the_31st_is_cut_where_there_is_none_and_long_again_after() -> None:
    starts = []
    day = JAN_31
    for _ in range(5):
        found = window(Kind.ANCHOR, JAN_31, BERLIN, day)
        assert found is not None
        assert found.ends_s is not None
        starts.append(day_of(BERLIN, found.starts_s))
        day = day_of(BERLIN, found.ends_s)
    assert starts == [
        date(2026, 1, 31),
        date(2026, 2, 28),
        date(2026, 3, 31),
        date(2026, 4, 30),
        date(2026, 5, 31),
    ]


def test_a_month_of_before_the_anchor_is_one_like_the_others() -> None:
    found = window(Kind.ANCHOR, JAN_31, BERLIN, date(2025, 12, 30))
    assert found == Window(at(BERLIN, 2025, 11, 30), at(BERLIN, 2025, 12, 31))


@pytest.mark.parametrize(
    ("zone", "day", "length"),
    [
        pytest.param(BERLIN, date(2026, 3, 29), 23, id="forward in the night"),
        pytest.param(BERLIN, date(2026, 10, 25), 25, id="back in the night"),
        pytest.param(CAIRO, date(2026, 4, 24), 23, id="forward at midnight"),
        pytest.param(CAIRO, date(2026, 10, 29), 25, id="back at midnight"),
        pytest.param(HAVANA, date(2026, 11, 1), 25, id="a midnight that is there twice"),
        pytest.param(KOLKATA, date(2026, 3, 29), 24, id="half an hour off, and never changed"),
    ],
)
def test_a_day_has_the_hours_that_the_clocks_give_it(
    zone: ZoneInfo, day: date, length: int
) -> None:
    assert hours(window(Kind.DAY, JAN_31, zone, day)) == length


def test_a_month_with_a_change_of_clocks_has_an_hour_less() -> None:
    assert hours(window(Kind.CALENDAR, JAN_31, BERLIN, date(2026, 3, 29))) == 31 * 24 - 1


def test_a_quota_without_a_window_begins_with_its_anchor_and_has_no_end() -> None:
    assert window(Kind.NONE, JAN_31, BERLIN, date(2026, 1, 30)) is None
    forever = Window(at(BERLIN, 2026, 1, 31), None)
    assert window(Kind.NONE, JAN_31, BERLIN, JAN_31) == forever
    assert window(Kind.NONE, JAN_31, BERLIN, date(2099, 1, 1)) == forever


def test_a_rolling_quota_is_summed_over_thirty_days() -> None:
    found = days(Kind.ROLLING, date(2026, 3, 1))
    assert (len(found), found[0], found[-1]) == (
        ROLLING_DAYS,
        date(2026, 1, 31),
        date(2026, 3, 1),
    )
    assert days(Kind.DAY, JAN_31) == (JAN_31,)


@given(
    st.sampled_from([Kind.ANCHOR, Kind.CALENDAR, Kind.DAY, Kind.ROLLING]),
    st.dates(date(2020, 1, 1), date(2035, 1, 1)),
    st.sampled_from(ZONES),
    st.integers(at(BERLIN, 2021, 1, 1), at(BERLIN, 2034, 1, 1)),
)
def test_every_instant_is_in_the_window_of_its_day_and_windows_leave_no_gap(
    kind: Kind, anchor: date, zone: ZoneInfo, instant: int
) -> None:
    day = day_of(zone, instant)
    found = window(kind, anchor, zone, day)
    assert found is not None
    assert found.ends_s is not None
    assert found.starts_s <= instant < found.ends_s
    following = window(kind, anchor, zone, day_of(zone, found.ends_s))
    assert following is not None
    assert following.starts_s == found.ends_s
    assert found.starts_s % 900 == 0, "usage is kept by quarters of an hour"


@given(st.dates(date(2020, 1, 1), date(2035, 1, 1)), st.sampled_from(ZONES))
def test_a_day_begins_with_its_first_instant(day: date, zone: ZoneInfo) -> None:
    start_s = start_of(zone, day)
    assert day_of(zone, start_s) == day
    assert day_of(zone, start_s - 1) == day - timedelta(days=1)
    assert datetime.fromtimestamp(start_s, UTC).tzinfo is UTC
