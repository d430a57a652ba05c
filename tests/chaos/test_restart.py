"""A box with many sessions restarts while the database is away (fault D10): every record and the
restart are acknowledged, and afterwards all its sessions are closed and no other."""

import pytest

from tests.chaos.restart import restart

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.mark.parametrize("count", [2_000, pytest.param(50_000, marks=pytest.mark.long)])
def test_a_restart_is_acknowledged_without_the_database_and_closes_all_of_that_box_alone(
    count: int,
) -> None:
    done = restart(count, rate=2_000)
    assert len(done.records_s) == count
    assert done.restart_s < 10.0  # 1 s is asked; what it was is for `python -m tests.chaos.restart`
    assert not done.wrong, done.wrong[:3]
