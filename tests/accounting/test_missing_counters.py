"""A counter that a report does not have is not a counter that shows 0, and one that falls and
is back at once did not go round: each was gigabytes that nobody had used."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.counters import GOOD, LOW, Advance, advance
from accounting.points import BY_REAPER, Mark, point
from accounting.records import INTERIM, NOT_SENT, STOP, NasView, Record
from accounting.request import read
from accounting.sessions import closed_by, derive
from accounting.usage import by_quarter
from core.radius.packet import attribute
from tests.accounting.telling import MB, NOON_S, Told, interim, record, start, stop
from tests.accounting.test_records import AN_INTERIM, number, packet, told

GB = 10**9
AS_IT_WAS = -2  # instead of a number: what the box would have sent


def totals(told: Told) -> tuple[int, int, int]:
    """Session time, upload and download of the only session, which its usage adds up to."""
    (g,) = told.sessions.values()
    sums = [sum(column) for column in zip(*told.usage().values(), strict=True)] or [0, 0, 0]
    assert sums == [g.input_octets, g.output_octets, g.session_time_s]
    return g.session_time_s, g.input_octets, g.output_octets


# --- as it is read


@pytest.mark.parametrize(
    ("attributes", "octets"),
    [
        pytest.param([number(42, 5)], (5, NOT_SENT), id="no download"),
        pytest.param([number(43, 5)], (NOT_SENT, 5), id="no upload"),
        pytest.param([number(42, 0), attribute(43, b"\1\2")], (0, NOT_SENT), id="two octets"),
        pytest.param([number(42, 1), number(53, 2)], (1, NOT_SENT), id="rounds of no number"),
    ],
)
def test_a_counter_that_is_absent_or_odd_was_not_sent(
    attributes: list[bytes], octets: tuple[int, int]
) -> None:
    found = told(*attributes)
    assert (found.input_octets, found.output_octets) == octets


def test_what_was_not_sent_is_turned_round_like_what_was() -> None:
    found = read(packet(*AN_INTERIM, number(42, 7)), NOON_S, NasView(3, 1, swap_octets=True))
    assert isinstance(found, Record)
    assert (found.input_octets, found.output_octets) == (NOT_SENT, 7)


# --- the law


@st.composite
def rising(draw: st.DrawFn) -> list[Record]:
    """What a correct NAS sends of one session in 32 bits, before any counter goes round."""
    at_s, received, sent = 0, 0, draw(st.sampled_from([0, 3 * GB]))
    line_bps = draw(st.sampled_from([None, 10**8, 10**9]))
    wide = draw(st.booleans())
    told = [start()] if draw(st.booleans()) else []
    count = draw(st.integers(2, 8))
    for n in range(count):
        at_s += draw(st.sampled_from([60, 300, 900, 4_000]))
        received += draw(st.integers(1, 50 * MB))
        sent += draw(st.integers(1, 100 * MB))
        status = STOP if n == count - 1 and draw(st.booleans()) else INTERIM
        told.append(record(status, at_s, at_s, received, sent, wide=wide, line_bps=line_bps))
    return told


def without(one: Record, seconds: int | None, received: int, sent: int) -> Record:
    """That report with other numbers."""
    return msgspec.structs.replace(
        one,
        session_time_s=one.session_time_s if seconds == AS_IT_WAS else seconds,
        input_octets=one.input_octets if received == AS_IT_WAS else received,
        output_octets=one.output_octets if sent == AS_IT_WAS else sent,
    )


ODD = st.sampled_from([AS_IT_WAS, NOT_SENT, 0])
ODD_TIME = st.sampled_from([AS_IT_WAS, None, 0])


def check_set(told: list[Record], random: random.Random) -> Told:
    """In order, and twice over in any other: the same, and what `derive` makes of the set."""
    whole = derive([point(one, one.about_key) for one in told])
    arrived = told * 2
    random.shuffle(arrived)
    in_order, in_any = Told()(*told), Told()(*arrived)
    for group in (in_order, in_any):
        assert group.sessions == {g.number: g for g in whole.generations}
        assert group.usage() == by_quarter(whole.intervals)
        assert all(min(amounts) >= 0 for amounts in group.usage().values())
    return in_any


@settings(deadline=None, max_examples=300)
@given(rising(), st.data(), ODD_TIME, ODD, ODD, st.randoms(use_true_random=False))
def test_one_report_without_its_numbers_leaves_the_totals_alone(
    told: list[Record],
    data: st.DataObject,
    seconds: int | None,
    received: int,
    sent: int,
    random: random.Random,
) -> None:
    first = 1 if told[0].session_time_s == 0 else 0
    at = data.draw(st.integers(first, len(told) - 2))
    last = told[-1]
    told[at] = without(told[at], seconds, received, sent)
    found = totals(check_set(told, random))
    assert found == (last.session_time_s, last.input_octets, last.output_octets)


@settings(deadline=None, max_examples=200)
@given(rising(), ODD_TIME, ODD, ODD, st.randoms(use_true_random=False))
def test_a_last_report_without_its_numbers_adds_nothing_of_its_own(
    told: list[Record], seconds: int | None, received: int, sent: int, random: random.Random
) -> None:
    before, last = told[-2], told[-1]
    if before.status != INTERIM:
        return
    told[-1] = without(last, seconds, received, sent)
    found = totals(check_set(told, random))
    assert found == (
        last.session_time_s if seconds == AS_IT_WAS else before.session_time_s,
        last.input_octets if received == AS_IT_WAS else before.input_octets,
        last.output_octets if sent == AS_IT_WAS else before.output_octets,
    )


@settings(deadline=None, max_examples=200)
@given(rising(), st.data(), st.randoms(use_true_random=False))
def test_a_counter_that_falls_and_is_back_had_not_gone_round(
    told: list[Record], data: st.DataObject, random: random.Random
) -> None:
    told = [msgspec.structs.replace(one, line_bps=None) for one in told]
    first = 1 if told[0].session_time_s == 0 else 0
    at = data.draw(st.integers(first, len(told) - 2))
    fallen = data.draw(st.integers(0, told[at].output_octets))
    last = told[-1]
    told[at] = without(told[at], AS_IT_WAS, AS_IT_WAS, fallen)
    found = totals(check_set(told, random))
    assert found == (last.session_time_s, last.input_octets, last.output_octets)


# --- by example


def test_an_interim_without_octets_is_no_wrap() -> None:
    """It was counted as 4.3 GB more, as sure as any usage."""
    told = Told()(start(), interim(3_000, 3_000, 3 * GB), interim(3_300, 3_300, NOT_SENT))
    (g,) = told.sessions.values()
    assert (g.seen_s, g.session_time_s, g.confidence) == (NOON_S + 3_300, 3_300, GOOD)
    told(interim(3_600, 3_600, 3 * GB + 1), interim(3_900, 3_900, 3 * GB + 2))
    assert totals(told) == (3_900, 0, 3 * GB + 2)
    assert {confidence for _, _, confidence in told.usage()} == {GOOD}


def test_a_stop_without_counters_ends_the_session_with_what_it_had() -> None:
    told = Told()(start(), interim(3_000, 3_000, 3 * GB), stop(3_100, 3_100, NOT_SENT))
    (g,) = told.sessions.values()
    assert (closed_by(g), g.confidence, totals(told)) == ("stop", GOOD, (3_100, 0, 3 * GB))


def test_a_stop_of_zeros_ends_the_session_with_what_it_had_and_is_flagged() -> None:
    told = Told()(start(), interim(3_000, 3_000, 3 * GB), stop(3_100, 0, 0))
    (g,) = told.sessions.values()
    assert (closed_by(g), g.stopped_s, g.confidence) == ("stop", NOON_S + 3_100, LOW)
    assert totals(told) == (3_000, 0, 3 * GB)


@pytest.mark.parametrize("line_bps", [0, 10**8, 10**9])
def test_a_counter_at_nothing_did_not_go_round(line_bps: int) -> None:
    kept = advance(3 * GB, 0, 0, wide=False, line_bps=line_bps, elapsed_s=300)
    assert kept == Advance(3 * GB, 0, LOW)
    after = advance(3 * GB, 0, 3 * GB + 5, wide=False, line_bps=line_bps, elapsed_s=300)
    assert after == Advance(3 * GB + 5, 0, GOOD)


def test_each_counter_is_missed_for_itself() -> None:
    told = Told()(record(INTERIM, 300, 300, 10, 20), record(INTERIM, 600, 600, NOT_SENT, 30))
    assert totals(told) == (600, 10, 30)
    told(record(INTERIM, 900, 900, 40, NOT_SENT))
    assert totals(told) == (900, 40, 30)


def test_what_was_not_told_for_hours_was_used_in_all_of_them_and_not_at_once() -> None:
    """A line of 10 Mb/s carries 4.5 GB an hour: in five minutes it would be nonsense."""
    told = Told()(start(line_bps=10**7))
    for n in range(1, 12):
        told(interim(300 * n, 300 * n, NOT_SENT, line_bps=10**7))
    told(stop(3_600, 3_600, 4 * GB, line_bps=10**7))
    assert [amounts.output_octets for amounts in told.usage().values()] == [GB] * 4
    assert {confidence for _, _, confidence in told.usage()} == {GOOD}


def test_a_wrap_that_a_missing_report_hid_is_counted_by_the_time_of_both() -> None:
    told = Told()
    told(interim(600, 600, 4_000 * MB, line_bps=10**8), interim(700, 700, 0, line_bps=10**8))
    told(interim(800, 800, 1_000 * MB, line_bps=10**8))
    assert totals(told) == (800, 0, 2**32 + 1_000 * MB)
    (g,) = told.sessions.values()
    assert (g.output_wraps, g.confidence) == (1, LOW)


def test_a_guess_is_confirmed_by_a_counter_that_goes_on_from_below() -> None:
    told = Told()(interim(600, 600, 4 * GB), interim(900, 900, 5), interim(1_200, 1_200, 50))
    told(interim(1_500, 1_500, 4 * GB))
    assert totals(told) == (1_500, 0, 2**32 + 4 * GB)


def test_a_guess_may_be_proved_wrong_after_the_stop() -> None:
    told = Told()(interim(600, 600, 3 * GB), stop(900, 900, 1 * GB))
    assert totals(told) == (900, 0, 2**32 + GB)
    told(stop(901, 901, 3 * GB + 7))
    assert totals(told) == (901, 0, 3 * GB + 7)


def test_a_report_of_zeros_opens_no_session_in_the_midst_of_another() -> None:
    told = Told()(interim(3_000, 3_000, 3 * GB), interim(3_300, 0, 0))
    told(interim(3_600, 3_600, 3 * GB + 1))
    assert totals(told) == (3_600, 0, 3 * GB + 1)


def test_nor_after_a_close_that_was_wrong() -> None:
    told = Told()(interim(3_000, 3_000, 3 * GB))
    told(Mark(NOON_S + 9_000, BY_REAPER, NOON_S + 3_000), interim(9_300, 0, 0))
    told(interim(9_600, 9_600, 3 * GB + 1))
    assert totals(told) == (9_600, 0, 3 * GB + 1)
