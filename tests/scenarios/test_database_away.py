"""The database goes away, however it likes to: logins go on, also after a restart, and what
was decided and changed meanwhile is neither lost nor doubled (D3, the part of logins)."""

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator

import pytest

from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT
from tests.scenarios.flows import flows, login, processes_of, sql
from tests.scenarios.outside import Outside, outside_database
from tests.serving import ISP, PASSWORD, PROGRAM, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

MANIFEST = {
    **ISP,
    "subscriber": [
        {"username": "alice", "password": PASSWORD, "plan": "home"},
        {"username": "held", "password": PASSWORD, "plan": "home", "status": "suspended"},
        {"username": "late", "password": PASSWORD, "plan": "home"},
    ],
}


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    with outside_database() as one:
        yield one


@pytest.fixture(scope="module")
def house(outside: Outside) -> Iterator[Turnpike]:
    """Started before its database, which it waits for."""
    with turnpike_process(serve=False, DATABASE_URL=outside.url, RADIUS__REJECT_DELAY_S="0") as one:
        outside.refuse()
        one.launch()
        eventually(lambda: "event=database_away" in one.log, 20.0, lambda: one.log)
        assert "ready" not in one.log
        outside.back()
        one.await_ready()
        one.apply(MANIFEST)
        yield one
        assert "Traceback" not in one.log
        assert "was never awaited" not in one.log


def health(house: Turnpike) -> dict[str, object]:
    with urllib.request.urlopen(f"http://127.0.0.1:{house.ports['web']}/healthz") as response:
        found: dict[str, object] = json.load(response)
        return found


def everybody_is_answered_as_ever(house: Turnpike) -> None:
    """And quickly: a login that waited for a connection would take seconds."""
    with flows(house) as many:
        for username, code in (
            ("alice", ACCESS_ACCEPT),
            ("held", ACCESS_REJECT),
            ("nobody", ACCESS_REJECT),
        ):
            for _ in range(5):
                assert many.all_hear(code, username, within_s=3.0)


def decided(outside: Outside, username: str) -> int:
    return len(sql(outside.url, "SELECT id FROM decision WHERE username = $1", username))


@pytest.mark.parametrize("how", ["refuse", "crash", "hang"])
def test_logins_go_on_without_the_database_also_after_a_restart(
    house: Turnpike, outside: Outside, how: str
) -> None:
    sql(outside.url, "DELETE FROM hold WHERE source = 'dunning'")
    house.settle()
    everybody_is_answered_as_ever(house)
    name = f"nobody-{how}"
    getattr(outside, how)()
    try:
        went_at = time.monotonic()
        everybody_is_answered_as_ever(house)
        with flows(house, ports=10) as many:
            assert many.all_hear(ACCESS_REJECT, name)
        eventually(lambda: health(house)["database"] == "away", 20.0)
        everybody_is_answered_as_ever(house)

        assert house.stop() == 0
        assert processes_of(house) == {}
        house.start(within_s=10.0)
        everybody_is_answered_as_ever(house)
        assert health(house)["database"] == "away"
        assert health(house)["status"] == "ok"
        assert time.monotonic() - went_at < 60.0
    finally:
        outside.back()
    eventually(lambda: health(house)["database"] == "connected", 20.0, lambda: house.log[-2000:])
    everybody_is_answered_as_ever(house)
    sql(
        outside.url,
        "INSERT INTO hold (subscriber_id, tenant_id, source)"
        " SELECT id, tenant_id, 'dunning' FROM subscriber WHERE username = 'late'",
    )
    eventually(lambda: login(house, "late") == ACCESS_REJECT, 1.0)
    eventually(lambda: decided(outside, name) == 10, 10.0, lambda: str(decided(outside, name)))
    time.sleep(2.5)  # further passes of the shipper
    assert decided(outside, name) == 10


def test_a_suspension_from_before_the_outage_is_honoured_in_it(
    house: Turnpike, outside: Outside
) -> None:
    sql(
        outside.url,
        "INSERT INTO hold (subscriber_id, tenant_id, source)"
        " SELECT id, tenant_id, 'quota' FROM subscriber WHERE username = 'alice'",
    )
    outside_settles(house)
    outside.refuse()
    try:
        with flows(house) as many:
            assert many.all_hear(ACCESS_REJECT, "alice")
    finally:
        outside.back()
    sql(outside.url, "DELETE FROM hold WHERE source = 'quota'")
    eventually(lambda: login(house) == ACCESS_ACCEPT, 10.0)


def outside_settles(house: Turnpike) -> None:
    eventually(lambda: login(house) == ACCESS_REJECT, 3.0)


def test_a_command_says_in_one_line_that_the_database_is_away(
    house: Turnpike, outside: Outside
) -> None:
    outside.refuse()
    try:
        done = subprocess.run(
            [str(PROGRAM), "subscriber", "list"],
            env=house.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        outside.back()
    assert done.returncode == 1
    assert done.stderr.startswith("turnpike: ")
    assert len(done.stderr.splitlines()) == 1
