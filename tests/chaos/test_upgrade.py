"""Two nodes are reloaded, stopped and started again under load (fault D14): what was acknowledged
before, between and after is in the database once, and a node that nothing is done to goes on."""

import pytest

from tests.chaos.upgrade import upgrade

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.long]


def test_a_reload_and_a_rolling_restart_under_load_lose_nothing() -> None:
    done = upgrade(2_000)
    assert done.verdict.is_clean, done.verdict
    assert not done.wrong, done.wrong[:3]
    assert len(done.silences) == 6
    # 2 s are asked, and told by `python -m tests.chaos.upgrade`; a busy machine takes longer.
    assert max(max(one.records_s, one.logins_s) for one in done.silences) < 20.0
