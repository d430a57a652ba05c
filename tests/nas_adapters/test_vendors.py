import pytest

from core.errors import NotFound
from nas_adapters.vendors import VENDORS, vendor


def test_the_dialects_there_are() -> None:
    assert list(VENDORS) == ["accel_ppp", "cisco", "generic", "huawei_bng", "mikrotik"]


@pytest.mark.parametrize("written", ["accel_ppp", "accel-ppp", " Accel-PPP "])
def test_a_name_is_found_as_people_write_it(written: str) -> None:
    assert vendor(written).name == "accel_ppp"


@pytest.mark.parametrize("written", ["", "mikrotek", "huawei"])
def test_an_unknown_name_is_refused_and_told_the_known_ones(written: str) -> None:
    # Plain `huawei` as well: its two families give the same numbers other meanings.
    with pytest.raises(
        NotFound, match="accel_ppp, cisco, generic, huawei_bng, mikrotik"
    ) as refused:
        vendor(written)
    assert repr(written) in str(refused.value)
