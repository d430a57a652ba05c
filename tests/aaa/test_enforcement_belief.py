"""An ACK is believed when what is reported next agrees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from aaa.enforcement import Rung
from aaa.enforcement_belief import Belief, Report, Told, belief
from nas_adapters.profile import Burst, ServiceProfile

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = AT + timedelta(minutes=20)
SLOW = ServiceProfile(download_bps=1_000_000, upload_bps=1_000_000)
COA = Told(Rung.COA, SLOW, AT, Report(AT, 0, 0), 1)
END = replace(COA, rung=Rung.DISCONNECT, profile=None)


def report(seconds: int, megabits_per_s: float) -> Report:
    return Report(AT + timedelta(seconds=seconds), 0, int(megabits_per_s * 1e6 / 8 * seconds))


def test_without_a_report_nothing_is_known() -> None:
    assert belief(COA, Report(AT, 0, 0), LATER)[0] is Belief.WAITS


def test_a_session_that_reports_after_its_end_was_acknowledged_goes_on() -> None:
    assert belief(END, report(300, 0), LATER)[0] is Belief.CONTRADICTED


def test_a_report_that_was_under_way_already_contradicts_nobody() -> None:
    assert belief(END, report(1, 0), AT + timedelta(seconds=5))[0] is Belief.WAITS


def test_the_first_report_is_a_beginning_and_the_second_tells_the_speed() -> None:
    assert belief(replace(COA, looks=0), report(300, 50), LATER)[0] is Belief.LOOKED
    assert belief(COA, report(300, 1.2), LATER)[0] is Belief.BELIEVED
    found, why = belief(COA, report(300, 50), LATER)
    assert found is Belief.CONTRADICTED
    assert "50.0 Mbit/s instead of 1.0" in why


def test_a_plan_that_bursts_may_be_as_fast_as_its_burst() -> None:
    bursting = replace(SLOW, burst=Burst(4_000_000, 4_000_000))
    assert belief(replace(COA, profile=bursting), report(300, 5), LATER)[0] is Belief.BELIEVED


def test_no_limit_cannot_be_contradicted() -> None:
    open_ = replace(COA, profile=ServiceProfile(), looks=0)
    assert belief(open_, report(300, 900), LATER)[0] is Belief.BELIEVED


def test_two_reports_close_together_tell_no_speed() -> None:
    assert belief(COA, report(2, 50), LATER)[0] is Belief.WAITS


def test_a_session_that_its_nas_did_not_know_and_reports_has_been_named_wrongly() -> None:
    stale = replace(COA, is_stale=True)
    assert belief(stale, report(300, 0), LATER)[0] is Belief.CONTRADICTED
    assert belief(stale, Report(AT, 0, 0), LATER)[0] is Belief.WAITS
