"""A group, a record at a time, is the function of the set that `derive` is."""

import random
from zlib import crc32

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from accounting.points import Mark, point
from accounting.records import INTERIM, START, STOP, Record
from accounting.sessions import derive
from accounting.usage import by_hour
from tests.accounting.telling import ABOUT, MB, NOON_S, Told, interim, record, start, stop

GBPS = 1_000_000_000


def key_of(one: Record) -> int:
    return crc32(msgspec.msgpack.encode(one.about))


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
                about=draw(st.sampled_from([ABOUT, msgspec.structs.replace(ABOUT, mac="0" * 12)])),
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
    points = [point(one, key_of(one)) for one in told if isinstance(one, Record)]
    whole = derive(points, marks_of(told))
    assert group.sessions == {g.number: g for g in whole.generations}
    assert group.usage() == by_hour(whole.intervals)
    for g in whole.generations:
        sums = [amounts for key, amounts in group.usage().items() if key[0] == g.number]
        totals = [sum(column) for column in zip(*sums, strict=True)] or [0, 0, 0]
        assert totals == [g.input_octets, g.output_octets, g.session_time_s]


@given(well_behaved(), st.randoms(use_true_random=False))
def test_any_order_and_duplication_give_the_same_sessions_and_usage_by_hour(
    told: list[Record], random: random.Random
) -> None:
    arrived: list[Record | Mark] = [*told, *random.choices(told, k=len(told) // 2)]
    random.shuffle(arrived)
    check_against_derivation(list(told), arrived)


@given(well_behaved())
def test_in_order_is_the_same_too_and_ends_at_what_the_nas_said(told: list[Record]) -> None:
    check_against_derivation(list(told), list(told))
    group = Told()(*told)
    (g,) = group.sessions.values()
    assert (g.session_time_s, g.input_octets, g.output_octets) == (  # type: ignore[attr-defined]
        told[-1].session_time_s,
        told[-1].input_octets,
        told[-1].output_octets,
    )


@settings(max_examples=300)
@given(anything(), st.randoms(use_true_random=False))
def test_nonsense_too_is_the_same_in_any_order(
    told: list[Record | Mark], random: random.Random
) -> None:
    arrived = [*told, *random.choices(told, k=len(told) // 2)]
    random.shuffle(arrived)
    check_against_derivation(told, arrived)


def test_a_week_of_interims_shuffled_is_a_week_of_interims() -> None:
    told = [start()] + [interim(300 * n, 300 * n, n * MB) for n in range(1, 7 * 288)]
    told.append(stop(7 * 86_400, 7 * 86_400, 3_000 * MB, cause=1))
    in_order = Told()(*told)
    assert len(in_order.group.encode()) < 1_500
    shuffled = Told()
    arrived = told[:600]
    random.Random(1).shuffle(arrived)
    shuffled(*arrived)
    assert shuffled.usage() == Told()(*told[:600]).usage()
