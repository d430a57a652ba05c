"""What is counted for each client."""

import pytest

from core.radius.counters import LATENCY_BOUNDS_S, Counters


def test_reasons_are_counted_apart() -> None:
    counters = Counters()
    for reason in ("malformed", "bad-authenticator", "malformed"):
        counters.drop(reason)
    counters.reject("suspended")
    assert counters.drops == {"malformed": 2, "bad-authenticator": 1}
    assert counters.rejects == {"suspended": 1}


@pytest.mark.parametrize("bound", range(len(LATENCY_BOUNDS_S)))
def test_a_latency_falls_in_the_bucket_under_its_bound(bound: int) -> None:
    counters = Counters()
    counters.took(LATENCY_BOUNDS_S[bound] * 0.999)
    assert counters.latency_buckets.index(1) == bound
    counters.took(LATENCY_BOUNDS_S[bound] * 1.001)
    assert counters.latency_buckets[bound + 1] == 1


def test_no_time_and_much_too_much_time_have_a_bucket_too() -> None:
    counters = Counters()
    counters.took(0.0)
    counters.took(3600.0)
    assert counters.latency_buckets[0] == counters.latency_buckets[-1] == 1
    assert counters.latency_sum_s == 3600.0
