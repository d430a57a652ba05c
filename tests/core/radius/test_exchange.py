"""The times at which a request is sent again (RFC 5080 §2.2.1)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.radius.exchange import JITTER_MAX, Exchange, RetryPolicy

RFC = RetryPolicy(mrc=5)
BEGUN = 1000.0
ROUNDING = 1e-9
chances = st.lists(st.floats(-JITTER_MAX, JITTER_MAX), min_size=9, max_size=9)


def unanswered(policy: RetryPolicy, chance: list[float]) -> tuple[list[float], float]:
    """When a request is sent to which no answer comes, and when it is given up, since the first."""
    exchange = Exchange(policy, BEGUN, chance[0])
    sent, now = [0.0], exchange.resend_at
    for jitter in chance[1:]:
        if not exchange.should_resend(now, jitter):
            break
        sent.append(now - BEGUN)
        now = exchange.resend_at
    assert exchange.sends == len(sent)
    return sent, now - BEGUN


def test_the_waits_double_and_three_sends_are_all() -> None:
    assert unanswered(RetryPolicy(), [0.0] * 9) == ([0.0, 2.0, 6.0], 14.0)


def test_with_the_rfcs_count_the_duration_ends_it() -> None:
    """Waits of 2, 4 and 8 s, then 16: the fifth wait would end after 46 s."""
    assert unanswered(RFC, [0.0] * 9) == ([0.0, 2.0, 6.0, 14.0], 30.0)


def test_the_longest_wait_is_kept_to() -> None:
    policy = RetryPolicy(irt_s=2.0, mrt_s=5.0, mrd_s=100.0, mrc=6)
    assert unanswered(policy, [0.0] * 9) == ([0.0, 2.0, 6.0, 11.0, 16.0, 21.0], 26.0)


def test_chance_moves_every_wait() -> None:
    sent, given_up = unanswered(RetryPolicy(), [0.1, -0.1, 0.05])
    assert sent == pytest.approx([0.0, 2.2, 2.2 + 2.2 * 1.9])
    assert given_up == pytest.approx(sent[-1] + 2.2 * 1.9 * 2.05)


@given(chances)
def test_whatever_chance_says_it_ends_in_time_after_no_more_sends_than_allowed(
    chance: list[float],
) -> None:
    for policy in (RetryPolicy(), RFC):
        sent, given_up = unanswered(policy, chance)
        assert len(sent) <= policy.mrc
        assert given_up <= policy.mrd_s + ROUNDING
        waits = [b - a for a, b in zip(sent, [*sent[1:], given_up], strict=True)]
        assert waits[0] >= 1.8 - ROUNDING
        assert all(wait <= policy.mrt_s * 1.1 + ROUNDING for wait in waits)
        if policy.mrc == 3:
            assert all(b >= 1.9 * a - ROUNDING for a, b in pairwise(waits))


def test_a_driver_that_overslept_gives_up_without_another_send() -> None:
    exchange = Exchange(RetryPolicy(), BEGUN, 0.0)
    assert not exchange.should_resend(BEGUN + 30.0, 0.0)
    assert exchange.sends == 1


def test_one_send_is_all_where_the_policy_says_so() -> None:
    assert unanswered(RetryPolicy(mrc=1), [0.0] * 9) == ([0.0], 2.0)
