"""The database is away under load (fault D3, short): every login is answered, every record
acknowledged, and afterwards all of it is in the database once."""

import pytest

from tests.chaos.outage import HUNG, REFUSED, SILENT, Outage, endure

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.mark.parametrize(
    "how",
    [
        HUNG,
        pytest.param(REFUSED, marks=pytest.mark.long),
        pytest.param(SILENT, marks=pytest.mark.long),
    ],
)
def test_logins_and_receipts_go_on_and_everything_is_drained_afterwards(how: str) -> None:
    done = endure(Outage(how, lasts_s=4.0, before_s=1.0, after_s=1.0, logins_per_s=50))
    assert done.logins_refused == 0
    assert not done.wrong, done.wrong[:3]
    assert len(done.logins.during) > 100
    assert len(done.reports.during) > 200
    assert done.verdict.is_clean, done.verdict
