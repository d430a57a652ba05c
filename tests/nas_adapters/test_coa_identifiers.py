"""Which Identifier a request gets, and when it may be used again."""

from hypothesis import given
from hypothesis import strategies as st

from nas_adapters.coa_identifiers import A_SOCKET, Identifiers


def test_the_longest_unused_comes_first() -> None:
    identifiers = Identifiers()
    first = identifiers.take(0.0)
    assert first is not None
    identifiers.give_back(first, None)
    taken = []
    for _ in range(A_SOCKET):
        number = identifiers.take(0.0)
        assert number is not None
        taken.append(number)
        identifiers.give_back(number, None)
    assert taken[-1] == first
    assert len(set(taken)) == A_SOCKET


def test_one_that_may_be_answered_yet_is_not_used() -> None:
    identifiers = Identifiers(1)
    for _ in range(A_SOCKET):
        number = identifiers.take(0.0)
        assert number is not None
        identifiers.give_back(number, 30.0 + number)
    assert identifiers.take(29.9) is None
    assert identifiers.next_cool_at == 30.0
    assert identifiers.take(30.0) == 0
    assert identifiers.take(30.0) is None


def test_sockets_are_added_only_when_there_is_no_other_way() -> None:
    identifiers = Identifiers(3)
    numbers = [identifiers.take(0.0) for _ in range(3 * A_SOCKET)]
    assert numbers == list(range(3 * A_SOCKET))
    assert identifiers.take(0.0) is None
    assert identifiers.next_cool_at is None
    identifiers.give_back(5, None)
    assert identifiers.take(0.0) == 5


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(0, 10)), max_size=400))
def test_no_number_is_ever_out_twice(steps: list[tuple[int, float]]) -> None:
    """0 and 1 take, 2 gives back answered, 3 unanswered; time passes."""
    identifiers, out, now = Identifiers(1), [], 0.0
    cool_at: dict[int, float] = {}
    for what, passes_s in steps:
        now += passes_s
        if what < 2:
            number = identifiers.take(now)
            if number is not None:
                assert number not in out
                assert cool_at.pop(number, 0.0) <= now
                out.append(number)
        elif out:
            number = out.pop(0)
            if what == 3:
                cool_at[number] = now + 30.0
            identifiers.give_back(number, cool_at.get(number))
