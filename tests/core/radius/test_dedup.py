"""Duplicate detection (RFC 5080 §2.2.2)."""

import pytest

from core.radius.dedup import Admission, DuplicateCache

KEY = (("192.0.2.1", 40000, b""), 7)
FIRST, SECOND = b"\x01" * 16, b"\x02" * 16


def test_a_copy_is_dropped_while_the_first_is_being_decided() -> None:
    cache = DuplicateCache()
    assert cache.admit(KEY, FIRST, now=0.0) is Admission.FRESH
    assert cache.admit(KEY, FIRST, now=0.1) is Admission.PENDING


def test_a_copy_of_an_answered_request_gets_the_same_octets() -> None:
    cache = DuplicateCache()
    cache.admit(KEY, FIRST, now=0.0)
    cache.answered(KEY, FIRST, b"reply")
    assert cache.admit(KEY, FIRST, now=9.9) == b"reply"


def test_a_reused_identifier_is_a_new_request_and_a_late_answer_does_not_leak_into_it() -> None:
    cache = DuplicateCache()
    cache.admit(KEY, FIRST, now=0.0)
    assert cache.admit(KEY, SECOND, now=1.0) is Admission.FRESH
    cache.answered(KEY, FIRST, b"late reply to the first")
    assert cache.admit(KEY, SECOND, now=1.1) is Admission.PENDING


def test_forgetting_the_first_does_not_forget_who_took_its_identifier() -> None:
    cache = DuplicateCache()
    cache.admit(KEY, FIRST, now=0.0)
    cache.admit(KEY, SECOND, now=1.0)
    cache.forget(KEY, FIRST)
    assert cache.admit(KEY, SECOND, now=1.1) is Admission.PENDING


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((("192.0.2.2", 40000, b""), 7), id="address"),
        pytest.param((("192.0.2.1", 40001), 7), id="port"),
        pytest.param((("192.0.2.1", 40000, b""), 8), id="identifier"),
    ],
)
def test_only_the_same_source_and_identifier_are_the_same_request(
    other: tuple[tuple[str, int], int],
) -> None:
    cache = DuplicateCache()
    cache.admit(KEY, FIRST, now=0.0)
    assert cache.admit(other, FIRST, now=0.1) is Admission.FRESH
    assert len(cache) == 2


def test_a_request_that_got_no_answer_may_be_tried_again() -> None:
    cache = DuplicateCache()
    cache.admit(KEY, FIRST, now=0.0)
    cache.forget(KEY, FIRST)
    assert cache.admit(KEY, FIRST, now=2.0) is Admission.FRESH


def test_an_answer_is_kept_for_at_least_the_lifetime_and_at_most_twice_that() -> None:
    """RFC 5080 §2.2.2: not below five seconds, not above thirty."""
    for asked_at in (0.0, 3.0, 9.9, 12.5):
        cache = DuplicateCache(lifetime_s=10.0)
        cache.admit(((("192.0.2.9", 1), 1)), FIRST, now=0.0)  # begins a generation
        cache.admit(KEY, FIRST, now=asked_at)
        cache.answered(KEY, FIRST, b"reply")
        assert cache.admit(KEY, FIRST, now=asked_at + 10.0) == b"reply", asked_at
    for asked_at in (0.0, 3.0, 9.9):
        cache = DuplicateCache(lifetime_s=10.0)
        cache.admit(KEY, FIRST, now=asked_at)
        cache.answered(KEY, FIRST, b"reply")
        assert cache.admit(KEY, FIRST, now=asked_at + 20.1) is Admission.FRESH, asked_at


def test_an_answer_given_late_is_found_in_the_older_generation() -> None:
    """A delayed reject is sealed when its request has already grown old."""
    cache = DuplicateCache(lifetime_s=5.0)
    cache.admit(KEY, FIRST, now=0.0)
    cache.admit((("192.0.2.9", 1), 1), FIRST, now=5.5)  # turns
    cache.answered(KEY, FIRST, b"late")
    assert cache.admit(KEY, FIRST, now=5.6) == b"late"


def test_after_a_long_silence_nothing_is_left() -> None:
    cache = DuplicateCache(lifetime_s=5.0)
    for identifier in range(100):
        cache.admit((("192.0.2.1", 40000, b""), identifier), FIRST, now=0.0)
    assert cache.admit(KEY, SECOND, now=1000.0) is Admission.FRESH
    assert len(cache) == 1


def test_a_flood_shortens_what_is_remembered_and_never_grows_it() -> None:
    cache = DuplicateCache(lifetime_s=10.0, entries_max=100)
    for number in range(10_000):
        key = ((f"192.0.2.{number % 250}", number), number % 256)
        assert cache.admit(key, FIRST, now=1.0) is Admission.FRESH
        assert len(cache) <= 100
        assert cache.admit(key, FIRST, now=1.0) is Admission.PENDING, "the newest is always known"
