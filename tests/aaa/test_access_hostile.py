"""Who tries to come in as somebody else, and what would stop a login worker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aaa.test_access_types import Isp, adsl
from tests.asking import ACCESS_REJECT, tlv


@pytest.fixture
def isp(tmp_path: Path) -> Iterator[Isp]:
    made = Isp(tmp_path)
    made.boxes("mikrotik")
    yield made
    made.decision_log.close()


# --- what would stop a worker -------------------------------------------------


@pytest.mark.parametrize("digits", [5, 60, 240])
def test_a_vlan_that_is_none_stops_no_login(isp: Isp, digits: int) -> None:
    """An ONU writes what it likes into its name, and a pattern says ``\\d+``."""
    isp.boxes("juniper", {"circuit_id": r"^(?P<svlan>\d+)\.(?P<port>\d+)"})
    assert isp.ask(tlv(1, "x"), adsl(b"9" * digits + b".1")).code == ACCESS_REJECT
    assert isp.last()[3] == f"no such subscriber: line 1, circuit_id {'9' * digits}.1"
