"""Who may ask a NAS, and when."""

import asyncio

import pytest

from nas_adapters.coa_turns import BURST_S, Pace, Turns


async def standing(turns: Turns, limit: int, count: int) -> list[asyncio.Task[None]]:
    tasks = [asyncio.create_task(turns.take(limit)) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_turns_go_in_order() -> None:
    turns = Turns()
    await turns.take(1)
    first, second = await standing(turns, 1, 2)
    assert (turns.running, turns.waiting) == (1, 2)
    turns.give_back()
    await first
    assert not second.done()
    turns.give_back()
    await second


async def test_a_limit_may_be_raised_and_lowered_while_they_wait() -> None:
    turns = Turns()
    await turns.take(1)
    waiting = await standing(turns, 1, 3)
    await turns.take(5)  # all who wait go first
    await asyncio.gather(*waiting)
    assert turns.running == 5
    [next_one] = await standing(turns, 2, 1)
    for _ in range(3):
        turns.give_back()
        await asyncio.sleep(0)
        assert not next_one.done()
    turns.give_back()
    await next_one
    assert turns.running == 2


async def test_who_leaves_the_queue_leaves_no_gap() -> None:
    turns = Turns()
    await turns.take(1)
    first, second = await standing(turns, 1, 2)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    turns.give_back()
    await second
    assert (turns.running, turns.waiting) == (1, 0)


async def test_who_is_called_and_cancelled_at_once_passes_the_turn_on() -> None:
    turns = Turns()
    await turns.take(1)
    first, second = await standing(turns, 1, 2)
    turns.give_back()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    await second
    assert turns.running == 1


def test_beginnings_are_spread_evenly() -> None:
    pace = Pace()
    starts = [100.0 + pace.wait_s(100.0, 100) for _ in range(200)]
    assert starts[-1] - 100.0 == pytest.approx(199 / 100 - BURST_S)
    assert sum(start < 101.0 for start in starts) <= 100 + 100 * BURST_S + 1


def test_time_in_which_nothing_was_asked_is_not_saved_up() -> None:
    pace = Pace()
    assert pace.wait_s(0.0, 10) == 0.0
    assert pace.wait_s(60.0, 10) == 0.0
    assert pace.wait_s(60.0, 10) == pytest.approx(0.1 - BURST_S)


def test_another_pace_holds_from_the_next_on() -> None:
    pace = Pace()
    for _ in range(10):
        pace.wait_s(0.0, 1000)
    assert pace.wait_s(0.0, 1) < 0.02
    assert pace.wait_s(0.0, 1) > 0.9
