import json
from datetime import UTC, datetime
from ipaddress import IPv4Address

import pytest

from app import cli_output

ROWS: list[dict[str, object]] = [
    {"name": "a\x1b[2J\nb", "at": datetime(2026, 1, 1, tzinfo=UTC), "ip": IPv4Address("192.0.2.1")},
    {"name": "été", "at": None, "ip": []},
]


def test_columns_are_aligned_and_nothing_in_them_moves_the_cursor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cli_output.table(ROWS, ["name", "at", "ip"])
    assert capsys.readouterr().out.splitlines() == [
        "NAME         AT                        IP",
        r"a\x1b[2J\nb  2026-01-01T00:00:00.000Z  192.0.2.1",
        "été          -                         -",
    ]


def test_a_long_value_does_not_push_the_others_away_unless_it_is_the_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = {"name": "x" * 200, "why": "y" * 200}
    cli_output.table([row], ["name", "why"])
    header, line = capsys.readouterr().out.splitlines()
    assert line == "x" * 43 + "…  " + "y" * 200
    assert header.index("WHY") == 46
    cli_output.table([row], ["name", "why"], whole=True)
    assert "x" * 200 in capsys.readouterr().out


@pytest.mark.parametrize("count", [0, 1, 2])
def test_a_json_array_is_one_however_long(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    cli_output.as_json_array(ROWS[:count])
    read_back = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in read_back] == [row["name"] for row in ROWS[:count]]


@pytest.mark.parametrize(
    ("lines", "dry_run", "last"),
    [
        ((), False, "tenant t: nothing to change"),
        (("+ nas a", "~ nas b: secret changed"), False, "tenant t: 1 added, 1 changed"),
        (("+ nas a",), True, "tenant t: 1 added, 0 changed; nothing was written (--dry-run)"),
    ],
)
def test_the_difference_ends_with_its_sum(
    lines: tuple[str, ...], dry_run: bool, last: str, capsys: pytest.CaptureFixture[str]
) -> None:
    cli_output.tell("t", lines, dry_run=dry_run)
    assert capsys.readouterr().out.splitlines() == [*lines, last]
