"""Under even load nothing grows (the short form of fault O1; `make soak` is the hour)."""

import pytest

from tests.chaos.soak import soak

pytestmark = [pytest.mark.scenario, pytest.mark.slow, pytest.mark.long]


def test_no_process_gathers_memory_or_descriptors_and_nothing_is_lost() -> None:
    soaked = soak(12.0, every_s=0.5)
    assert soaked.verdict.is_clean, soaked.verdict
    assert not soaked.wrong, soaked.wrong[:3]
    assert soaked.logins > 100
    assert {"login 0", "login 1", "ingest", "replicator", "serve"} <= soaked.samples.keys()
    for name in soaked.samples:
        assert soaked.is_flat(name), (name, soaked.growth(name))
