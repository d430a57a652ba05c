"""What OLTs send that is no measurement, and must not look like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nas_adapters.olt import onu as values
from nas_adapters.olt.reading import DIALECTS

ANYTHING = st.one_of(
    st.integers(min_value=-(2**31), max_value=2**64 - 1),
    st.binary(max_size=20),
    st.tuples(st.integers(0, 9)),
)
INDEX = st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4).map(tuple)


@pytest.mark.parametrize("name", DIALECTS)
@given(data=st.data())
def test_whatever_an_agent_sends_is_decoded_or_passed_over(name: str, data: st.DataObject) -> None:
    olt = DIALECTS[name]
    index = data.draw(st.lists(INDEX, max_size=3, unique=True))
    column = st.dictionaries(st.sampled_from(index), ANYTHING) if index else st.just({})
    tables = {each: data.draw(column) for each in (*olt.columns, "ports")}
    for one in olt.decode(tables):
        assert one.rx_dbm is None or -60 <= one.rx_dbm <= 20
        assert one.distance_m is None or 0 <= one.distance_m <= 100_000


@pytest.mark.parametrize(
    ("written", "dbm"),
    [
        (b"-21.3", -21.3),
        (b"-21.30 dBm", -21.3),
        (b"0.01 mW(-21.30 dBm)", -21.3),
        (b"N/A", None),
        (b"nan", None),
        (b"-inf dBm", None),
        (b"-99", None),
        (b"", None),
        (-213, None),
    ],
)
def test_a_power_in_words(written: int | bytes, dbm: float | None) -> None:
    assert values.dbm_text(written) == dbm
