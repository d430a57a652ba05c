"""Whoever guesses is slowed down; whoever is guessed at is not (fault P6)."""

from hypothesis import given
from hypothesis import strategies as st

from aaa.throttle import Throttle

GUESSER, USER = (1, b"02-00-5E-10-00-66"), (1, b"02-00-5E-10-00-01")


def throttle(*, stations_max: int = 65_536) -> Throttle:
    return Throttle(guesses_max=10, window_s=60.0, lock_s=30.0, stations_max=stations_max)


def fail(one: Throttle, times: int, *, now: float = 0.0) -> None:
    for _ in range(times):
        one.failed(GUESSER, now)


def test_nine_guesses_are_mistakes_and_ten_are_guessing() -> None:
    one = throttle()
    fail(one, 9)
    assert not one.is_locked(GUESSER, 0.0)
    fail(one, 1)
    assert one.is_locked(GUESSER, 0.0)
    assert not one.is_locked(USER, 0.0)
    assert not one.is_locked((2, GUESSER[1]), 0.0), "the same station on another NAS"


def test_a_lock_ends_when_it_was_to_end_however_often_one_asks() -> None:
    one = throttle()
    fail(one, 10)
    for tenth in range(300):
        assert one.is_locked(GUESSER, tenth / 10)
    assert not one.is_locked(GUESSER, 30.0)


def test_after_a_lock_one_has_ten_guesses_again_and_no_more() -> None:
    one = throttle()
    fail(one, 10)
    fail(one, 9, now=30.0)
    assert not one.is_locked(GUESSER, 30.0)
    fail(one, 1, now=30.0)
    assert one.is_locked(GUESSER, 30.0)


def test_old_mistakes_do_not_count() -> None:
    one = throttle()
    fail(one, 9, now=0.0)
    fail(one, 9, now=60.0)
    assert not one.is_locked(GUESSER, 60.0)


def test_the_right_password_clears_the_record() -> None:
    one = throttle()
    fail(one, 9)
    one.succeeded(GUESSER)
    fail(one, 9)
    assert not one.is_locked(GUESSER, 0.0)
    one.succeeded(USER)  # who never failed


def test_memory_is_bounded_and_the_oldest_is_forgotten() -> None:
    one = throttle(stations_max=100)
    for number in range(1_000):
        one.failed((1, b"%d" % number), 0.0)
        assert len(one) <= 100
    fail(one, 10)
    assert one.is_locked(GUESSER, 0.0)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=200))
def test_no_schedule_of_guesses_locks_for_more_than_a_minute(pauses: list[float]) -> None:
    """The station's own user waits 60 s at most, after the last guess."""
    one, now = throttle(), 0.0
    for pause in pauses:
        now += pause
        if not one.is_locked(GUESSER, now):
            one.failed(GUESSER, now)
    assert not one.is_locked(GUESSER, now + 60.0)
