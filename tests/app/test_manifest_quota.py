"""What a plan may say of its quota, and what of that does not go together."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest

from aaa.profiles import ProfileSpec
from aaa.subscribers import SubscriberSpec
from aaa.zones import Zone
from app.manifest import parse
from app.manifest_file import reply_check
from core.errors import Invalid
from dictionaries.loader import load

CHECK = reply_check(load())
PLAN: dict[str, Any] = {"code": "home-50", "download": "50M", "upload": "20M"}
FUP = {"download": "2M", "upload": "1M"}
NIGHT = {"from": "00:00", "to": "06:00", "weight": 0}


def plan(**more: Any) -> ProfileSpec:
    [found] = parse({"plan": [PLAN | more]}, CHECK).plans
    return found


def refusal(**more: Any) -> str:
    with pytest.raises(Invalid) as caught:
        plan(**more)
    return str(caught.value)


def subscriber(**more: Any) -> SubscriberSpec:
    entry = {"username": "alice", "password": "hunter2", "plan": "home-50"} | more
    [found] = parse({"subscriber": [entry]}, CHECK).subscribers
    return found.spec


def test_a_quota_is_read_whole() -> None:
    found = plan(
        quota="100GB",
        quota_time="30h",
        quota_direction="download",
        quota_window="rolling",
        at_quota="throttle",
        fup=FUP,
        zones=[NIGHT, {"from": "18:00", "to": "24:00", "weight": 0.5}],
        thresholds=[120, 80, 80, 100],
    )
    assert (found.quota_octets, found.quota_time_s) == (100 * 10**9, 108_000)
    assert (found.quota_direction, found.quota_window) == ("download", "rolling")
    assert (found.at_quota, found.fup_download_bps, found.fup_upload_bps) == (
        "throttle",
        2_000_000,
        1_000_000,
    )
    assert found.zones == (Zone(0, 360, 0), Zone(1080, 1440, 50))
    assert found.thresholds == (80, 100, 120)


def test_a_quota_alone_counts_all_by_the_subscribers_month_and_does_nothing() -> None:
    found = plan(quota="100GiB")
    assert (found.quota_octets, found.quota_time_s) == (100 * 2**30, None)
    assert (found.quota_direction, found.quota_window) == ("total", "anchor")
    assert (found.at_quota, found.zones, found.thresholds) == ("nothing", (), (80, 100, 120))
    assert plan(quota="1GB", fup=FUP).at_quota == "throttle"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        pytest.param({"zones": [NIGHT]}, "zones (home-50): has no effect without", id="zones"),
        pytest.param({"at_quota": "block"}, "at_quota (home-50): has no effect", id="at_quota"),
        pytest.param({"fup": FUP}, "fup (home-50): has no effect without", id="fup"),
        pytest.param(
            {"quota_time": "1h", "quota_direction": "upload"},
            "quota_direction (home-50): time has no direction",
            id="direction of time",
        ),
        pytest.param(
            {"quota": "1GB", "at_quota": "throttle"},
            "at_quota (home-50): a throttle has rates: add fup",
            id="throttle without rates",
        ),
        pytest.param(
            {"quota": "1GB", "at_quota": "block", "fup": FUP},
            'fup (home-50): has an effect with at_quota = "throttle" only',
            id="rates without throttle",
        ),
        pytest.param(
            {"quota": "1GB", "fup": FUP | {"download": "51M"}},
            "fup (home-50): faster than the plan itself",
            id="faster than the plan",
        ),
        pytest.param(
            {"quota": "1GB", "fup": {"download": "2M"}},
            "fup.upload (home-50): missing",
            id="half a fup",
        ),
        pytest.param({"quota": "100G"}, "quota (home-50) = '100G': not an amount", id="amount"),
        pytest.param(
            {"quota": "100"},
            "quota (home-50) = '100': less than 1MB: is the unit missing? write an amount as 100GB",
            id="octets without a unit",
        ),
        pytest.param({"quota": 999_999}, "quota (home-50) = 999999: less than 1MB", id="octets"),
        pytest.param(
            {"quota_time": "30"},
            "= '30': less than a minute: is the unit missing? write a time as 30h",
            id="seconds without a unit",
        ),
        pytest.param(
            {"quota": "1GB", "zones": [7]}, "zones[0] (home-50) = 7: write a table", id="no zone"
        ),
        pytest.param(
            {"quota": "1GB", "zones": [{"from": time(6)}]},
            "zones[0].from (home-50) = 06:00:00: write a time of day",
            id="a time of TOML",
        ),
        pytest.param({"quota_time": "1y"}, "= '1y': not a time", id="time"),
        pytest.param(
            {"quota": "1GB", "quota_window": "week"},
            "= 'week': write one of: anchor, calendar, day, rolling, none",
            id="window",
        ),
        pytest.param(
            {"quota": "1GB", "thresholds": [0]}, "thresholds (home-50) = [0]", id="threshold"
        ),
        pytest.param(
            {"quota": "1GB", "zones": [NIGHT | {"to": "06:10"}]},
            "plan[0].zones[0].to (home-50) = '06:10': usage is kept by the quarter of an hour:"
            ' write "06:00" or "06:15"',
            id="no quarter of an hour",
        ),
        pytest.param(
            {"quota": "1GB", "zones": [NIGHT | {"weight": 0.125}]},
            "plan[0].zones[0].weight (home-50) = 0.125: write a weight",
            id="weight",
        ),
        pytest.param(
            {"quota": "1GB", "zones": [NIGHT | {"to": "00:00"}]},
            "plan[0].zones[0].to (home-50): a zone without length",
            id="no length",
        ),
        pytest.param(
            {"quota": "1GB", "zones": [NIGHT, NIGHT | {"from": "05:00", "to": "07:00"}]},
            "zones (home-50): two of them are in force at 05:00",
            id="overlap",
        ),
        pytest.param(
            {"quota": "1GB", "zones": NIGHT}, "zones (home-50) = {", id="a table and no list"
        ),
        pytest.param(
            {"quota": "1GB", "zones": [NIGHT | {"wait": 1}]},
            "plan[0].zones[0].wait (home-50): unknown key",
            id="unknown key",
        ),
    ],
)
def test_what_does_not_go_together_is_refused_by_its_name(more: dict[str, Any], said: str) -> None:
    assert said in refusal(**more)


def test_an_anchor_is_a_day_of_the_calendar() -> None:
    day = date(2026, 1, 31)
    assert subscriber(quota_anchor=day).quota_anchor == day
    assert subscriber(quota_anchor="2026-01-31").quota_anchor == day
    assert subscriber().quota_anchor is None
    with pytest.raises(Invalid, match="= 2026-01-31T00:00:00Z: write a date without a time"):
        subscriber(quota_anchor=datetime(2026, 1, 31, tzinfo=UTC))
    assert plan(quota="1MB", quota_time="1m").quota_octets == 1_000_000
    for wrong in ("31.1.2026", datetime(2026, 1, 31, tzinfo=UTC), 31, "1969-12-31"):
        with pytest.raises(Invalid, match=r"quota_anchor \(alice\).*write a date"):
            subscriber(quota_anchor=wrong)


def test_a_time_zone_is_one_that_is_known() -> None:
    assert parse({"timezone": "Europe/Berlin"}, CHECK).timezone == "Europe/Berlin"
    assert parse({}, CHECK).timezone is None
    with pytest.raises(Invalid, match=r"timezone = 'Europe/Berln'.*Europe/Berlin"):
        parse({"timezone": "Europe/Berln"}, CHECK)
    for wrong in ("../etc/passwd", "", 1, "CET+1"):
        with pytest.raises(Invalid, match="timezone"):
            parse({"timezone": wrong}, CHECK)
