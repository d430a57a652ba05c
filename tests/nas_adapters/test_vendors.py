import pytest

from core.errors import NotFound
from nas_adapters.vendors import ALIASES, VENDORS, vendor


def test_the_dialects_there_are() -> None:
    assert list(VENDORS) == [
        "accel_ppp",
        "cambium",
        "cisco",
        "cisco_xr",
        "coovachilli",
        "edgerouter",
        "generic",
        "hostapd",
        "huawei_bng",
        "huawei_campus",
        "juniper",
        "mikrotik",
        "nokia",
        "pfsense",
        "ruckus",
        "unifi",
        "wispr",
        "zte",
        "zte_bps",
    ]


def test_every_other_name_is_of_a_dialect_that_there_is_and_hides_none() -> None:
    assert set(ALIASES.values()) <= VENDORS.keys()
    assert not ALIASES.keys() & VENDORS.keys()
    assert vendor("cisco-isg") is vendor("cisco")


@pytest.mark.parametrize("written", ["accel_ppp", "accel-ppp", " Accel-PPP "])
def test_a_name_is_found_as_people_write_it(written: str) -> None:
    assert vendor(written).name == "accel_ppp"


@pytest.mark.parametrize("written", ["", "mikrotek", "huawei", "ubiquiti"])
def test_an_unknown_name_is_refused_and_told_the_known_ones(written: str) -> None:
    # Plain `huawei` and `ubiquiti` as well: each has two families that speak differently.
    with pytest.raises(NotFound, match=", ".join(VENDORS)) as refused:
        vendor(written)
    assert repr(written) in str(refused.value)
