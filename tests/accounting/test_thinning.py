"""What is forgotten of a session changes nothing, in whatever order its packets come."""

import random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.counters import GOOD, LOW
from accounting.points import Mark, Point, point
from accounting.records import INTERIM, NOT_SENT, START, STOP, Record
from accounting.sessions import derive
from accounting.thinning import thinned
from accounting.usage import by_quarter
from accounting.walk import Walk
from tests.accounting.telling import ABOUT, MB, NOON_S, Told, interim, record, start, stop

GB = 10**9
OTHERS = msgspec.structs.replace(ABOUT, user_name="bob")
RANDOM = st.randoms(use_true_random=False)


def points_of(told: list[Record | Mark]) -> list[Point]:
    return [point(one, one.about_key) for one in told if isinstance(one, Record)]


def check_is_that_of_the_set(told: list[Record | Mark], arrived: list[Record | Mark]) -> Told:
    group = Told()
    heard: list[Mark] = []
    for one in arrived:
        if isinstance(one, Mark):
            heard.append(one)
        group(one, marks=heard)
    whole = derive(points_of(told), [one for one in told if isinstance(one, Mark)])
    assert group.sessions == {g.number: g for g in whole.generations}
    assert group.usage() == by_quarter(whole.intervals)
    assert all(min(amounts) >= 0 for amounts in group.usage().values())
    return group


def shuffled(told: list[Record | Mark], random: random.Random) -> list[Record | Mark]:
    """Some of it twice, and late by nothing, a little, or anything."""
    late_s = random.choice([0, 900, 100_000])
    return sorted(
        [*told, *random.choices(told, k=len(told) // 3)],
        key=lambda one: (
            (one.at_s if isinstance(one, Record) else one[0]) + random.uniform(0, late_s)
        ),
    )


def crowded(random: random.Random) -> list[Record | Mark]:
    """Many reports in few quarters, and some of them odd."""
    span_s, odd = random.choice([900, 1_800, 7_200, 30_000]), random.choice([0, 0.1, 0.3])
    class_nonce, begins = random.choice(["", "a" * 32]), random.choice([0, 2**31, 3 * GB])
    is_wide = random.choice([0.5, 1, 1])
    told: list[Record | Mark] = [start(class_nonce=class_nonce)]
    for _ in range(random.choice([5, 12, 40])):
        at_s = random.randint(0, span_s)
        if random.random() < 0.04:
            kind = random.choice([7, 8, 20, 21])
            basis_s = NOON_S + random.randint(0, at_s) if kind == 20 else 0
            told.append(Mark(NOON_S + at_s, kind, basis_s))
            continue
        received, sent = at_s * 10, begins + at_s * 1_000
        session_time_s: int | None = at_s
        if random.random() < odd:
            session_time_s = random.choice([None, max(0, at_s - 5), max(0, at_s - 500)])
        if random.random() < odd:
            received = random.choice([0, NOT_SENT, max(0, received - 300), received + 300])
        if random.random() < odd:
            sent = random.choice([0, NOT_SENT, max(0, sent - 30_000), sent + 30_000, sent // 2])
        told.append(
            record(
                random.choice([START, STOP]) if random.random() < odd / 2 else INTERIM,
                at_s,
                session_time_s,
                received,
                sent,
                stamped=random.random() < 0.8,
                wide=random.random() < is_wide,
                line_bps=random.choice([None, None, GB]),
                about=ABOUT if random.random() < 0.95 else OTHERS,
                class_nonce=class_nonce,
            )
        )
    return told


def falling(random: random.Random, *, wide: bool) -> list[Record | Mark]:
    """A session of which a counter falls, for once or for good."""
    told: list[Record | Mark] = [start(wide=wide)] if random.random() < 0.5 else []
    at_s, received, sent = 0, 0, random.choice([0, 3 * GB])
    count = random.choice([3, 6, 12, 60])
    falls, by = random.randrange(count), random.choice([10 * MB, GB, 2 * GB, 3 * GB])
    for_good, line_bps = random.random() < 0.6, random.choice([None, 10**8, GB])
    for n in range(count):
        at_s += random.choice([30, 60, 100, 300, 900])
        received += random.randint(1, 5 * MB)
        sent += random.randint(1, 50 * MB)
        less = by if n == falls or (for_good and n > falls) else 0
        told.append(
            record(INTERIM, at_s, at_s, received, max(0, sent - less), wide=wide, line_bps=line_bps)
        )
    return told


@settings(deadline=None, max_examples=150)
@given(RANDOM, st.booleans())
def test_how_sure_it_is_of_a_counter_that_fell_is_the_same_in_any_order(
    random: random.Random, wide: bool
) -> None:
    """The report that it fell from had been forgotten when the lower one came late."""
    told = falling(random, wide=wide)
    check_is_that_of_the_set(told, shuffled(told, random))


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(RANDOM)
def test_crowded_quarters_are_the_same_in_any_order_however_odd(random: random.Random) -> None:
    told = crowded(random)
    check_is_that_of_the_set(told, shuffled(told, random))


@settings(deadline=None, max_examples=50)
@given(RANDOM)
def test_what_was_forgotten_would_be_forgotten_with_whatever_comes(random: random.Random) -> None:
    points = points_of(crowded(random))
    random.shuffle(points)
    kept: list[Point] = []
    for p in points:
        kept = thinned([*kept, p])
        assert kept == thinned(kept)
    assert kept == thinned(points)


@settings(deadline=None, max_examples=100)
@given(RANDOM)
def test_of_ordinary_reports_nothing_is_missed(random: random.Random) -> None:
    at_s, sent = 0, 0
    told: list[Record | Mark] = [start(wide=True)]
    for _ in range(40):
        at_s += random.choice([30, 60, 300])
        sent += random.randint(0, 50 * MB)
        told.append(interim(at_s, at_s, sent, wide=True))
    points = sorted(points_of(told))
    assert len(thinned(points)) < len(points)
    walk = Walk(None, None)
    for p in points:
        walk.point(p)
    assert by_quarter(walk.intervals) == by_quarter(derive(points).intervals)


def test_each_report_of_a_counter_that_may_go_round_is_needed() -> None:
    told: list[Record | Mark] = [
        interim(at_s, at_s, sent % 2**32, line_bps=10**8)
        for at_s, sent in ((1, 100), (200, 2 * GB), (400, 4 * GB), (600, 5 * GB), (800, 6 * GB))
    ]
    assert len(thinned(points_of(told))) == len(told)


def test_a_report_below_one_that_was_forgotten_is_no_doubt_in_either_order() -> None:
    told: list[Record | Mark] = [start(wide=True)]
    told += [interim(at_s, at_s, at_s * MB, wide=True) for at_s in (100, 200, 300, 400)]
    low = interim(350, 350, 250 * MB, wide=True)
    for arrived in ([*told, low], [*told[:4], low, told[4]]):
        group = check_is_that_of_the_set([*told, low], arrived)
        assert {confidence for _, _, confidence in group.usage()} == {GOOD}


def test_a_counter_that_fell_for_good_keeps_its_most_and_is_in_doubt_in_any_order() -> None:
    told: list[Record | Mark] = [start(wide=True)]
    told += [interim(at_s, at_s, at_s * MB, wide=True) for at_s in (100, 200, 300)]
    told += [interim(at_s, at_s, at_s * MB // 10, wide=True) for at_s in (400, 500, 600)]
    for arrived in (told, told[::-1], [*told[3:], *told[:3]]):
        group = check_is_that_of_the_set(told, arrived)
        (g,) = group.sessions.values()
        assert (g.output_octets, g.confidence) == (300 * MB, LOW)


def test_an_old_session_that_a_straggler_raised_for_a_while_is_not_void_but_as_it_was() -> None:
    """It lies before what the group remembers, and what was thought of it changes twice."""
    told: list[Record | Mark] = [start(), stop(600, 600, 7 * MB), start(5_000)]
    told += [interim(5_000 + 300 * n, 300 * n, n * MB) for n in range(1, 60)]
    straggler = interim(24_000, 20_000, 65 * MB, stamped=False)
    anew = [start(23_000), interim(23_100, 100, 10)]
    arrived = [*told, straggler, *anew]
    group = check_is_that_of_the_set(arrived, arrived)
    assert group.chunks
    assert group.sessions[0].output_octets == 7 * MB
