"""Fault D9: a clock that is set in the midst of a session makes one session none the more.

The NAS's clock dates a report, or ours does where it sends no stamp; either may be put on or
back.  What it cannot change is the session's own time, which only grows.
"""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.counters import GOOD
from accounting.event_time import event_time
from accounting.generations import Generation
from accounting.points import BY_ACCOUNTING_ON, BY_REAPER, Mark, point
from accounting.records import INTERIM, START, STOP, Record
from accounting.sessions import closed_by, derive
from accounting.usage import by_quarter
from tests.accounting.telling import MB, NOON_S, Told, interim, record, start, stop

HOUR_S = 3_600
DAY_S = 86_400
NONCE = "a" * 32
JUMPS = [HOUR_S, -HOUR_S, DAY_S, -DAY_S]
KINDS = pytest.mark.parametrize("nonce", [NONCE, ""], ids=["our Class", "no Class"])
CLOCKS = pytest.mark.parametrize("stamped", [True, False], ids=["stamps", "arrivals"])
BY = pytest.mark.parametrize("jump_s", JUMPS, ids=["+1h", "-1h", "+1d", "-1d"])


def sessions(told: Told) -> list[Generation]:
    return [told.sessions[number] for number in sorted(told.sessions)]


def used(told: Told) -> tuple[int, int, int]:
    """Upload, download and session time of all usage rows."""
    sums = [sum(column) for column in zip(*told.usage().values(), strict=True)] or [0, 0, 0]
    return sums[0], sums[1], sums[2]


def check_is_one(told: list[Record], random: random.Random, *, again: int = 0) -> None:
    """In order and in any other it is one session with what its last report says."""
    last = told[-1]
    truth = (last.input_octets, last.output_octets, last.session_time_s or 0)
    whole = derive([point(one, one.about_key) for one in told])
    arrived = [*told, *random.choices(told, k=again)]
    shuffled = random.sample(arrived, k=len(arrived))
    for schedule in (told, arrived, shuffled):
        group = Told()(*schedule)
        assert group.sessions == {g.number: g for g in whole.generations}
        assert group.usage() == by_quarter(whole.intervals)
        assert all(min(amounts) >= 0 for amounts in group.usage().values())
        (g,) = group.sessions.values()
        assert (g.input_octets, g.output_octets, g.session_time_s) == truth
        assert used(group) == truth
        assert g.confidence == GOOD
        assert bool(g.closed_by) == (last.status == STOP)
        assert not g.closed_by or g.stopped_s >= g.started_s


def jumped(told: list[Record], at: int, jump_s: int) -> list[Record]:
    """That session, with the clock set just before its record number `at`."""
    return [
        one if n < at else msgspec.structs.replace(one, at_s=one.at_s + jump_s)
        for n, one in enumerate(told)
    ]


@st.composite
def session(draw: st.DrawFn, *, stamped: bool, nonce: str) -> list[Record]:
    """What a correct NAS sends of one session."""
    more = {"stamped": stamped, "class_nonce": nonce, "wide": True}
    step_s = draw(st.sampled_from([60, 300, 900]))
    told = [record(START, 0, 0, **more)]  # type: ignore[arg-type]
    at_s, received, sent = 0, 0, 0
    count = draw(st.integers(3, 30))
    for n in range(count):
        at_s += step_s
        received += draw(st.integers(0, 20 * MB))
        sent += draw(st.integers(0, 90 * MB))
        status = STOP if n == count - 1 and draw(st.booleans()) else INTERIM
        told.append(record(status, at_s, at_s, received, sent, **more))  # type: ignore[arg-type]
    return told


@pytest.mark.slow
@KINDS
@CLOCKS
@BY
@settings(deadline=None, max_examples=40)
@given(data=st.data(), random=st.randoms(use_true_random=False))
def test_d9_a_clock_that_is_set_in_the_midst_counts_once(
    jump_s: int, stamped: bool, nonce: str, data: st.DataObject, random: random.Random
) -> None:
    told = data.draw(session(stamped=stamped, nonce=nonce))
    told = jumped(told, data.draw(st.integers(1, len(told) - 1)), jump_s)
    lost = data.draw(st.sets(st.integers(0, len(told) - 2), max_size=len(told) // 3))
    told = [one for n, one in enumerate(told) if n not in lost]
    check_is_one(told, random, again=len(told) // 2)


@pytest.mark.slow
@CLOCKS
@settings(deadline=None, max_examples=150)
@given(data=st.data(), random=st.randoms(use_true_random=False))
def test_d9_one_login_is_one_session_however_often_its_clock_is_set(
    stamped: bool, data: st.DataObject, random: random.Random
) -> None:
    """There and back, or by any step and again: our Class says that it is one."""
    told = data.draw(session(stamped=stamped, nonce=NONCE))
    steps = st.sampled_from([*JUMPS, 90, -90, 7_000, -7_000])
    for _ in range(data.draw(st.integers(1, 3))):
        told = jumped(told, data.draw(st.integers(1, len(told) - 1)), data.draw(steps))
    lost = data.draw(st.sets(st.integers(0, len(told) - 2), max_size=len(told) // 3))
    told = [one for n, one in enumerate(told) if n not in lost]
    check_is_one(told, random, again=len(told) // 2)


@pytest.mark.slow
@KINDS
@settings(deadline=None, max_examples=80)
@given(
    data=st.data(),
    jump_s=st.sampled_from(JUMPS),
    theirs=st.booleans(),
    random=st.randoms(use_true_random=False),
)
def test_d9_stamps_that_are_no_longer_believed_and_those_that_are_make_one_session(
    nonce: str, data: st.DataObject, jump_s: int, theirs: bool, random: random.Random
) -> None:
    """As `event_time` dates them: a stamp too far off gives way to the arrival."""
    told = data.draw(session(stamped=True, nonce=nonce))
    at = data.draw(st.integers(1, len(told) - 1))
    dated = []
    for n, one in enumerate(told):
        off_s = jump_s if n >= at else 0
        stamp_s = one.at_s + (off_s if theirs else 0)
        received_s = one.at_s + (0 if theirs else off_s)
        at_s, stamped, skew_s = event_time(received_s, stamp_s, None)
        dated.append(
            msgspec.structs.replace(
                one,
                at_s=at_s,
                stamped=stamped,
                skew_s=skew_s,
                received_at_s=received_s,
                event_timestamp_s=stamp_s,
            )
        )
    check_is_one(dated, random, again=len(dated) // 2)


# --- by example


@pytest.mark.slow
@KINDS
@BY
def test_d9_a_whole_day_of_reports_whose_clock_is_set_at_half_is_that_day(
    jump_s: int, nonce: str
) -> None:
    """Longer than a group remembers by itself."""
    told = [start(class_nonce=nonce)]
    told += [interim(300 * n, 300 * n, n * MB, class_nonce=nonce) for n in range(1, 288)]
    told.append(stop(DAY_S, DAY_S, 288 * MB, class_nonce=nonce))
    told = jumped(told, 144, jump_s)
    check_is_one(told, random.Random(9), again=50)


@KINDS
@CLOCKS
@BY
def test_d9_a_session_that_was_given_up_meanwhile_goes_on(
    jump_s: int, stamped: bool, nonce: str
) -> None:
    """Our clock put on makes every session seem silent."""
    told = [start(stamped=stamped, class_nonce=nonce)]
    told += [
        interim(300 * n, 300 * n, n * MB, stamped=stamped, class_nonce=nonce) for n in range(1, 9)
    ]
    told = jumped(told, 5, jump_s)
    last_s = told[4].at_s
    group = Told()(*told[:5], Mark(last_s + 3_000, BY_REAPER, last_s), *told[5:])
    (g,) = sessions(group)
    assert (g.output_octets, used(group)) == (8 * MB, (0, 8 * MB, 2_400))
    # Set back, the clock says that all of it was before the close.
    assert (closed_by(g) == "") == (jump_s > 0)


@BY
def test_d9_one_login_outlives_an_accounting_on_whatever_its_clock_says(jump_s: int) -> None:
    told = [start(class_nonce=NONCE)]
    told += [interim(300 * n, 300 * n, n * MB, class_nonce=NONCE) for n in range(1, 9)]
    told = jumped(told, 5, jump_s)
    group = Told()(*told[:5], Mark(NOON_S + 1_300, BY_ACCOUNTING_ON), *told[5:])
    (g,) = sessions(group)
    assert (g.output_octets, used(group)) == (8 * MB, (0, 8 * MB, 2_400))


@KINDS
@BY
def test_d9_a_stop_that_is_sent_again_by_another_clock_is_the_same_stop(
    jump_s: int, nonce: str
) -> None:
    told = [
        start(class_nonce=nonce),
        interim(300, 300, MB, class_nonce=nonce),
        stop(600, 600, 2 * MB, class_nonce=nonce),
        stop(600 + jump_s, 600, 2 * MB, class_nonce=nonce),
    ]
    check_is_one(told, random.Random(9))


@pytest.mark.parametrize("nonce", [NONCE, ""], ids=["our Class", "no Class"])
def test_stops_and_starts_under_one_id_add_up_whether_or_not_they_bring_our_class(
    nonce: str,
) -> None:
    """Each minute closed and the next one opened: it is the NAS that says so, no clock."""
    told = []
    for minute in range(10):
        told.append(start(60 * minute, class_nonce=nonce))
        told.append(stop(60 * minute + 60, 60, MB + minute, class_nonce=nonce))
    assert all(one.status in (START, STOP) for one in told)
    without_one_start = [one for n, one in enumerate(told) if n != 6]
    for sent in (told, without_one_start):
        group = Told()(*sent)
        assert used(group)[1] == 10 * MB + 45
        assert len(sessions(group)) == 10


def test_d13_an_id_that_is_reused_after_a_session_without_start_is_counted_whole() -> None:
    """Without our Class its first reports might be earlier ones of the session before, by
    another clock; as soon as they cannot be, all of it counts."""
    before = [interim(at_s, at_s, at_s * MB) for at_s in (900, 1_200, 1_500)]
    anew = [start(5_000)]
    anew += [interim(5_000 + at_s, at_s, at_s * MB // 2) for at_s in range(300, 1_300, 300)]
    group = Told()(*before, *anew)
    old, new = sessions(group)
    assert (old.output_octets, new.output_octets) == (1_500 * MB, 600 * MB)
    assert (new.started_s, new.start_seen) == (NOON_S + 5_000, True)
    assert used(group)[1] == 2_100 * MB
    short = Told()(*before, start(5_000), stop(5_300, 300, MB))
    assert [g.output_octets for g in sessions(short)] == [1_500 * MB, MB]
