"""What is decided is what the network does: from a command to the box, by whole processes."""

import json
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from core import status
from core.jobs_status import JobsStatus
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, COA_REQUEST, DISCONNECT_REQUEST
from tests.nas_adapters.asked import Asked
from tests.scenarios.boxes import INTERIM, Box, agrees, box, refuses
from tests.scenarios.flows import private_url, sql
from tests.serving import (
    PASSWORD,
    SECRET,
    DidNot,
    Turnpike,
    eventually,
    turnpike_process,
)

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    with turnpike_process(RADIUS__REJECT_DELAY_S="0") as one:
        yield one


def manifest(bras: Box, *names: str, **plan: object) -> dict[str, Any]:
    """A NAS at the box's address, one plan, and these subscribers."""
    code = f"home-{bras.host.rpartition('.')[2]}"
    return {
        "tenant": "test-isp",
        "nas": [
            {
                "name": f"bras-{bras.host.rpartition('.')[2]}",
                "address": bras.host,
                "secret": SECRET,
                "vendor": "mikrotik",
                "coa_port": bras.port,
            }
        ],
        "plan": [{"code": code, "download": "50M", "upload": "20M", **plan}],
        "subscriber": [{"username": name, "password": PASSWORD, "plan": code} for name in names],
    }


def open_sessions(house: Turnpike, username: str) -> list[dict[str, object]]:
    arguments = ("session", "list", "--open", "--username", username, "--json")
    found: list[dict[str, object]] = json.loads(house.command(*arguments))
    return found


def online(house: Turnpike, username: str) -> bool:
    return bool(open_sessions(house, username))


def test_a_suspension_ends_the_session_at_once_and_a_resumption_lets_him_in_again(
    house: Turnpike,
) -> None:
    with box(house, "127.0.0.31") as bras:
        house.apply(manifest(bras, "alice"))
        assert bras.dial("alice", b"s-1").code == ACCESS_ACCEPT
        eventually(lambda: online(house, "alice"), 10)
        said = house.command("subscriber", "suspend", "alice")
        committed_at = time.monotonic()
        assert "1 session" in said
        eventually(lambda: bras.told(DISCONNECT_REQUEST), 10, lambda: house.log[-2000:])
        [(at, asked)] = bras.told(DISCONNECT_REQUEST)
        assert asked.first(44) == b"s-1"
        assert at - committed_at < 1.0
        assert bras.login("alice").code == ACCESS_REJECT
        eventually(lambda: not online(house, "alice"), 10)
        eventually(lambda: json.loads(house.command("enforcement", "list", "--json")) == [], 10)
        assert "resumed" in house.command("subscriber", "resume", "alice")
        house.settle()
        assert bras.dial("alice", b"s-2").code == ACCESS_ACCEPT


def test_a_quota_that_is_crossed_by_a_report_slows_the_session_down(house: Turnpike) -> None:
    with box(house, "127.0.0.32") as bras:
        fup = {"download": "1M", "upload": "1M"}
        house.apply(manifest(bras, "bob", quota="1GB", quota_window="calendar", fup=fup))
        assert bras.dial("bob", b"q-1").code == ACCESS_ACCEPT
        eventually(lambda: online(house, "bob"), 10)
        reported_at = time.monotonic()
        bras.report(b"q-1", INTERIM, 300, 2_000_000_000)
        eventually(lambda: bras.told(COA_REQUEST), 15, lambda: house.log[-2000:])
        [(at, asked)] = bras.told(COA_REQUEST)
        assert at - reported_at < 2.0
        [rate] = [value for number, value in vendor_values(asked) if number == 8]
        assert rate == b"1M/1M"


def test_people_end_a_session_have_it_told_again_and_see_why_not(house: Turnpike) -> None:
    with box(house, "127.0.0.33") as bras:
        house.apply(manifest(bras, "carol"))
        bras.dial("carol", b"p-1")
        eventually(lambda: online(house, "carol"), 10)
        number = str(open_sessions(house, "carol")[0]["id"])
        assert "acknowledged" in house.command("session", "reapply", number)
        assert bras.told(COA_REQUEST)
        bras.obeys = refuses(401)
        with pytest.raises(DidNot, match="401 Unsupported-Attribute"):
            house.command("session", "reapply", number)
        [listed] = json.loads(house.command("enforcement", "list", "--json"))
        assert (str(listed["id"]), listed["state"], listed["error_cause"]) == (
            number,
            "stopped",
            401,
        )
        bras.obeys = agrees
        said = house.command("session", "disconnect", number)
        assert "ended" in said or "acknowledged" in said
        eventually(lambda: not online(house, "carol"), 10)
        with pytest.raises(DidNot, match="is over"):
            house.command("session", "disconnect", number)


def test_a_jobs_process_that_is_killed_in_the_midst_leaves_nobody_online(house: Turnpike) -> None:
    names = [f"many-{number}" for number in range(60)]
    with box(house, "127.0.0.34") as bras:
        house.apply(manifest(bras, *names))
        for number, name in enumerate(names):
            assert bras.dial(name, b"k-%d" % number).code == ACCESS_ACCEPT
        eventually(lambda: online(house, names[-1]), 10)
        held = manifest(bras, *names)
        house.apply(
            {**held, "subscriber": [{**one, "status": "suspended"} for one in held["subscriber"]]}
        )
        eventually(lambda: len(bras.told(DISCONNECT_REQUEST)) > 5, 10)
        os.kill(jobs_pid(house), signal.SIGKILL)
        eventually(lambda: not bras.online, 30, lambda: f"{len(bras.online)} are online")
        eventually(lambda: not any(online(house, name) for name in names[::20]), 10)
        rows = sql(private_url(house), "SELECT state FROM enforcement WHERE state = 'due'")
        eventually(lambda: not rows, 10)


def jobs_pid(house: Turnpike) -> int:
    return status.read(house.paths.status, "jobs", JobsStatus)["jobs"][0].pid


def vendor_values(asked: Asked) -> list[tuple[int, bytes]]:
    """What MikroTik's attributes hold."""
    return [
        (value[4], value[6:])
        for number, value in asked.attributes
        if number == 26 and value[:4] == (14988).to_bytes(4, "big")
    ]
