"""`turnpike quota` as staff and programs call it."""

import asyncio
import io
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from app import cli_quota
from app.cli import main
from tests.accounting.keeping import keep

ISP = """
tenant = "demo-isp"
timezone = "Asia/Kolkata"
[[plan]]
code = "capped"
quota = "1MB"
quota_time = "1h"
quota_window = "calendar"
zones = [{ from = "00:00", to = "24:00", weight = 0.5 }]
[[plan]]
code = "forever"
quota = "1MB"
quota_window = "none"
[[plan]]
code = "rolling"
quota = "1MB"
quota_window = "rolling"
quota_direction = "download"
[[plan]]
code = "open"
[[subscriber]]
username = "alice"
password = "s3cret"
plan = "capped"
[[subscriber]]
username = "bob"
password = "s3cret"
plan = "forever"
quota_anchor = 2199-12-31
[[subscriber]]
username = "carol"
password = "s3cret"
plan = "rolling"
[[subscriber]]
username = "dave"
password = "s3cret"
plan = "open"
"""
KOLKATA = ZoneInfo("Asia/Kolkata")
Turnpike = Callable[..., tuple[int, str, str]]


@pytest.fixture
def turnpike(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fresh_database_url: str,
    tmp_path: Path,
) -> Turnpike:
    """The command line on a database of its own; alice, bob and carol are 1, 2 and 3."""
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
    local = datetime.now(KOLKATA)
    now = local.astimezone(UTC)
    now = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    month = local.replace(day=1, hour=0, minute=0, second=0, microsecond=0).astimezone(UTC)
    usage = {"input_octets": 100_000, "output_octets": 700_000, "session_time_s": 1800}
    asyncio.run(
        keep(
            fresh_database_url,
            usage=tuple(
                usage | {"subscriber_id": subscriber} | more
                for subscriber in (1, 3)
                for more in (
                    {"begins_at": month},
                    {"begins_at": month, "confidence": 1},
                    {"begins_at": now},
                    {"begins_at": now - timedelta(days=365)},
                )
            ),
        )
    )
    return run


def test_a_quota_is_shown_with_what_is_used_and_left(turnpike: Turnpike) -> None:
    status, out, err = turnpike("quota", "alice", "--json")
    assert (status, err) == (0, "")
    shown = json.loads(out)
    starts = datetime.fromisoformat(shown.pop("window_starts_at"))
    ends = datetime.fromisoformat(shown.pop("window_ends_at"))
    assert starts <= datetime.now(UTC) < ends
    assert (starts.day, starts.hour, ends.day, ends.hour) == (1, 0, 1, 0)
    assert shown == {
        "username": "alice",
        "plan": "capped",
        "direction": "total",
        "window": "calendar",
        "quota_octets": 1_000_000,
        "used_octets": 800_000,
        "left_octets": 200_000,
        "quota_time_s": 3600,
        "used_time_s": 1800,
        "left_time_s": 1800,
        "percent": 80,
        "thresholds_crossed": [],
        "at_quota": "nothing",
        "in_doubt_octets": 400_000,
        "in_doubt_time_s": 900,
    }


def test_a_quota_that_has_not_begun_is_untouched(turnpike: Turnpike) -> None:
    status, out, _ = turnpike("quota", "bob", "--json")
    shown = json.loads(out)
    assert (status, shown["window_starts_at"], shown["window_ends_at"]) == (0, None, None)
    assert (shown["used_octets"], shown["left_octets"], shown["percent"]) == (0, 1_000_000, 0)


def test_a_rolling_quota_is_shown_with_the_days_that_count(turnpike: Turnpike) -> None:
    shown = json.loads(turnpike("quota", "carol", "--json")[1])
    starts = datetime.fromisoformat(shown["window_starts_at"])
    today = datetime.now(KOLKATA).date()
    assert (today - starts.date()).days == 29
    assert shown["used_octets"] in (700_000, 1_400_000), "the first of a month may be 30 days ago"


def test_people_get_a_fact_a_line(turnpike: Turnpike) -> None:
    status, out, _ = turnpike("quota", "alice")
    assert status == 0
    facts = dict(line.split(maxsplit=1) for line in out.splitlines())
    assert (facts["percent"], facts["thresholds_crossed"]) == ("80", "-")
    assert facts["octets"] == "800kB used, 200kB left of 1MB (total)"
    assert facts["time"] == "30m used, 30m left of 1h"
    assert facts["in_doubt"] == "400kB, 15m"
    assert "\ntime                0s used, no limit\n" in turnpike("quota", "bob")[1]


@pytest.mark.parametrize(
    ("octets", "text"),
    [(0, "0B"), (999, "999B"), (42_130_000_000, "42.13GB"), (999_999_999, "1GB"), (10**18, "1EB")],
)
def test_octets_are_rounded_for_people(octets: int, text: str) -> None:
    assert cli_quota.octets_for_people(octets) == text


def test_who_has_no_quota_or_is_nobody_is_told_so(turnpike: Turnpike) -> None:
    status, _, err = turnpike("quota", "dave")
    assert (status, err) == (3, "turnpike: subscriber dave: plan open has no quota\n")
    status, _, err = turnpike("quota", "erin")
    assert (status, err) == (3, "turnpike: there is no subscriber erin\n")
