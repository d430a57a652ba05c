"""Re-dials and silence."""

import pytest

from accounting.closing import Dialled, Silence, superseded, sweep, usual_interval_s
from accounting.points import BY_REDIAL, Mark

OLD = Dialled(1, 3, "02005e100001", "ether1.100", "", started_s=1_000)


def test_the_same_device_on_the_same_port_supersedes_its_older_session() -> None:
    assert superseded(OLD, OLD._replace(started_s=2_000)) == Mark(2_000, BY_REDIAL)


@pytest.mark.parametrize(
    "newer",
    [
        pytest.param(OLD._replace(started_s=500), id="an older one"),
        pytest.param(OLD, id="itself"),
        pytest.param(OLD._replace(started_s=2_000, mac="02005e100002"), id="another device"),
        pytest.param(OLD._replace(started_s=2_000, nas_id=4), id="another NAS"),
        pytest.param(OLD._replace(started_s=2_000, nas_port_id="ether2"), id="another port"),
        pytest.param(OLD._replace(started_s=2_000, tenant_id=2), id="another tenant"),
    ],
)
def test_others_supersede_nothing(newer: Dialled) -> None:
    assert superseded(OLD, newer) is None


def test_who_has_no_address_is_nobodys_double() -> None:
    nameless = OLD._replace(mac="")
    assert superseded(nameless, nameless._replace(started_s=2_000)) is None


def test_links_of_one_bundle_live_side_by_side() -> None:
    link = OLD._replace(multi_session_id="bundle-7")
    assert superseded(link, link._replace(started_s=2_000)) is None


# --- the sweeper

NOW_S = 100_000


def test_a_session_is_stale_after_three_of_its_intervals_or_a_quarter_of_an_hour() -> None:
    live = [Silence(NOW_S - 10, 60, 10)]
    quick, slow = Silence(NOW_S - 900, 60), Silence(NOW_S - 1_800, 600)
    assert sweep([*live, quick, slow], NOW_S).closed == []
    assert sweep([*live, quick, slow], NOW_S + 1).closed == [quick, slow]


def test_a_silent_nas_is_not_500_ended_sessions() -> None:
    dark = [Silence(NOW_S - 4_000 + number % 300, 300) for number in range(500)]
    swept = sweep(dark, NOW_S)
    assert swept.closed == []
    assert swept.is_blackout
    assert sorted(swept.unknown) == sorted(dark)


@pytest.mark.parametrize("interval_s", [60, 300, 600, 3600])
def test_those_of_a_silent_nas_whose_report_was_due_first_are_unknown_too(interval_s: int) -> None:
    """They are stale one by one, and the first would else be closed before half of them are."""
    dark = [Silence(NOW_S - at_s, interval_s) for at_s in range(0, interval_s, interval_s // 60)]
    for later_s in range(0, 4 * interval_s + 1_000, 60):
        assert sweep(dark, NOW_S + later_s).closed == []
    assert len(sweep(dark, NOW_S + 4 * interval_s + 1_000).unknown) == len(dark)


def test_more_than_half_silent_together_is_the_link_and_less_is_not() -> None:
    dark = Silence(NOW_S - 4_000, 300, 5)
    assert sweep([Silence(NOW_S - 10, 300, 4), dark], NOW_S).closed == []
    assert sweep([Silence(NOW_S - 10, 300, 5), dark], NOW_S).closed == [dark]
    assert sweep([dark], NOW_S, count=9).closed == []
    assert sweep([dark], NOW_S, count=10).closed == [dark]


def test_sessions_that_died_one_by_one_are_no_blackout() -> None:
    dead = [Silence(NOW_S - 4_000 - 5_000 * number, 300) for number in range(5)]
    assert sweep(dead, NOW_S).closed == dead


def test_the_only_session_of_a_nas_is_closed_too() -> None:
    assert len(sweep([Silence(NOW_S - 4_000, 300)], NOW_S).closed) == 1


def test_our_own_deafness_is_no_silence_of_theirs() -> None:
    one = Silence(NOW_S - 4_000, 300)
    assert sweep([one], NOW_S, [(NOW_S - 3_900, NOW_S - 100)]).closed == []
    overlapping = [(NOW_S - 2_000, NOW_S - 1_000), (NOW_S - 1_500, NOW_S - 900)]
    assert len(sweep([one], NOW_S, overlapping).closed) == 1


def test_who_has_observed_nothing_yet_is_expected_to_report_as_the_others_of_the_box() -> None:
    usual_s = usual_interval_s([(0, 90), (5, 90), (3_600, 9), (7_200, 2), (60, 1)])
    assert usual_s == 3_600
    fresh = [Silence(NOW_S - 3_000, 0), Silence(NOW_S - 3_000, 5)]
    assert sweep(fresh, NOW_S, count=100, usual_s=usual_s) == ([], [], False)
    assert sweep(fresh, NOW_S + 8_000, count=100, usual_s=usual_s).closed == fresh


def test_of_a_box_that_never_reports_within_a_session_nobody_knows_for_a_day() -> None:
    mute = Silence(NOW_S - 1_000, 0)
    assert usual_interval_s([(0, 1), (5, 1)]) == 0
    assert sweep([mute], NOW_S) == ([], [mute], False)
    assert sweep([mute], NOW_S + 86_400).closed == [mute]


def test_a_link_that_is_down_for_a_week_is_a_box_that_was_taken_away() -> None:
    dark = Silence(NOW_S, 300, 5)
    assert sweep([dark], NOW_S + 7 * 86_400).unknown == [dark]
    assert sweep([dark], NOW_S + 7 * 86_400 + 1).closed == [dark]
