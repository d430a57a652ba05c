"""Sessions by the book: the lifecycle, identity and stale sessions of the domain, case by case."""

from msgspec.structs import replace

from accounting.counters import GOOD, LOW, QUARANTINE
from accounting.generations import Generation
from accounting.identity import session_key
from accounting.points import BY_ACCOUNTING_ON, BY_REAPER, BY_REDIAL, Mark, nas_mark
from accounting.records import ACCOUNTING_ON
from accounting.sessions import closed_by
from accounting.walk import LOST_CARRIER, LOST_SERVICE, NAS_REBOOT
from tests.accounting.telling import ABOUT, MB, NOON_S, Told, interim, record, start, stop

USER_REQUEST = 1
REBOOT = Mark(NOON_S + 1_000, BY_ACCOUNTING_ON)


def sessions(told: Told) -> list[Generation]:
    return [told.sessions[number] for number in sorted(told.sessions)]


def only(told: Told) -> Generation:
    (g,) = sessions(told)
    return g


def total_output(told: Told) -> int:
    return sum(amounts.output_octets for amounts in told.usage().values())


# --- lifecycle


def test_a_session_from_start_to_stop() -> None:
    told = Told()(start(), interim(300, 300, 10 * MB), stop(600, 600, 15 * MB, cause=USER_REQUEST))
    g = only(told)
    assert (g.started_s, g.stopped_s, g.seen_s) == (NOON_S, NOON_S + 600, NOON_S + 600)
    assert (closed_by(g), g.cause, g.session_time_s) == ("stop", USER_REQUEST, 600)
    assert (g.output_octets, g.confidence) == (15 * MB, GOOD)


def test_totals_are_set_and_never_added() -> None:
    """domain §4.1 **T**, BUG5."""
    told = Told()(
        start(),
        interim(600, 600, 10 * MB),
        interim(1_500, 1_500, 25 * MB),
        interim(1_500, 1_500, 25 * MB),
        interim(1_560, 1_080, 18 * MB, stamped=False),  # late, and dated by its arrival
        stop(2_400, 2_400, 40 * MB),
    )
    assert only(told).output_octets == 40 * MB
    assert total_output(told) == 40 * MB


def test_bug5_interims_10_25_40_are_40() -> None:
    told = Told()(start(), interim(60, 60, 10), interim(120, 120, 25), interim(180, 180, 40))
    assert only(told).output_octets == total_output(told) == 40


def test_a_late_point_splits_its_interval_anew_and_the_total_stands() -> None:
    """domain §4.2 **T**: points 0 and 100, late 60: 60 + 40."""
    told = Told()(start(), interim(1_800, 1_800, 100))
    quarter = NOON_S
    assert told.usage() == {
        (0, quarter, GOOD): (0, 50, 900),
        (0, quarter + 900, GOOD): (0, 50, 900),
    }
    rows = len(told.rows)
    told(interim(900, 900, 60))
    assert told.usage() == {
        (0, quarter, GOOD): (0, 60, 900),
        (0, quarter + 900, GOOD): (0, 40, 900),
    }
    assert [row.output_octets for row in told.rows[rows:]] == [10, -10]


def test_a_lost_start_is_worked_out_from_the_session_time() -> None:
    assert only(Told()(interim(600, 500, 1))).started_s == NOON_S + 100


def test_a_start_that_comes_late_corrects_the_start() -> None:
    told = Told()(interim(600, 480, 10), start(100))
    assert only(told).started_s == NOON_S + 100
    assert only(told).start_seen


def test_an_earlier_start_that_a_report_proves_is_taken() -> None:
    told = Told()(interim(3_900, 300, 10), interim(4_500, 4_500, 20))
    assert only(told).started_s == NOON_S
    assert told.usage()[(0, NOON_S, GOOD)].output_octets > 0


def test_bug3_a_lone_stop_is_a_closed_session_with_its_usage() -> None:
    told = Told()(stop(600, 600, 7 * MB, cause=USER_REQUEST))
    g = only(told)
    assert (g.started_s, g.stopped_s, closed_by(g)) == (NOON_S, NOON_S + 600, "stop")
    assert total_output(told) == 7 * MB


def test_bug3_a_reused_id_leaves_the_old_session_as_it_was() -> None:
    told = Told()(start(), stop(600, 600, 7 * MB, cause=USER_REQUEST))
    before = only(told)
    told(start(5_000), interim(5_300, 300, MB), stop(5_600, 600, 2 * MB))
    old, new = sessions(told)
    assert old == before
    assert (new.started_s, new.output_octets) == (NOON_S + 5_000, 2 * MB)
    assert total_output(told) == 9 * MB


def test_a_repeated_stop_changes_nothing() -> None:
    told = Told()(start(), stop(600, 600, 7 * MB))
    before = only(told)
    told(stop(600, 600, 7 * MB), stop(615, 600, 7 * MB, stamped=False))
    assert only(told) == before


def test_a_second_stop_with_more_wins_and_adds_the_difference() -> None:
    told = Told()(start(), stop(600, 600, 7 * MB))
    rows = len(told.rows)
    told(stop(601, 601, 8 * MB))
    assert only(told).output_octets == 8 * MB
    assert [row.output_octets for row in told.rows[rows:]] == [MB]


def test_a_stop_with_less_than_the_last_interim_keeps_the_most_and_is_flagged() -> None:
    """domain §4.3."""
    told = Told()(start(), interim(300, 300, 25 * MB), stop(600, 600, 18 * MB))
    g = only(told)
    assert (closed_by(g), g.output_octets, g.confidence) == ("stop", 25 * MB, LOW)


def test_a_late_start_is_no_new_session() -> None:
    told = Told()(start(), stop(600, 600, 7), start(10), start(600))
    assert only(told).stopped_s == NOON_S + 600


def test_an_interim_that_crossed_the_stop_raises_counters_only() -> None:
    told = Told()(start(), stop(600, 600, 7 * MB), interim(602, 600, 9 * MB))
    g = only(told)
    assert (closed_by(g), g.stopped_s, g.output_octets) == ("stop", NOON_S + 600, 9 * MB)


def test_an_interim_well_after_the_stop_reopens_the_session() -> None:
    told = Told()(start(), stop(600, 600, 7 * MB), interim(900, 900, 9 * MB))
    g = only(told)
    assert (closed_by(g), g.reopened, g.output_octets) == ("", 1, 9 * MB)
    told(stop(1_000, 1_000, 10 * MB))
    assert only(told).stopped_s == NOON_S + 1_000


def test_time_that_went_back_with_octets_is_a_new_generation() -> None:
    """domain §5.3."""
    told = Told()(start(), interim(600, 600, 9 * MB), interim(900, 200, MB))
    old, new = sessions(told)
    assert (closed_by(old), old.stopped_s, old.output_octets) == (
        "next-generation", NOON_S + 600, 9 * MB,
    )  # fmt: skip
    assert (new.started_s, new.output_octets) == (NOON_S + 700, MB)


def test_minutes_of_stop_and_start_under_one_id_add_up() -> None:
    """pfSense's "Stop/Start" accounting: each minute is closed and the next one opened."""
    told = Told()
    for minute in range(10):
        told(start(60 * minute), stop(60 * minute + 60, 60, MB))
    assert total_output(told) == 10 * MB
    assert len(sessions(told)) == 10


# --- identity


def test_bug2_two_nases_with_the_same_session_id_are_two_sessions() -> None:
    first, second = start(nas_id=1), start(nas_id=2)
    assert session_key(first) != session_key(second)


def test_boxes_behind_one_address_are_told_apart_by_what_they_report() -> None:
    first = start(about=replace(ABOUT, nas_identifier="olt-1"))
    second = start(about=replace(ABOUT, nas_identifier="olt-2"))
    assert session_key(first) != session_key(second)


def test_the_user_name_is_not_in_the_key() -> None:
    renamed = start(about=replace(ABOUT, user_name="ALICE@isp.example"))
    assert session_key(start()) == session_key(renamed)


def test_each_login_is_a_session_of_its_own_by_our_class() -> None:
    assert session_key(start(class_nonce="a" * 16)) != session_key(start(class_nonce="b" * 16))


# --- reboots


def test_bug4_a_reboot_closes_at_the_last_update_and_keeps_every_byte() -> None:
    """domain §4, also BUG12: the time until the Accounting-On is nobody's."""
    told = Told()(start(), interim(600, 600, 9 * MB), REBOOT)
    g = only(told)
    assert (g.stopped_s, g.cause, closed_by(g)) == (NOON_S + 600, NAS_REBOOT, "accounting-on")
    assert (g.session_time_s, total_output(told)) == (600, 9 * MB)
    again = told.rows.copy()
    assert told(REBOOT).rows == again


def test_a_reboot_that_is_heard_of_first_still_closes() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB), marks=[REBOOT])
    assert closed_by(only(told)) == "accounting-on"


def test_what_was_heard_after_the_reboot_is_untouched_by_it() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB), interim(1_200, 1_200, 10 * MB), REBOOT)
    assert closed_by(only(told)) == ""


def test_d13_an_id_reused_after_a_reboot_is_a_new_session() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB), REBOOT)
    before = only(told)
    told(interim(2_000, 900, 20 * MB))  # its Start was lost, and it has more than the old one
    old, new = sessions(told)
    assert old == before
    assert (new.started_s, new.output_octets) == (NOON_S + 1_100, 20 * MB)
    assert total_output(told) == 29 * MB


def test_d13_an_id_reused_without_a_word_of_the_reboot_is_a_new_session() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB), start(2_000), interim(2_900, 900, 20 * MB))
    old, new = sessions(told)
    assert (old.stopped_s, old.output_octets) == (NOON_S + 600, 9 * MB)
    assert (new.started_s, new.output_octets) == (NOON_S + 2_000, 20 * MB)


def test_a_session_that_outlived_an_accounting_on_goes_on() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB), REBOOT, interim(1_500, 1_500, 12 * MB))
    g = only(told)
    assert (closed_by(g), g.reopened, g.output_octets) == ("", 1, 12 * MB)


def test_a_stop_after_the_accounting_off_has_the_last_word() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB), Mark(NOON_S + 700, 8))
    told(stop(702, 700, 10 * MB, cause=NAS_REBOOT))
    g = only(told)
    assert (closed_by(g), g.stopped_s, g.output_octets) == ("stop", NOON_S + 702, 10 * MB)


# --- silence and re-dials


def test_bug11_a_reaped_session_ends_when_it_was_last_seen() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB))
    told(Mark(NOON_S + 9_000, BY_REAPER, NOON_S + 600))
    g = only(told)
    assert (g.stopped_s, g.cause, closed_by(g)) == (NOON_S + 600, LOST_SERVICE, "reaper")
    assert g.session_time_s == 600
    assert sum(amounts.session_time_s for amounts in told.usage().values()) == 600


def test_bug14_closing_deletes_nothing() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB))
    before = told.usage()
    change = told.apply(Mark(NOON_S + 9_000, BY_REAPER, NOON_S + 600), ())
    assert not change.gone
    assert not change.usage
    assert told.usage() == before


def test_a_reaped_session_reopens_when_it_is_heard_again() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB))
    told(Mark(NOON_S + 9_000, BY_REAPER, NOON_S + 600), interim(9_300, 9_300, 12 * MB))
    g = only(told)
    assert (closed_by(g), g.reopened, g.output_octets) == ("", 1, 12 * MB)


def test_a_reaper_that_did_not_know_a_report_was_wrong() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB))
    told(Mark(NOON_S + 9_000, BY_REAPER, NOON_S + 600), interim(8_900, 8_900, 12 * MB))
    assert closed_by(only(told)) == ""


def test_a_re_dial_closes_the_old_session_at_its_last_update() -> None:
    told = Told()(start(), interim(600, 600, 9 * MB), Mark(NOON_S + 800, BY_REDIAL))
    g = only(told)
    assert (g.stopped_s, g.cause, closed_by(g)) == (NOON_S + 600, LOST_CARRIER, "redial")


# --- counters and gaps


def test_d12_a_wrap_is_counted_once_where_the_line_allows_one_only() -> None:
    told = Told()
    told(interim(600, 600, 2**32 - 10, line_bps=100_000_000))
    told(interim(900, 900, 5, line_bps=100_000_000))
    g = only(told)
    assert (g.output_octets, g.output_wraps, g.confidence) == (2**32 + 5, 1, GOOD)
    told(interim(1_200, 1_200, 50, line_bps=100_000_000))
    assert only(told).output_octets == 2**32 + 50


def test_d12_an_ambiguous_wrap_is_the_least_and_flagged_apart() -> None:
    told = Told()(interim(600, 600, 2**32 - 10), interim(900, 900, 5))
    assert only(told).confidence == LOW
    assert told.usage()[(0, NOON_S, LOW)].output_octets == 15


def test_d12_falling_counters_never_take_usage_back() -> None:
    told = Told()(start(), interim(300, 300, 9 * MB), interim(600, 600, 4 * MB))
    assert all(row.output_octets >= 0 for row in told.rows)
    assert (total_output(told), only(told).confidence) == (9 * MB, LOW)


def test_what_no_line_carries_is_quarantined() -> None:
    told = Told()(start(), interim(300, 300, MB, line_bps=10_000_000))
    told(interim(600, 600, 10_000 * MB, line_bps=10_000_000))
    assert only(told).confidence == QUARANTINE
    assert told.usage()[(0, NOON_S, QUARANTINE)].output_octets == 9_999 * MB


def test_gaps_are_filled_and_the_latest_word_counts() -> None:
    v4 = replace(ABOUT, framed_ipv4="100.64.0.7")
    v6 = replace(ABOUT, framed_ipv4="", framed_ipv6="2001:db8::/64", user_name="alice2")
    for arrived in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        records = [start(), interim(300, 300, 1, about=v4), interim(600, 600, 2, about=v6)]
        told = Told()(*(records[at] for at in arrived))
        about = told.group.about(only(told))
        assert (about.framed_ipv4, about.framed_ipv6) == ("100.64.0.7", "2001:db8::/64")
        assert about.user_name == "alice2"


def test_a_report_older_than_the_kept_history_keeps_totals_right() -> None:
    told = Told()(start())
    for hour in range(1, 80):
        told(interim(3_600 * hour, 3_600 * hour, hour * MB))
    assert told.chunks
    told.chunks.clear()  # their retention has passed
    before = told.usage()
    told(interim(1_800, 1_800, MB // 2), stop(3_600 * 80, 3_600 * 80, 80 * MB))
    assert total_output(told) == 80 * MB
    assert len(told.usage()) == len(before) + 4  # the last hour's quarters


def test_a_mark_older_than_the_kept_history_changes_nothing_that_is_newer() -> None:
    told = Told()(start())
    for hour in range(1, 80):
        told(interim(3_600 * hour, 3_600 * hour, hour * MB))
    told.chunks.clear()
    before = only(told)
    told(REBOOT)
    assert only(told) == before


def test_hundreds_of_reports_within_a_second_do_not_pile_up() -> None:
    told = Told()(start())
    for n in range(1, 400):
        told(interim(1, n, n))
    assert told.group.hot.recent_count < 100
    assert only(told).output_octets == 399


# --- where only the arrival dates a packet


def test_a_repetition_that_seems_newer_is_still_a_repetition() -> None:
    told = Told()(start(stamped=False), interim(300, 300, MB, stamped=False))
    before = only(told)
    told(interim(320, 300, MB, stamped=False))
    assert only(told) == before


def test_a_repeated_start_is_no_restart() -> None:
    told = Told()(start(stamped=False), interim(300, 300, MB, stamped=False))
    told(start(320, stamped=False), interim(600, 600, 2 * MB, stamped=False))
    assert only(told).output_octets == 2 * MB


def test_the_last_words_of_the_session_before_are_its_own() -> None:
    told = Told()(start(stamped=False), interim(600, 600, 5 * MB, stamped=False))
    told(stop(700, 700, 6 * MB, stamped=False), start(1_000, stamped=False))
    told(interim(1_010, 700, 6 * MB, stamped=False))  # known already
    told(stop(1_020, 710, 7 * MB, stamped=False))  # news, but of the old session
    old, new = sessions(told)
    assert (old.output_octets, new.output_octets, closed_by(new)) == (7 * MB, 0, "")
    assert total_output(told) == 7 * MB


def test_without_session_times_octets_alone_go_on_and_reopen() -> None:
    told = Told()(start(), interim(300, None, 3 * MB), stop(600, None, 5 * MB))
    assert only(told).output_octets == 5 * MB
    told(interim(900, None, 6 * MB))
    assert (closed_by(only(told)), only(told).output_octets) == ("", 6 * MB)


def test_a_session_time_that_outran_every_clock_is_quarantined() -> None:
    told = Told()(start(), interim(300, 300, MB), interim(600, 9_000_000, 2 * MB))
    assert (only(told).confidence, only(told).started_s) == (QUARANTINE, NOON_S)


def test_an_accounting_on_becomes_a_mark() -> None:
    assert nas_mark(record(ACCOUNTING_ON, 1_000)) == REBOOT
