"""No part blocks its loop or leaves something open, and none is large; Python watches."""

import os
import re
import signal
import time
import urllib.request
from pathlib import Path

import pytest

from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT
from tests.scenarios.flows import flows, private_url, processes_of, sql
from tests.serving import ISP, Turnpike, eventually, turnpike_process

# A node of a small ISP; measured 2026 on Debian 12 with Python 3.11: a worker has 25 MiB.
PRIVATE_MIB_MAX = {
    "login": 60,
    "replicator": 90,
    "ingest": 120,
    "jobs": 90,
    "web": 60,
    "serve": 90,
}

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


def test_no_process_blocks_warns_or_leaves_anything_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Development mode reports slow callbacks, and what is never closed.

    Half a second is slow: less may be a neighbour's doing.
    """
    monkeypatch.setenv("PYTHONDEVMODE", "1")
    monkeypatch.setenv("PYTHONWARNINGS", "default")
    with turnpike_process(ISP, RADIUS__REJECT_DELAY_S="0") as house:
        quiet_after = len(house.log)
        with flows(house) as many:
            for _ in range(20):
                assert many.all_hear(ACCESS_ACCEPT)
                assert many.all_hear(ACCESS_REJECT, "nobody")
        for page in ("healthz", "metrics"):
            urllib.request.urlopen(f"http://127.0.0.1:{house.ports['web']}/{page}").close()
        before = len(house.log)
        os.kill(house.pid, signal.SIGHUP)
        eventually(lambda: "event=reloaded" in house.log[before:], 60.0)
        assert house.stop() == 0
        complaints = [
            line
            for line in house.log[quiet_after:].splitlines()
            if re.search(r"Warning|never awaited|took \d|Traceback|Exception|unclosed", line)
            # Beside other tests it may wait for a processor for longer than it works.
            and not re.search(r"took 0\.[1-4]", line)
        ]
        assert complaints == [], "\n".join(complaints)


@pytest.fixture(scope="module")
def grown() -> dict[str, float]:
    """Private MiB of each process with 20 000 subscribers, after logins of many of them."""
    with turnpike_process(ISP, RADIUS__REJECT_DELAY_S="0") as house:
        sql(
            private_url(house),
            "WITH made AS (INSERT INTO subscriber (tenant_id, username)"
            "  SELECT tenant_id, 'home-' || n FROM subscriber, generate_series(1, 20000) n"
            "  RETURNING id, tenant_id)"
            " INSERT INTO entitlement (subscriber_id, tenant_id, profile_id)"
            "  SELECT made.id, made.tenant_id, profile.id FROM made, profile",
        )
        house.settle(30.0)
        with flows(house) as many:
            for number in range(0, 20_000, 500):
                many.codes(f"home-{number}")
        time.sleep(1.0)
        return private_mib(house)


def private_mib(house: Turnpike) -> dict[str, float]:
    found: dict[str, float] = {}
    for number, command in processes_of(house).items():
        role = "serve"
        if "app.children" in command:
            role = command.split("app.children ")[1].split()[0]
        elif "turnpike serve" not in command:
            continue
        rollup = (Path("/proc") / str(number) / "smaps_rollup").read_text()
        kib = sum(int(value) for value in re.findall(r"^Private_\w+: +(\d+) kB", rollup, re.M))
        found[role] = max(found.get(role, 0.0), kib / 1024)
    return found


def test_a_node_of_twenty_thousand_is_small(grown: dict[str, float]) -> None:
    assert set(grown) == set(PRIVATE_MIB_MAX)
    for role, most in PRIVATE_MIB_MAX.items():
        assert grown[role] < most, f"{role} has {grown[role]:.0f} MiB of its own"
