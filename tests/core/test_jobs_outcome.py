"""What becomes of a job that failed: table and law."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import NotAllowed
from core.jobs_outcome import ATTEMPTS_MAX, DELAY_MAX, Again, Held, delay_of, judge


@pytest.mark.parametrize(
    ("error", "attempts", "outcome"),
    [
        pytest.param(
            OSError("silent"), 0, Again(timedelta(seconds=5), "OSError: silent"), id="the world"
        ),
        pytest.param(
            OSError("silent"), 3, Again(timedelta(seconds=40), "OSError: silent"), id="again"
        ),
        pytest.param(OSError("silent"), ATTEMPTS_MAX - 1, Held("OSError: silent"), id="too often"),
        pytest.param(KeyError("nas"), 0, Held("KeyError: 'nas'"), id="a bug"),
        pytest.param(NotAllowed("no"), 0, Held("NotAllowed: no"), id="a refusal"),
        pytest.param(
            ValueError("first line\n[parameters: ('secret',)]"),
            *(0, Held("ValueError: first line")),
            id="only the first line, for parameters are on the others",
        ),
    ],
)
def test_what_an_error_means(error: Exception, attempts: int, outcome: Again | Held) -> None:
    assert judge(error, job_id=16, attempts=attempts) == outcome


@given(st.integers(0, 2**63), st.integers(0, ATTEMPTS_MAX))
def test_the_wait_grows_with_each_attempt_to_a_limit(job_id: int, attempts: int) -> None:
    delay, next_delay = delay_of(job_id, attempts), delay_of(job_id, attempts + 1)
    assert timedelta(seconds=5) <= delay <= next_delay <= DELAY_MAX * 1.25


def test_the_attempts_span_hours() -> None:
    span = sum((delay_of(0, attempts) for attempts in range(ATTEMPTS_MAX - 1)), timedelta(0))
    assert timedelta(hours=2) < span < timedelta(hours=4)
