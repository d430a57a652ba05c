"""A group, a record at a time, is the function of the set that `derive` is."""

import os
import random
from operator import itemgetter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.counters import GOOD
from accounting.marks import REMEMBERED_MAX
from accounting.memory import CHUNK_POINTS
from accounting.points import BY_ACCOUNTING_ON, Mark, point
from accounting.records import INTERIM, NOT_SENT, START, STOP, Record
from accounting.sessions import derive
from accounting.usage import by_quarter
from tests.accounting.telling import ABOUT, MB, NOON_S, Told, interim, record, start, stop

GBPS = 1_000_000_000
OTHERS = msgspec.structs.replace(ABOUT, user_name="bob")
SCHEDULES = int(os.environ.get("TURNPIKE_SCHEDULES", "400"))
OF_ONE_SET = 20
LAW = settings(deadline=None)  # what is slow on a busy machine is no less true


@st.composite
def well_behaved(draw: st.DrawFn) -> list[Record]:
    """What a correct NAS sends for one session: totals that only grow, on one clock."""
    at_s, received, sent = 0, 0, 0
    told = [start()] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 12))):
        step_s = draw(st.sampled_from([60, 300, 900, 4_000]))
        at_s += step_s
        received += draw(st.integers(0, step_s * GBPS // 8))
        sent += draw(st.integers(0, step_s * GBPS // 8))
        told.append(record(INTERIM, at_s, at_s, received, sent, wide=True, line_bps=GBPS))
    if draw(st.booleans()):
        told.append(record(STOP, at_s + 7, at_s + 7, received, sent, wide=True, cause=1))
    return told


@st.composite
def anything(draw: st.DrawFn) -> list[Record | Mark]:
    """What no sane NAS sends."""
    numbers = st.sampled_from([0, 1, 50, 299, 300, 301, 600, 3_600, 7_200, 90_000])
    octets = st.sampled_from([0, 1, 10, 10**6, 10**9, 2**31 + 5, 2**32 - 1, 2**40, 2**62])
    told: list[Record | Mark] = []
    class_nonce = draw(st.sampled_from(["", "a" * 32]))
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.integers(0, 6)) == 0:
            told.append(Mark(NOON_S + draw(numbers), draw(st.sampled_from([7, 8, 21]))))
            continue
        told.append(
            record(
                draw(st.sampled_from([START, STOP, INTERIM, INTERIM, INTERIM])),
                draw(numbers),
                draw(st.one_of(st.none(), numbers)),
                draw(octets),
                draw(octets),
                stamped=draw(st.booleans()),
                wide=draw(st.booleans()),
                line_bps=draw(st.sampled_from([None, 10**8, 10**9])),
                about=draw(st.sampled_from([ABOUT, OTHERS])),
                class_nonce=class_nonce,
            )
        )
    return told


@st.composite
def rising_with_gaps(draw: st.DrawFn) -> list[Record | Mark]:
    """A session of which some reports lack numbers, or show nothing."""
    told: list[Record | Mark] = [start()] if draw(st.booleans()) else []
    odd = st.sampled_from([None, None, None, NOT_SENT, 0])
    at_s, octets = 0, draw(st.sampled_from([0, 3 * 10**9]))
    for _ in range(draw(st.integers(2, 10))):
        at_s += draw(st.sampled_from([60, 100, 300, 900]))
        octets += draw(st.integers(0, 10**8))
        received, sent = draw(odd), draw(odd)
        told.append(
            record(
                INTERIM,
                at_s,
                draw(st.sampled_from([at_s, at_s, at_s, 0, None])),
                octets if received is None else received,
                octets if sent is None else sent,
                line_bps=draw(st.sampled_from([None, 10**8])),
            )
        )
    return told


def marks_of(told: list[Record | Mark]) -> tuple[Mark, ...]:
    return tuple(one for one in told if isinstance(one, Mark))


def check_against_derivation(told: list[Record | Mark], arrived: list[Record | Mark]) -> None:
    group = Told()
    heard: list[Mark] = []
    for one in arrived:
        if isinstance(one, Mark):
            heard.append(one)
        group(one, marks=heard)
    points = [point(one, one.about_key) for one in told if isinstance(one, Record)]
    whole = derive(points, marks_of(told))
    assert group.sessions == {g.number: g for g in whole.generations}
    assert group.usage() == by_quarter(whole.intervals)
    assert all(min(amounts) >= 0 for amounts in group.usage().values())
    for g in whole.generations:
        sums = [amounts for key, amounts in group.usage().items() if key[0] == g.number]
        totals = [sum(column) for column in zip(*sums, strict=True)] or [0, 0, 0]
        assert totals == [g.input_octets, g.output_octets, g.session_time_s]


@LAW
@given(well_behaved(), st.randoms(use_true_random=False))
def test_any_order_and_duplication_give_the_same_sessions_and_usage_by_quarter(
    told: list[Record], random: random.Random
) -> None:
    arrived: list[Record | Mark] = [*told, *random.choices(told, k=len(told) // 2)]
    random.shuffle(arrived)
    check_against_derivation(list(told), arrived)


@LAW
@given(well_behaved())
def test_in_order_is_the_same_too_and_ends_at_what_the_nas_said(told: list[Record]) -> None:
    check_against_derivation(list(told), list(told))
    group = Told()(*told)
    (g,) = group.sessions.values()
    assert (g.session_time_s, g.input_octets, g.output_octets) == (
        told[-1].session_time_s,
        told[-1].input_octets,
        told[-1].output_octets,
    )


@settings(LAW, max_examples=300)
@given(anything(), st.randoms(use_true_random=False))
def test_nonsense_too_is_the_same_in_any_order(
    told: list[Record | Mark], random: random.Random
) -> None:
    arrived = [*told, *random.choices(told, k=len(told) // 2)]
    random.shuffle(arrived)
    check_against_derivation(told, arrived)


@LAW
@given(well_behaved(), st.randoms(use_true_random=False))
def test_totals_never_fall_whatever_comes_when(told: list[Record], random: random.Random) -> None:
    random.shuffle(told)
    group, most = Told(), (0, 0, 0)
    for one in told:
        group(one)
        (g,) = group.sessions.values()
        totals = (g.session_time_s, g.input_octets, g.output_octets)
        assert all(now >= before for now, before in zip(totals, most, strict=True))
        most = totals


@LAW
@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=20), st.randoms())
def test_d12_counters_of_32_bits_add_up_to_what_was_used(
    used: list[int], random: random.Random
) -> None:
    """At 100 Mb/s and every five minutes no counter goes round twice; and where less than
    half a round was used, a counter that fell cannot be mistaken for a wrong one."""
    told, total = [start()], 0
    for n, octets in enumerate(used, start=1):
        total += octets or 1
        total += total % 2**32 == 0  # a counter at exactly nothing is taken for one not filled in
        told.append(interim(300 * n, 300 * n, total % 2**32, line_bps=10**8))
    random.shuffle(told)
    (g,) = Told()(*told).sessions.values()
    assert (g.output_octets, g.confidence) == (total, GOOD)


@pytest.mark.slow
@settings(LAW, max_examples=max(1, SCHEDULES // OF_ONE_SET))
@given(
    st.one_of(well_behaved(), rising_with_gaps()),
    st.randoms(use_true_random=False),
)
def test_d11_every_schedule_of_the_same_packets_gives_the_same_rows(
    told: list[Record | Mark], random: random.Random
) -> None:
    """The fault's own size is TURNPIKE_SCHEDULES=100000, a quarter of an hour."""
    for _ in range(OF_ONE_SET):
        arrived = [*told, *random.choices(told, k=random.randint(0, len(told)))]
        late = random.choice((0, 2, len(arrived)))  # by how many places at most
        order = [at + random.uniform(0, late) for at in range(len(arrived))]
        arrived = [one for _, one in sorted(zip(order, arrived, strict=True), key=itemgetter(0))]
        check_against_derivation(told, arrived)


def day(interims: int, *, wide: bool = True) -> list[Record]:
    told = [start(wide=wide)]
    told += [interim(300 * n, 300 * n, n * MB, wide=wide) for n in range(1, interims)]
    return [*told, stop(300 * interims, 300 * interims, interims * MB, cause=1, wide=wide)]


@pytest.mark.parametrize("wide", [True, False])
def test_a_group_stays_short_however_long_its_session(wide: bool) -> None:
    """Where counters may go round, each report is kept, else two of a quarter."""
    group = Told()
    longest = 0
    for one in day(7 * 288, wide=wide):
        group(one)
        longest = max(longest, len(group.group.encode()))
    assert longest < 1_000
    assert len(group.chunks) < 7 * 24 * 4 * (2 if wide else 3) / CHUNK_POINTS
    assert sum(held.output_octets for held in group.usage().values()) == 7 * 288 * MB


def test_d11_a_day_of_packets_in_any_order_twice_over_is_that_day() -> None:
    arrived = day(288) * 2
    random.Random(11).shuffle(arrived)
    in_order, shuffled = Told()(*day(288)), Told()(*arrived)
    assert shuffled.sessions == in_order.sessions
    assert shuffled.usage() == in_order.usage()
    assert shuffled.group.encode() == in_order.group.encode()


def test_a_key_that_is_reused_for_ever_still_knows_who_its_sessions_are() -> None:
    """A box that numbers its sessions anew after each restart has one group for hundreds of
    people; the 33rd had no name."""
    group = Told()
    for number in range(100):
        about = msgspec.structs.replace(ABOUT, user_name=f"user-{number}")
        at_s = number * 1_000
        group(start(at_s, about=about))
        change = group.apply(stop(at_s + 500, 500, MB, about=about), ())
        (g,) = change.sessions
        assert (g.number, group.group.about(g).user_name) == (number, f"user-{number}")
        assert group.group.knows(g)
    assert len(group.group.abouts) < 8_000
    assert not group.group.knows(group.sessions[0])


@pytest.mark.slow
@settings(LAW, max_examples=30)
@given(st.randoms(use_true_random=False), st.booleans())
def test_a_box_that_restarts_without_end_counts_each_session_once(
    random: random.Random, timed: bool
) -> None:
    """With the ids of before after each restart: from the 33rd restart on, what the first of
    them closed was worked out as still open, and counted again with every record."""
    told: list[Record | Mark] = []
    for number in range(80):
        at_s = 1_000 * number
        for step_s in (300, 600)[: random.randint(0, 2)]:
            octets = random.randint(0, 100)
            told.append(interim(at_s + step_s, step_s if timed else None, octets))
        told.append(Mark(NOON_S + at_s + 900, BY_ACCOUNTING_ON))
    # Late by some restarts, as between two nodes.
    arrived = sorted(
        [*told, *random.sample(told, k=20)],
        key=lambda one: (
            (one.at_s if isinstance(one, Record) else one[0]) + random.choice([0, 0, 0, 7_000])
        ),
    )
    group = Told()
    heard: list[Mark] = []
    for one in arrived:
        if isinstance(one, Mark):
            heard = sorted({*heard, one})[-REMEMBERED_MAX:]
        group(one, marks=heard)
    points = [point(one, one.about_key) for one in told if isinstance(one, Record)]
    whole = derive(points, marks_of(told))
    assert group.usage() == by_quarter(whole.intervals)
    assert group.sessions == {g.number: g for g in whole.generations}
    assert len(group.group.encode()) < 4_000
