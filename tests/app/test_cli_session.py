"""`turnpike session`, `usage` and `who-had` as staff and programs call them."""

import asyncio
import io
import json
import sys
from collections.abc import Callable
from datetime import date, datetime
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from accounting.usage_report import By, Used
from app import cli_usage
from app.cli import main
from app.cli_session import COLUMNS
from tests.accounting.keeping import HOUR, NOON, OPEN, keep

ISP = """
tenant = "demo-isp"
[[nas]]
name = "bras-1"
address = "192.0.2.1"
secret = "nas-s3cret"
[[nas]]
name = "bras-2"
address = "192.0.2.2"
secret = "nas-s3cret"
[[plan]]
code = "home-50"
download = "50M"
[[subscriber]]
username = "alice"
password = "alices-s3cret"
plan = "home-50"
"""

Turnpike = Callable[..., tuple[int, str, str]]


@pytest.fixture
def turnpike(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fresh_database_url: str,
    tmp_path: Path,
) -> Turnpike:
    """The command line on a database of its own: alice is subscriber 1, bras-1 NAS 1."""
    monkeypatch.setenv("TURNPIKE_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("TURNPIKE_DATA_DIR", str(tmp_path / "var"))

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["turnpike", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        status = ended.value.code
        assert status is None or isinstance(status, int)
        return status or 0, said.out, said.err

    status, _, err = run("apply", "-", stdin=ISP)
    assert (status, err) == (0, "")
    hers = {"subscriber_id": 1, "nas_id": 1, "framed_ip": ip_address("198.51.100.7")}
    asyncio.run(
        keep(
            fresh_database_url,
            hers | {"framed_ipv6": ip_interface("2001:db8::/64"), "terminate_cause": 2},
            {"username": r"\x00odd", "nas_id": 2, **OPEN},
            hers | {"nas_id": 9, "confidence": 2},
            usage=(
                {"begins_at": NOON},
                {"begins_at": NOON + HOUR, "confidence": 1},
                {"begins_at": NOON + 24 * HOUR, "session_id": 3},
            ),
        )
    )
    return run


@pytest.fixture
def asked(turnpike: Turnpike) -> Callable[..., Any]:
    """What a program is told."""

    def ask(*arguments: str) -> Any:
        status, out, err = turnpike(*arguments, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return ask


def test_a_session_is_told_with_these_keys_in_this_order(asked: Callable[..., Any]) -> None:
    last = asked("session", "list")[-1]
    assert list(last) == list(COLUMNS)
    assert last == {
        "id": 1,
        "acct_session_id": "1",
        "generation": 0,
        "nas": "bras-1",
        "nas_identifier": "bras-1",
        "nas_ip_address": "192.0.2.1",
        "username": "alice",
        "subscriber": "alice",
        "framed_ip": "198.51.100.7",
        "framed_ipv6": "2001:db8::/64",
        "started_at": "2025-06-01T12:00:00.000Z",
        "last_seen_at": "2025-06-01T13:00:00.000Z",
        "stopped_at": "2025-06-01T13:00:00.000Z",
        "terminate_cause": "Lost-Carrier",
        "session_time_s": 3600,
        "input_octets": 1000,
        "output_octets": 2000,
        "confidence": "good",
    }


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ([], [3, 2, 1]),
        (["--limit", "2"], [3, 2]),
        (["--limit", "2", "--before", "3"], [2, 1]),
        (["--limit", "0", "--before", "3"], [2, 1]),
        (["--username", "alice"], [3, 1]),
        (["--username", r"\x00odd"], [2]),
        (["--nas", "bras-1"], [1]),
        (["--acct-session-id", "2"], [2]),
        (["--open"], [2]),
        (["--open", "--username", "alice"], []),
    ],
)
def test_sessions_are_listed_newest_first(
    asked: Callable[..., Any], options: list[str], ids: list[int]
) -> None:
    assert [row["id"] for row in asked("session", "list", *options)] == ids


def test_a_nas_that_is_unknown_is_refused(turnpike: Turnpike) -> None:
    status, _, err = turnpike("session", "list", "--nas", "bras-7")
    assert (status, err) == (3, "turnpike: there is no NAS bras-7\n")


def test_people_get_a_table_with_the_same_columns(turnpike: Turnpike) -> None:
    status, out, _ = turnpike("session", "list")
    header, *lines = out.splitlines()
    assert (status, header.split()) == (0, [column.upper() for column in COLUMNS])
    assert len(lines) == 3


def test_a_table_that_is_cut_short_says_how_to_go_on(turnpike: Turnpike) -> None:
    first = turnpike("session", "list", "--limit", "2")
    assert first[2] == "more than 2: add --before 2, or --limit 0 for all\n"
    assert len(first[1].splitlines()) == 3
    assert turnpike("session", "list", "--limit", "3")[2] == ""
    assert turnpike("session", "list", "--limit", "1", "--before", "2")[2] == ""
    assert turnpike("session", "list", "--limit", "-1")[0] == 2


def test_one_session_is_shown_with_its_usage_by_hour(
    asked: Callable[..., Any], turnpike: Turnpike
) -> None:
    shown = asked("session", "show", "1")
    assert list(shown)[: len(COLUMNS)] == list(COLUMNS)
    assert (shown["closed_by"], shown["calling_station"]) == ("stop", "02-00-5E-10-00-01")
    assert [(hour["period"], hour["confidence"]) for hour in shown["usage"]] == [
        ("2025-06-01T12:00:00Z", "good"),
        ("2025-06-01T13:00:00Z", "low"),
    ]
    assert asked("session", "show", "2")["usage"] is None
    assert "2025-06-01T13:00:00Z" in turnpike("session", "show", "1")[1]
    assert turnpike("session", "show", "4") == (3, "", "turnpike: there is no session 4\n")


def test_usage_is_summed_by_hour_day_or_month(asked: Callable[..., Any]) -> None:
    assert asked("usage", "alice", "--by", "month") == [
        {
            "period": "2025-06",
            "zone": "UTC",
            "upload_octets": 30,
            "download_octets": 300,
            "session_time_s": 180,
            "confidence": "low",
        }
    ]
    days = asked("usage", "alice")
    assert [(d["period"], d["upload_octets"]) for d in days] == [
        ("2025-06-01", 20),
        ("2025-06-02", 10),
    ]
    bounds = ("--from", "2025-06-01T15:00:00+02:00", "--to", "2025-06-02")
    [hour] = asked("usage", "alice", "--by", "hour", *bounds)
    assert hour["period"] == "2025-06-01T13:00:00Z"
    [day] = asked("usage", "alice", *bounds)
    assert (day["period"], day["upload_octets"]) == ("2025-06-01", 10)
    assert asked("usage", "alice", "--by", "hour") == [], "without bounds, the last month"


@pytest.mark.parametrize(
    ("by", "zone", "start", "name"),
    [
        (By.HOUR, "UTC", "2026-10-25T01:00:00+00:00", "2026-10-25T01:00:00Z"),
        (By.HOUR, "Europe/Berlin", "2026-10-25T00:00:00+00:00", "2026-10-25T02:00:00+02:00"),
        (By.HOUR, "Europe/Berlin", "2026-10-25T01:00:00+00:00", "2026-10-25T02:00:00+01:00"),
        (By.DAY, "Asia/Kolkata", "2026-10-24T18:30:00+00:00", "2026-10-25"),
        (By.MONTH, "Asia/Kolkata", "2026-09-30T18:30:00+00:00", "2026-10"),
    ],
)
def test_a_period_is_named_in_the_tenants_zone(by: By, zone: str, start: str, name: str) -> None:
    used = Used(datetime.fromisoformat(start).astimezone(ZoneInfo(zone)), 1, 1, 1, 0)
    [row] = cli_usage.rows([used], by)
    assert (row["period"], row["zone"]) == (name, zone)


def test_a_day_begins_where_the_clocks_jump_over_midnight() -> None:
    at = cli_usage.instant(date(2018, 11, 4), ZoneInfo("America/Sao_Paulo"))
    assert at is not None
    assert str(at) == "2018-11-04 01:00:00-02:00"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["usage", "nobody"], 3, "there is no subscriber nobody"),
        (
            ["usage", "alice", "--from", "2025-06-01T12:40:00Z"],
            2,
            "2:40:00Z: usage is kept by the q",
        ),
        (["usage", "alice", "--from", "2025-06-01T12:30:00Z"], 2, "told for 32 days at once"),
        (
            ["usage", "alice", "--by", "hour", "--from", "2025-06-01", "--to", "2025-07-04"],
            2,
            "told for 32 days at once",
        ),
        (["usage", "alice", "--to", "2025-06-31"], 2, "--to: 2025-06-31: write a time such as"),
        (["usage", "alice", "--to", "2025-06-01T12:00:00"], 2, "12:00:00: the zone is missing"),
        (
            ["usage", "alice", "--from", "2025-06-02", "--to", "2025-06-01"],
            2,
            "--to: 2025-06-01 is not after --from: 2025-06-02",
        ),
        (["usage", ""], 2, 'turnpike: subscriber "": write 1 to 253 octets'),
        (["quota", ""], 2, 'turnpike: subscriber "": write 1 to 253 octets'),
        (["who-had", "198.51.100", "--at", "2025-06-01T12:00:00Z"], 2, "198.51.100 is no IPv4"),
        (["who-had", "fe80::1%eth0", "--at", "2025-06-01T12:00:00Z"], 2, "leave out the scope"),
        (
            ["who-had", "198.51.100.7", "--at", "2025-06-01"],
            2,
            "--at: 2025-06-01: the zone is missing",
        ),
        (["who-had", "198.51.100.7", "--at", "9000-01-01T00:00:00Z"], 2, "--at: that is yet"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_line(
    turnpike: Turnpike, arguments: list[str], status: int, words: str
) -> None:
    ended, out, err = turnpike(*arguments)
    assert (ended, out) == (status, "")
    assert words in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("session", "show"),
        ("session", "list", "--before"),
        ("jobs", "retry", "1"),
        ("accounting", "dead-letters", "retry"),
    ],
)
@pytest.mark.parametrize("value", ["abc", "0", "9" * 40])
def test_what_is_no_id_is_named(turnpike: Turnpike, arguments: tuple[str, ...], value: str) -> None:
    status, _, err = turnpike(*arguments, value)
    assert (status, f": {value} is no number from a listing" in err) == (2, True)


@pytest.mark.parametrize("address", ["198.51.100.7", "::ffff:198.51.100.7"])
def test_who_had_an_address_is_told_with_certainty_and_rivals(
    asked: Callable[..., Any], address: str
) -> None:
    claims = asked("who-had", address, "--at", "2025-06-01T14:30:00+02:00")
    assert [(c["id"], c["subscriber"], c["certainty"], c["overlaps"]) for c in claims] == [
        (1, "alice", "certain", [3]),
        (3, "alice", "certain", [1]),
    ]
    assert claims[0]["matched"] == "framed_ip"


def test_whose_prefix_contains_an_address_had_it(asked: Callable[..., Any]) -> None:
    [claim] = asked("who-had", "2001:db8::42", "--at", "2025-06-01T12:30:00Z")
    assert (claim["id"], claim["matched"]) == (1, "framed_ipv6")
    assert asked("who-had", "2001:db8::42", "--at", "2025-06-01T15:30:00Z") == []


@pytest.mark.parametrize(
    "arguments",
    [["session", "list", "--open", "--nas", "bras-1"], ["usage", "alice", "--to", "2020-01-01"]],
)
def test_nothing_found_is_an_empty_list(asked: Callable[..., Any], arguments: list[str]) -> None:
    assert asked(*arguments) == []
