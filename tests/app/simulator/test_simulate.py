"""`turnpike simulate` as an operator runs it, and the server's books afterwards."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from app.manifest_file import document
from tests.serving import Turnpike

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
MAKES = ("mikrotik-pppoe", "mikrotik-hotspot", "huawei", "cisco", "accel-ppp", "ipoe")
NAMES = ("pppoe", "hotspot", "huawei", "cisco", "accel", "ipoe")
SCENARIO = 'secret = "turnpike-simulated-secret"\n' + "".join(
    f"""
[[nas]]
name = "sim-{name}"
make = "{make}"
address = "127.0.0.{host}"
subscribers = 10
username = "{name}-{{n:02}}"
password = "simulated-password"
download = "900M"
ramp = 2
session = 3
pause = 0.5
coa_port = 0
faults = {{ loss = 0.02, duplicates = 0.05, reordered = 0.1 }}
"""
    for host, make, name in zip(range(11, 17), MAKES, NAMES, strict=True)
)


def books(isp: Turnpike) -> dict[tuple[str, str], dict[str, Any]]:
    """The sessions of the simulated subscribers by User-Name and Acct-Session-Id."""
    listed = json.loads(isp.command("session", "list", "--limit", "0", "--json"))
    return {
        (one["username"], one["acct_session_id"]): one
        for one in listed
        if one["username"].partition("-")[0] in NAMES
    }


def test_the_servers_books_are_what_the_boxes_counted(isp: Turnpike, tmp_path: Path) -> None:
    found = document(ROOT / "deploy" / "simulated-isp.toml")
    assert isinstance(found, dict)
    isp.apply(found | {"tenant": "test-isp"})  # a second tenant would be in others' way
    scenario = tmp_path / "six-makes.toml"
    scenario.write_text(SCENARIO)
    said = isp.command(
        "simulate", "--scenario", str(scenario), "--seed", "3", "--minutes", "0.12", "--json",
        "--server", f"127.0.0.1:{isp.auth[1]}:{isp.acct[1]}",
    )  # fmt: skip
    summary = json.loads(said)
    sessions = summary["sessions"]
    assert {one["nas"] for one in sessions} == {f"sim-{name}" for name in NAMES}
    assert len(sessions) > 60, "some came twice"
    assert summary["logins"]["accepted"] == len(sessions)
    assert summary["records"]["unacknowledged"] == summary["open_questions"] == 0
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        kept = books(isp)
        if all(one["stopped_at"] for one in kept.values()) and len(kept) == len(sessions):
            break
        time.sleep(0.2)
    assert {
        (one["username"], one["acct_session_id"]): (one["input_octets"], one["output_octets"])
        for one in sessions
    } == {key: (one["input_octets"], one["output_octets"]) for key, one in kept.items()}
