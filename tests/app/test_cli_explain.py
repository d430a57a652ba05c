"""`turnpike explain` as staff call it, on a database of the test's own."""

import asyncio
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aaa.device import device_of
from aaa.live import Live
from app.cli import main
from app.paths import Paths
from tests.aaa.replica import isp

ISP = """
tenant = "demo-isp"
[[nas]]
name = "bras-1"
address = "192.0.2.1"
secret = "nas-s3cret"
vendor = "mikrotik"
[[nas]]
name = "bras-2"
address = "192.0.2.2"
secret = "nas-s3cret"
[[plan]]
code = "home-50"
download = "50M"
upload = "20M"
session_limit = 1
[[subscriber]]
username = "alice"
password = "alices-s3cret"
plan = "home-50"
bind_nas = ["bras-1"]
[[subscriber]]
username = "bob"
password = "bobs-s3cret"
plan = "home-50"
status = "suspended"
"""

Turnpike = Callable[..., tuple[int, str, str]]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    directory = tmp_path / "var"
    directory.mkdir()
    return directory


@pytest.fixture
def turnpike(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fresh_database_url: str,
    data_dir: Path,
) -> Turnpike:
    """The command line of an instance with the ISP above; gives status, output and errors."""
    monkeypatch.setenv("TURNPIKE_DATABASE_URL", fresh_database_url)
    monkeypatch.setenv("TURNPIKE_DATA_DIR", str(data_dir))

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["turnpike", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert ended.value.code is None or isinstance(ended.value.code, int)
        return ended.value.code or 0, said.out, said.err

    assert run("apply", "-", stdin=ISP)[0] == 0
    return run


def explained(turnpike: Turnpike, *arguments: str) -> Any:
    status, out, errors = turnpike("explain", *arguments, "--json")
    assert (status, errors) == (0, "")
    return json.loads(out)


def test_an_accept_is_explained_with_what_the_nas_would_be_told(turnpike: Turnpike) -> None:
    found = explained(turnpike, "alice", "--password", "alices-s3cret")
    assert (found["outcome"], found["reason"], found["nas"]) == ("accept", None, "bras-1")
    assert found["trace"][0] == {"rule": "known", "input": "found by name", "result": "ok"}
    assert found["trace"][-1]["rule"] == "permit"
    assert {"attribute": "Mikrotik-Rate-Limit", "value": "20M/50M"} in found["attributes"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(("alice", "--password", "wrong"), "password", id="a wrong password"),
        pytest.param(("alice", "--nas", "bras-2"), "nas-binding", id="another NAS"),
        pytest.param(("bob",), "suspended", id="a hold"),
        pytest.param(("carol",), "unknown-user", id="nobody"),
    ],
)
def test_the_objection_ends_the_trace(
    turnpike: Turnpike, arguments: tuple[str, ...], reason: str
) -> None:
    found = explained(turnpike, *arguments)
    assert (found["outcome"], found["reason"]) == ("reject", reason)
    assert found["trace"][-1]["result"] == reason
    assert found["attributes"] == []


def test_a_login_of_a_moment_ago_counts_but_not_against_its_own_device(
    turnpike: Turnpike, data_dir: Path
) -> None:
    assert explained(turnpike, "alice")["outcome"] == "accept"
    live = Live(Paths(data_dir).live)
    now = time.time()
    for subscriber_id in range(1, 100):  # whichever ids alice and bras-1 have
        for nas_id in (1, 2):
            device = device_of(nas_id, b"02-00-5E-10-00-01")
            assert live.reserve(
                subscriber_id, device, b"%d" % nas_id, limit=9, kick=False, now=now, until=now + 60
            )
    live.close()
    found = explained(turnpike, "alice")
    assert found["reason"] == "session-limit"
    assert found["trace"][-1]["input"] == "open=0 reserved=2 limit=1 reject"
    own = explained(turnpike, "alice", "--station", "02-00-5e-10-00-01")
    assert own["trace"][-1]["input"] == "open=0 reserved=1 limit=1 reject", (
        "the other NAS's remains"
    )


def test_people_read_a_table_and_never_a_password(turnpike: Turnpike) -> None:
    status, out, _ = turnpike("explain", "alice", "--password", "alices-s3cret")
    assert status == 0
    assert "outcome   accept\n" in out
    assert "RULE" in out
    assert "ATTRIBUTE" in out
    assert "s3cret" not in out


def test_a_nas_that_is_not_there_is_told(turnpike: Turnpike) -> None:
    assert turnpike("explain", "alice", "--nas", "bras-9") == (
        3,
        "",
        "turnpike: there is no NAS bras-9\n",
    )


async def test_the_sessions_that_filled_the_limit_are_named(
    turnpike: Turnpike, fresh_database_url: str
) -> None:
    async with isp(fresh_database_url) as owner:
        alice = await owner.sql.fetchval("SELECT id FROM subscriber WHERE username = 'alice'")
        number = await owner.session(alice)
    found = await asyncio.to_thread(explained, turnpike, "alice")
    assert found["reason"] == "session-limit"
    assert found["trace"][-1]["input"] == f"open=1 reserved=0 limit=1 reject sessions={number}"


async def test_the_quota_is_explained_with_what_the_nas_would_be_told(
    turnpike: Turnpike, fresh_database_url: str
) -> None:
    async with isp(fresh_database_url) as owner:
        await owner.sql.execute(
            "UPDATE profile SET quota_octets = 100, at_quota = 'throttle', fup_download_bps = 2000,"
            " interim_s = 60, download_bps = 8000"
        )
        await owner.sql.execute(
            "INSERT INTO quota_state (subscriber_id, tenant_id, octets)"
            " SELECT id, tenant_id, 60 FROM subscriber WHERE username = 'alice'"
        )
        within = await asyncio.to_thread(explained, turnpike, "alice")
        await owner.sql.execute("UPDATE quota_state SET octets = 100")
        over = await asyncio.to_thread(explained, turnpike, "alice")
    said = {step["rule"]: step["input"] for step in within["trace"]}
    grace = (8_000 + 20_000_000) * 120 // 8  # of two intervals: he is to be slowed down before
    assert said["has_quota"] == "used=60 left=40 at=throttle"
    assert said["permit"] == f"session_timeout_s=none limit_octets={40 + grace}"
    assert {"attribute": "Mikrotik-Total-Limit", "value": str(40 + grace)} in within["attributes"]
    assert over["trace"][-1]["result"] == "profile, throttled"
    assert {"attribute": "Mikrotik-Rate-Limit", "value": "20M/2k"} in over["attributes"]
