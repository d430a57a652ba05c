"""Killed at random under load, with a quarter of all records told twice: nothing acknowledged is
lost, nothing counts twice, and nothing stays open (the short form of faults D1, D2 and D8)."""

import pytest

from tests.chaos.trial import ANSWERS_WITHIN_S, Load, house, run

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

LOAD = Load()


def test_what_was_acknowledged_is_in_the_database_once_whatever_is_killed_when() -> None:
    assert LOAD.kills >= 10
    assert LOAD.sessions >= 2_000
    with house() as one:
        outcome = run(one, LOAD)
        assert "Traceback" not in one.log
    assert sum(outcome.kills.values()) >= 10
    assert max(outcome.first_answers_s, default=0.0) < ANSWERS_WITHIN_S
    assert not outcome.wrong, outcome.wrong[:3]
    assert outcome.sessions >= LOAD.sessions
    assert outcome.records >= LOAD.sessions * (LOAD.interims + 2) * 0.9
    assert outcome.acknowledged >= outcome.records * (1 + LOAD.duplicates * 0.8)
    verdict = outcome.verdict
    assert verdict.is_clean, [
        one[:3] for one in (verdict.lost, verdict.doubled, verdict.short, verdict.left_open)
    ]
