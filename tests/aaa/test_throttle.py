"""Whoever guesses is slowed down; whoever is guessed at is not (fault P6)."""

from hypothesis import given
from hypothesis import strategies as st

from aaa.throttle import STATION_FACTOR, Throttle

NAS = 1
GUESSER, HOME, NOWHERE = b"02-00-5E-10-00-66", b"02-00-5E-10-00-01", b""
DAY_S = 86_400.0


def throttle(*, records_max: int = 65_536) -> Throttle:
    return Throttle(guesses_max=10, window_s=60.0, lock_s=30.0, records_max=records_max)


def fail(
    one: Throttle,
    times: int,
    *,
    station: bytes = GUESSER,
    name: bytes = b"alice",
    now: float = 0.0,
) -> None:
    for _ in range(times):
        one.failed(NAS, station, name, now)


def spray(one: Throttle, station: bytes, *, now: float = 0.0) -> None:
    """One guess at each of many names: as many as a station has."""
    for number in range(10 * STATION_FACTOR):
        one.failed(NAS, station, b"user-%d" % number, now)


def locked(
    one: Throttle, station: bytes = GUESSER, name: bytes = b"alice", now: float = 0.0
) -> bool:
    return one.is_locked(NAS, station, name, now)


def test_nine_guesses_are_mistakes_and_ten_are_guessing() -> None:
    one = throttle()
    fail(one, 9)
    assert not locked(one)
    fail(one, 1)
    assert locked(one)
    assert not locked(one, HOME), "the same name from elsewhere"
    assert not locked(one, name=b"bob"), "another name from there"
    assert not one.is_locked(2, GUESSER, b"alice", 0.0), "the same station on another NAS"


def test_a_lock_ends_when_it_was_to_end_however_often_one_asks() -> None:
    one = throttle()
    fail(one, 10)
    for tenth in range(300):
        assert locked(one, now=tenth / 10)
    assert not locked(one, now=30.0)


def test_after_a_lock_one_has_ten_guesses_again_and_no_more() -> None:
    one = throttle()
    fail(one, 10)
    fail(one, 9, now=30.0)
    assert not locked(one, now=30.0)
    fail(one, 1, now=30.0)
    assert locked(one, now=30.0)


def test_old_mistakes_do_not_count() -> None:
    one = throttle()
    fail(one, 9, now=0.0)
    fail(one, 9, now=60.0)
    assert not locked(one, now=60.0)


def test_the_right_password_clears_the_record() -> None:
    one = throttle()
    fail(one, 9)
    one.succeeded(NAS, GUESSER, b"alice", 0.0)
    fail(one, 9)
    assert not locked(one)
    one.succeeded(NAS, HOME, b"alice", 0.0)  # who never failed


def test_many_names_from_one_station_shut_it_for_all_that_are_new_to_it() -> None:
    one = throttle()
    spray(one, GUESSER)
    assert locked(one)
    assert not locked(one, HOME)
    assert not locked(one, now=30.0)


def test_who_has_proven_himself_from_a_station_does_not_wait_for_who_guesses_at_others_there() -> (
    None
):
    """The guesser went on for as long as he liked, and shut the real user out for as long."""
    one = throttle()
    one.succeeded(NAS, HOME, b"alice", 0.0)
    for minute in range(24 * 60):
        if not locked(one, HOME, b"user-0", minute * 60.0):
            spray(one, HOME, now=minute * 60.0)
        assert locked(one, HOME, b"user-0", minute * 60.0)
        assert not locked(one, HOME, now=minute * 60.0)


def test_a_proof_is_forgotten_after_two_days() -> None:
    one = throttle()
    one.succeeded(NAS, HOME, b"alice", 0.0)
    for day, is_spared in ((0.99, True), (2.01, False)):
        spray(one, HOME, now=day * DAY_S)
        assert locked(one, HOME, now=day * DAY_S) is not is_spared


def test_an_account_of_ones_own_does_not_let_one_guess_at_others_without_end() -> None:
    one = throttle()
    for number in range(10 * STATION_FACTOR):
        one.failed(NAS, GUESSER, b"user-%d" % number, 0.0)
        one.succeeded(NAS, GUESSER, b"mallory", 0.0)
    assert locked(one)


def test_a_spared_name_that_fails_does_not_prolong_the_lock_of_its_station() -> None:
    one = throttle()
    one.succeeded(NAS, HOME, b"alice", 0.0)
    spray(one, HOME)
    for second in range(30):
        fail(one, 9, station=HOME, now=float(second))
        one.succeeded(NAS, HOME, b"alice", float(second))
    assert not locked(one, HOME, b"bob", 30.0)


def test_where_no_station_is_told_it_is_the_name_on_that_nas() -> None:
    one = throttle()
    fail(one, 10, station=NOWHERE)
    assert locked(one, NOWHERE)
    spray(one, NOWHERE)
    assert not locked(one, NOWHERE, b"bob")


def test_memory_is_bounded_and_the_oldest_is_forgotten() -> None:
    one = throttle(records_max=100)
    for number in range(1_000):
        one.failed(NAS, b"%d" % number, b"alice", 0.0)
        one.succeeded(NAS, b"%d" % number, b"bob", 0.0)
        assert len(one) <= 300
    fail(one, 10)
    assert locked(one)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(0, 2)), min_size=1, max_size=200))
def test_no_schedule_of_guesses_locks_for_more_than_a_minute(
    guesses: list[tuple[float, int]],
) -> None:
    """Whoever shares station and name waits 60 s at most, after the last guess."""
    one, now = throttle(), 0.0
    for pause, number in guesses:
        now += pause
        name = b"user-%d" % number
        if not locked(one, GUESSER, name, now):
            one.failed(NAS, GUESSER, name, now)
    assert not any(locked(one, GUESSER, b"user-%d" % each, now + 60.0) for each in range(3))
