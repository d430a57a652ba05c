"""What follows from what a NAS answers, and how far down the ladder a wish goes."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as replaced

from aaa.enforcement import (
    OFF,
    STAFF,
    Known,
    Live,
    Next,
    Rung,
    State,
    compare,
    is_crowded_out,
    wanted_of,
)
from aaa.enforcement_breaker import SILENT_MAX, WAIT_S, Breaker
from aaa.enforcement_ladder import (
    BACK_OFF_S,
    UNKNOWN,
    After,
    Task,
    answered,
    first_rung,
    lied,
    moved,
    steps,
)
from aaa.enforcement_print import print_of
from aaa.places import LiveSession
from aaa.policy import Hold
from aaa.records import Quota, SubscriberRecord, Used
from nas_adapters import generic, mikrotik, wispr
from nas_adapters.base import SessionRef, Unchangeable, Verb
from nas_adapters.coa_values import Acked, Ignored, Naked, Silent, Unsendable
from nas_adapters.profile import ServiceProfile
from tests.aaa.world import HOME

FAST = ServiceProfile(download_bps=50_000_000, upload_bps=20_000_000)
SLOW = ServiceProfile(download_bps=1_000_000, upload_bps=1_000_000)
SESSION = SessionRef(acct_session_id="81200001", user_name="alice", framed_ip="100.64.0.1")
COA = Task(
    1, 7, print_of(SLOW, "throttled"), "throttled", "quota", SLOW, print_of(FAST, "plan"), FAST,
    Rung.COA, 0,
)  # fmt: skip
END = replace(COA, wanted=OFF, service=OFF, profile=None, reason="suspended", rung=Rung.DISCONNECT)
NOW_S = 1_800_000_000


@pytest.mark.parametrize(
    ("cause", "state", "rung"),
    [
        pytest.param(503, State.STALE, Rung.COA, id="our session is stale: nobody asks again"),
        pytest.param(401, State.STOPPED, Rung.COA, id="what we send is wrong"),
        pytest.param(404, State.STOPPED, Rung.COA, id="it knows no such profile"),
        pytest.param(405, State.STOPPED, Rung.COA, id="not a service that it has"),
        pytest.param(403, State.STOPPED, Rung.COA, id="the box is set up otherwise"),
        pytest.param(406, State.DUE, Rung.DISCONNECT, id="it takes no CoA: the next rung"),
        pytest.param(506, State.DUE, Rung.COA, id="no room now: later"),
        pytest.param(504, State.DUE, Rung.COA, id="could not: later"),
        pytest.param(201, State.TOLD, Rung.COA, id="it is as it was wanted"),
        pytest.param(507, State.TOLD, Rung.COA, id="it asks us first"),
        pytest.param(None, State.DUE, Rung.COA, id="no reason: once more"),
    ],
)
def test_a_refusal_is_taken_for_what_it_says(cause: int | None, state: State, rung: Rung) -> None:
    after = answered(COA, Naked(cause, 0.01))
    assert (after.state, after.rung) == (state, rung)
    if state is not State.TOLD:
        assert after.error_cause == cause
        assert not after.applies


def test_who_is_busy_is_asked_later_and_later_and_then_otherwise() -> None:
    task, waits = COA, []
    while (after := answered(task, Naked(506, 0.01))).rung is Rung.COA:
        waits.append(after.wait_s)
        task = replace(task, attempts=after.attempts)
    assert waits == [BACK_OFF_S, 2 * BACK_OFF_S, 4 * BACK_OFF_S, 8 * BACK_OFF_S]
    assert (after.rung, after.state, after.attempts) == (Rung.DISCONNECT, State.DUE, 0)


def test_silence_goes_down_the_whole_ladder_and_ends_in_waiting() -> None:
    task, rungs = COA, []
    for _ in range(20):
        after = answered(task, Silent(3))
        rungs.append(task.rung)
        if after.state is State.WAITING:
            break
        task = replace(task, rung=after.rung, attempts=after.attempts, cause=after.cause)
    assert rungs == [Rung.COA] * 3 + [Rung.DISCONNECT] * 3 + [Rung.API] * 3
    assert after.rung is Rung.LOGIN
    assert after.wait_s == 3600.0, "it may be back some day"
    assert after.cause.startswith("coa: no answer to 3 requests; disconnect: no answer")


def test_another_secret_is_told_as_such() -> None:
    after = answered(COA, Silent(3, Ignored.AUTHENTICATOR))
    assert "another secret" in after.cause


def test_what_cannot_be_sent_is_not_sent_again() -> None:
    assert answered(COA, Unsendable("no port 0")).rung is Rung.DISCONNECT


def test_an_ack_of_a_coa_says_what_the_session_has_and_of_a_disconnect_nothing() -> None:
    assert answered(COA, Acked((), 0.01)) == After(State.TOLD, Rung.COA, 0, None, applies=True)
    assert not answered(END, Acked((), 0.01)).applies


def test_half_of_a_change_is_nothing_that_anybody_knows() -> None:
    assert answered(COA, Naked(506, 0.01), half_done=True).is_unclear
    assert lied(COA, "goes on").is_unclear
    assert lied(COA, "goes on").rung is Rung.DISCONNECT


def test_what_nobody_knows_is_no_ground_to_end_a_session() -> None:
    unknown = replace(COA, reason=UNKNOWN, applied="", applied_profile=None)
    after = moved(unknown, "takes no CoA-Request")
    assert (after.state, after.rung, after.wait_s) == (State.WAITING, Rung.LOGIN, None)


def test_a_box_is_told_what_differs_and_a_plain_end_names_the_session_alone() -> None:
    [step] = steps(COA, mikrotik, SESSION)  # type: ignore[misc]
    assert step.verb is Verb.COA
    assert ("Mikrotik-Rate-Limit", "1M/1M") in [(a.name, a.value) for a in step.attributes]
    [end] = steps(END, mikrotik, SESSION)  # type: ignore[misc]
    assert end.verb is Verb.DISCONNECT
    assert steps(replace(COA, profile=FAST), mikrotik, SESSION) == ()
    assert first_rung(OFF) is Rung.DISCONNECT
    assert first_rung("plan") is Rung.COA


def test_a_garden_that_nobody_knows_any_more_ends_with_a_new_login() -> None:
    """Its filter could not be taken back: he would be confined at full speed."""
    confined = replace(COA, applied=print_of(SLOW, "garden"), applied_profile=None, service="plan")
    assert isinstance(steps(confined, mikrotik, SESSION), Unchangeable)
    assert not isinstance(steps(replace(confined, applied=""), generic, SESSION), Unchangeable)


def test_a_box_that_takes_neither_is_not_asked() -> None:
    for task in (COA, END):
        for vendor in (wispr,):
            abilities = vendor.abilities
            said = steps(task, vendor, SESSION)
            able = abilities.can_coa if task is COA else abilities.can_disconnect
            assert able or isinstance(said, Unchangeable)


SESSION_ROW = Live(1, 1, 1, 5, f"{9:010x}{print_of(FAST, 'plan')}", "", None)


@pytest.mark.parametrize(
    ("known", "wanted", "verdict"),
    [
        pytest.param(None, print_of(FAST, "plan"), Next.NOTHING, id="has it from its login"),
        pytest.param(None, print_of(SLOW, "plan"), Next.WISH, id="has something else"),
        pytest.param(None, OFF, Next.WISH, id="may not be online"),
        pytest.param(("b", "", "b", "done"), "b", Next.NOTHING, id="has it from a CoA"),
        pytest.param(("b", "", "b", "done"), "c", Next.WISH, id="had it from a CoA"),
        pytest.param(("b", "", "a", "due"), "b", Next.NOTHING, id="is being told"),
        pytest.param(("b", "", "a", "waiting"), "b", Next.NOTHING, id="was given up"),
        pytest.param(("b", "", "a", "stopped"), "b", Next.NOTHING, id="waits for people"),
        pytest.param(("b", "", "a", "due"), "c", Next.WISH, id="a newer wish"),
        pytest.param((OFF, "", "a", "due"), "a", Next.CANCEL, id="is not wanted any more"),
        pytest.param(("b", "", "a", "stopped"), "a", Next.CANCEL, id="was refused"),
        pytest.param(("b", "", "a", "due"), "a", Next.UNDO, id="nobody knows if it was done"),
        pytest.param((OFF, STAFF, "a", "stopped"), "b", Next.WISH, id="people could not end it"),
        pytest.param((OFF, STAFF, "a", "due"), "a", Next.NOTHING, id="people ended it"),
    ],
)
def test_a_wish_is_made_where_wanted_and_applied_differ(
    known: tuple[str, str, str, str] | None, wanted: str, verdict: Next
) -> None:
    session = SESSION_ROW._replace(known=None if known is None else Known(*known))
    assert compare(session, wanted) is verdict


def test_a_session_is_judged_as_its_login_was_and_competes_with_nobody() -> None:
    record = SubscriberRecord(5, 1, b"", 0)
    limited = replaced(HOME, session_limit=1)
    assert wanted_of(SESSION_ROW, record, limited, NOW_S).service == "plan"
    held = SubscriberRecord(5, 1, b"", 0, holds=(Hold("staff", "reject", 0, 0),))
    assert wanted_of(SESSION_ROW, held, HOME, NOW_S).service == OFF
    walled = SubscriberRecord(5, 1, b"", 0, holds=(Hold("dunning", "walled_garden", 0, 0),))
    assert wanted_of(SESSION_ROW, walled, HOME, NOW_S).reason == "dunning"
    expired = SubscriberRecord(5, 1, b"", NOW_S)
    assert wanted_of(SESSION_ROW, expired, HOME, NOW_S).reason == "expired"
    over = SubscriberRecord(5, 1, b"", 0, quota=Used(0, 5_000, 0))
    quota = Quota(1_000, None, "total", "throttle", 1, 1, False)
    metered = replaced(HOME, quota=quota)
    assert wanted_of(SESSION_ROW, over, metered, NOW_S).service == "throttled"
    assert wanted_of(SESSION_ROW, None, None, NOW_S).service == OFF


def online(number: int, device: bytes = b"", multi_session: str = "") -> LiveSession:
    return LiveSession(number, b"", "", device, multi_session, 0)


@pytest.mark.parametrize(
    ("sessions", "limit", "out"),
    [
        pytest.param([online(1)], 1, set(), id="alone"),
        pytest.param([online(1), online(2)], 1, {1}, id="the oldest makes room"),
        pytest.param([online(1), online(2), online(3)], 2, {1}, id="and no more than that"),
        pytest.param([online(1), online(2)], 0, set(), id="no limit"),
        pytest.param([online(1, b"a"), online(2, b"a")], 1, set(), id="one device, twice"),
        pytest.param(
            [online(1, b"", "m"), online(2), online(3, b"", "m")], 1, {2}, id="a multi-session once"
        ),
    ],
)
def test_the_oldest_is_crowded_out(sessions: list[LiveSession], limit: int, out: set[int]) -> None:
    found = {one.id for one in sessions if is_crowded_out(one.id, sessions, limit)}
    assert found == out
    assert not is_crowded_out(99, sessions, limit), "too new to be known"


def test_a_silent_nas_is_asked_seldom_until_it_answers() -> None:
    breaker = Breaker()
    for _ in range(SILENT_MAX - 1):
        assert not breaker.was_silent(1, 0.0)
        assert breaker.at_once(1, 64, 0.0) == 64
    assert breaker.was_silent(1, 0.0), "and that is news"
    assert breaker.at_once(1, 64, 0.0) == 0
    assert breaker.silent(0.0) == [1]
    assert breaker.silent(2 * 3600.0) == [], "nobody has asked it since"
    assert not breaker.was_silent(1, 1.0), "one that was on its way already"
    assert breaker.at_once(1, 64, WAIT_S) == 1
    assert not breaker.was_silent(1, WAIT_S)
    assert breaker.at_once(1, 64, 2 * WAIT_S) == 0, "longer each time"
    assert breaker.at_once(1, 64, 3 * WAIT_S) == 1
    breaker.answered(1)
    assert breaker.at_once(1, 64, 3 * WAIT_S) == 64
    assert breaker.at_once(2, 64, 0.0) == 64
