"""Each dialect says what its golden rows say, octet for octet."""

import pytest

from nas_adapters.vendors import VENDORS
from tests.nas_adapters.golden_rows import GOLDEN, Row, rows_of, says

ROWS = [row for name in VENDORS for row in rows_of(name)]
MARKS = (
    *("vendor docs", "RFC", "its source", "calculation", "dictionary", "third-party code"),
    *("unconfirmed", "no words", "nothing of it is said", "text, so nothing wraps", "32 bits"),
    *("kbit/s, so", "accel-ppp"),
)


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.vendor} {row.what}") for row in ROWS])
def test_a_dialect_says_what_is_written_down(row: Row) -> None:
    assert says(row.vendor, row.what) == row.said


@pytest.mark.parametrize("row", [pytest.param(row, id=f"{row.vendor} {row.what}") for row in ROWS])
def test_a_row_tells_how_sure_it_is(row: Row) -> None:
    assert any(mark in row.source for mark in MARKS), row.source


def test_every_dialect_has_rows_and_every_file_a_dialect() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(VENDORS)


@pytest.mark.parametrize("name", VENDORS)
def test_every_dialect_has_rows_for_login_change_and_end(name: str) -> None:
    assert {row.what.split()[0] for row in rows_of(name)} == {"accept", "change", "disconnect"}
