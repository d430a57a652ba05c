"""Simulated boxes load an installation, and its books are theirs."""

import pytest

from bench import simulated

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.long]


def test_a_small_crowd_is_answered_and_stored_to_the_octet() -> None:
    found = simulated.measure(simulated.QUICK, workers=1)
    assert not found.differs, found.differs[:3]
    assert found.is_clean, found.told
    assert found.told["logins"]["accepted"] >= simulated.QUICK.subscribers / 2
    assert found.used.server_s > 0
    assert found.used.postgres_s > 0
    text = simulated.section(found)
    assert f"{len(found.told['sessions']):,}, " in text
    assert ": 0 differ |" in text
