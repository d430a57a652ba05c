"""Re-dials and silence."""

import pytest

from accounting.closing import Dialled, Silence, superseded, sweep
from accounting.points import BY_REAPER, BY_REDIAL, Mark

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
    live = [Silence(ref, NOW_S - 10, 60) for ref in range(10)]
    quick, slow = Silence(90, NOW_S - 900, 60), Silence(91, NOW_S - 1_800, 600)
    assert sweep([*live, quick, slow], NOW_S).closed == []
    swept = sweep([*live, quick, slow], NOW_S + 1)
    assert swept.closed == [
        (90, Mark(NOW_S + 1, BY_REAPER, quick.last_seen_s)),
        (91, Mark(NOW_S + 1, BY_REAPER, slow.last_seen_s)),
    ]


def test_a_silent_nas_is_not_500_ended_sessions() -> None:
    dark = [Silence(ref, NOW_S - 4_000 + ref % 300, 300) for ref in range(500)]
    swept = sweep(dark, NOW_S)
    assert swept.closed == []
    assert sorted(swept.unknown) == list(range(500))


def test_more_than_half_silent_together_is_the_link_and_less_is_not() -> None:
    live = [Silence(ref, NOW_S - 10, 300) for ref in range(4)]
    dark = [Silence(10 + ref, NOW_S - 4_000, 300) for ref in range(5)]
    assert sweep(live + dark, NOW_S).closed == []
    assert len(sweep([*live, Silence(4, NOW_S, 300), *dark], NOW_S).closed) == 5


def test_sessions_that_died_one_by_one_are_no_blackout() -> None:
    dead = [Silence(ref, NOW_S - 4_000 - 5_000 * ref, 300) for ref in range(5)]
    assert len(sweep(dead, NOW_S).closed) == 5


def test_the_only_session_of_a_nas_is_closed_too() -> None:
    assert len(sweep([Silence(1, NOW_S - 4_000, 300)], NOW_S).closed) == 1


def test_our_own_deafness_is_no_silence_of_theirs() -> None:
    one = Silence(1, NOW_S - 4_000, 300)
    assert sweep([one], NOW_S, [(NOW_S - 3_900, NOW_S - 100)]).closed == []
    overlapping = [(NOW_S - 2_000, NOW_S - 1_000), (NOW_S - 1_500, NOW_S - 900)]
    assert len(sweep([one], NOW_S, overlapping).closed) == 1
