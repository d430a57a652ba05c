"""SIGHUP: what may change does, what may not is named, and a mistake changes nothing (O2)."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.reload import FIXED, reloadable
from core.config import Settings
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, Nas, pap_request
from tests.scenarios.flows import flows, is_let_in, private_url, processes_of, sql
from tests.serving import ISP, PASSWORD, SECRET, Turnpike, eventually, turnpike_process

KEY = SECRET.encode()
CALM = """
[radius]
reject_delay_s = 0.0
[policy.walled_garden]
filter_id = "garden-1"
"""


def settings(**more: object) -> Settings:
    return Settings.model_validate({"data_dir": "/srv/turnpike", **more})


def test_what_may_change_is_taken_from_the_fresh_settings() -> None:
    fresh = settings(
        radius={"reject_delay_s": 2.0}, policy={"guesses_max": 3}, log={"level": "debug"}
    )
    assert reloadable(settings(), fresh) == (fresh, [])


def test_what_is_fixed_stays_and_is_named() -> None:
    running = settings()
    fresh = settings(
        data_dir="/elsewhere",
        database_url="postgresql:///other",
        radius={"auth_port": 1645, "workers": 9, "reject_delay_s": 2.0},
        web={"port": 9090},
        directory={"map_size_bytes": 2**30},
    )
    merged, ignored = reloadable(running, fresh)
    assert ignored == [
        "data_dir", "database_url", "directory", "radius.auth_port", "radius.workers", "web"
    ]  # fmt: skip
    assert merged == settings(radius={"reject_delay_s": 2.0})


def test_every_fixed_name_is_a_setting() -> None:
    known = Settings.model_fields
    for name in FIXED:
        part, _, field = name.partition(".")
        assert part in known
        assert not field or field in type(getattr(settings(), part)).model_fields


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    """An instance with a configuration file beside its data directory."""
    with turnpike_process(serve=False) as one:
        file = config(one)
        file.write_text(CALM)
        one.settings = {"CONFIG": str(file)}
        one.start()
        one.apply(
            {
                **ISP,
                "subscriber": [
                    {"username": "alice", "password": PASSWORD, "plan": "home"},
                    {
                        "username": "confined",
                        "password": PASSWORD,
                        "plan": "home",
                        "status": "suspended",
                        "when_suspended": "walled_garden",
                    },
                ],
            }
        )
        yield one


def config(house: Turnpike) -> Path:
    return house.data_dir.with_name("turnpike.toml")


def hang_up(house: Turnpike, event: str) -> str:
    """Send SIGHUP and wait for `event` in the log; what was logged since."""
    before = len(house.log)
    os.kill(house.pid, signal.SIGHUP)
    eventually(lambda: f"event={event}" in house.log[before:], 30.0)
    return house.log[before:]


def rejects_after_s(house: Turnpike) -> float:
    with Nas(house.auth) as nas:
        began_at = time.monotonic()
        assert nas.answer(pap_request("alice", "wrong", secret=KEY), KEY).code == ACCESS_REJECT
        return time.monotonic() - began_at


def gardens(house: Turnpike) -> set[bytes]:
    """Filter-Id as each of several flows hears it, so of every worker."""
    found = set()
    for identifier in range(12):
        with Nas(house.auth) as nas:
            request = pap_request("confined", PASSWORD, secret=KEY, identifier=identifier)
            found.update(nas.answer(request, KEY).all(11))
    return found


@pytest.mark.scenario
@pytest.mark.slow
def test_a_reload_is_in_force_in_every_worker_and_costs_no_request(house: Turnpike) -> None:
    assert gardens(house) == {b"garden-1"}
    assert rejects_after_s(house) < 0.5
    config(house).write_text(CALM.replace("garden-1", "garden-2").replace("0.0", "0.8"))
    before = len(house.log)
    with flows(house) as many:
        os.kill(house.pid, signal.SIGHUP)
        asked = 0
        while "event=reloaded" not in house.log[before:]:
            assert many.all_hear(ACCESS_ACCEPT)
            asked += 1
        for _ in range(20):  # the old ones drain
            assert many.all_hear(ACCESS_ACCEPT)
    assert asked > 3
    assert gardens(house) == {b"garden-2"}
    assert 0.7 < rejects_after_s(house) < 3.0
    assert len(_children(house)) == 6  # two workers, replicator, ingest, jobs and web


@pytest.mark.scenario
@pytest.mark.slow
def test_the_replicator_goes_on_after_a_reload(house: Turnpike) -> None:
    """It once came back without knowing where the private cluster is."""
    hang_up(house, "reloaded")
    sql(private_url(house), "INSERT INTO hold (subscriber_id, tenant_id, source)"
        " SELECT id, tenant_id, 'staff' FROM subscriber WHERE username = 'alice'")  # fmt: skip
    eventually(lambda: not is_let_in(house), 3.0)
    sql(private_url(house), "DELETE FROM hold WHERE source = 'staff' AND effect = 'reject'")
    eventually(lambda: is_let_in(house), 3.0)


@pytest.mark.scenario
@pytest.mark.slow
@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        pytest.param("[radius]\nreject_delay_s = 99\n", "radius.reject_delay_s", id="bad value"),
        pytest.param("[radius]\nreject_dellay_s = 1\n", "reject_dellay_s", id="unknown key"),
        pytest.param("[radius\n", "turnpike.toml", id="no TOML"),
        pytest.param(None, "turnpike.toml", id="no file"),
    ],
)
def test_a_bad_configuration_leaves_the_old_one_in_force_and_is_named(
    house: Turnpike, mistake: str | None, said: str
) -> None:
    before = _children(house)
    garden = gardens(house)
    with other_configuration(house, mistake):
        assert said in hang_up(house, "reload_refused")
        assert _children(house) == before
        assert gardens(house) == garden
    hang_up(house, "reloaded")


@pytest.mark.scenario
@pytest.mark.slow
def test_what_needs_a_restart_is_said(house: Turnpike) -> None:
    more = CALM.replace("[radius]", "[radius]\nreceive_buffer_bytes = 131072")
    with other_configuration(house, more):
        assert "settings=radius.receive_buffer_bytes" in hang_up(house, "reloaded")
    hang_up(house, "reloaded")


@pytest.mark.scenario
@pytest.mark.slow
def test_a_removed_nas_is_met_with_silence_within_five_seconds(house: Turnpike) -> None:
    with flows(house, host="127.0.0.6") as many:
        assert many.all_hear(ACCESS_ACCEPT)
        house.command("nas", "remove", "bng-generic")
        removed_at = time.monotonic()
        eventually(lambda: many.all_hear(None, within_s=0.2), 5.0)
        assert time.monotonic() - removed_at < 5.0
    assert is_let_in(house)


@contextmanager
def other_configuration(house: Turnpike, text: str | None) -> Iterator[None]:
    """The file says `text` for a while; None: it is not there."""
    kept = config(house).read_text()
    if text is None:
        config(house).unlink()
    else:
        config(house).write_text(text)
    try:
        yield
    finally:
        config(house).write_text(kept)


def _children(house: Turnpike) -> set[int]:
    """The four that are left when those who were replaced have finished."""

    def now() -> set[int]:
        return {
            number for number, command in processes_of(house).items() if "app.children" in command
        }

    eventually(lambda: len(now()) == 6, 8.0)
    return now()
