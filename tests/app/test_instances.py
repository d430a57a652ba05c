"""Instances on one machine, in parts, and where one cannot be: refused with a reason."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.asking import ACCESS_ACCEPT
from tests.scenarios.flows import flows, is_let_in, login, private_url, processes_of
from tests.serving import ISP, PASSWORD, PROGRAM, DidNot, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def first() -> Iterator[Turnpike]:
    with turnpike_process(ISP) as one:
        yield one


def refused(turnpike: Turnpike, *arguments: str, **settings: str) -> tuple[int, str]:
    """Exit status and standard error of a start that must not succeed."""
    environment = {
        **turnpike.environment,
        **{f"TURNPIKE_{name}": value for name, value in settings.items()},
    }
    done = subprocess.run(
        [str(PROGRAM), "serve", *arguments],
        env=environment,
        cwd=turnpike.data_dir.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "ready" not in done.stdout
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


def test_two_instances_side_by_side_know_nothing_of_each_other(first: Turnpike) -> None:
    with turnpike_process(
        {**ISP, "subscriber": [{"username": "bob", "password": PASSWORD, "plan": "home"}]}
    ) as second:
        for one, known, unknown in ((first, "alice", "bob"), (second, "bob", "alice")):
            with flows(one) as many:
                assert many.all_hear(ACCESS_ACCEPT, known)
            assert not is_let_in(one, unknown)
        assert "bob" not in first.command("subscriber", "list")
    assert is_let_in(first)


def test_the_same_data_directory_is_refused(first: Turnpike) -> None:
    status, said = refused(first, RADIUS__AUTH_PORT="0", RADIUS__ACCT_PORT="0", WEB__PORT="0")
    assert status == 4
    assert said == (
        f"turnpike: another turnpike serves from {first.data_dir}: stop it, or set data_dir\n"
    )
    assert is_let_in(first)


@pytest.mark.parametrize("port", ["auth", "acct", "web"])
def test_a_port_of_another_instance_is_refused_and_nothing_is_started(
    first: Turnpike, port: str
) -> None:
    with turnpike_process(serve=False) as second:
        ports = {"auth": 0, "acct": 0, "web": 0, port: first.ports[port]}
        status, said = refused(replace(second, ports=ports))
        setting = "web.port" if port == "web" else f"radius.{port}_port"
        assert status == 1
        assert said == (
            f"turnpike: cannot listen on 127.0.0.1 port {first.ports[port]}: "
            f"another program listens there: stop it, or set {setting}\n"
        )
        assert not second.paths.postgres.exists()
    with flows(first) as many:
        assert many.all_hear(ACCESS_ACCEPT)


@pytest.mark.parametrize(
    ("place", "why"), [("file/var", "Not a directory"), ("file", "File exists")]
)
def test_a_data_directory_that_cannot_be_had_is_refused(
    tmp_path: Path, place: str, why: str
) -> None:
    (tmp_path / "file").write_text("")
    status, said = refused(Turnpike(tmp_path / "var"), DATA_DIR=str(tmp_path / place))
    assert status == 2
    assert said == f"turnpike: {tmp_path / place}: {why}\n"


def test_a_login_role_serves_no_web_and_a_web_role_no_logins(fresh_database_url: str) -> None:
    with turnpike_process(serve=False, DATABASE_URL=fresh_database_url) as node:
        ready = lone_start(node, "login")
        assert list(ready) == ["auth", "acct"]
        node.ports = {**ready, "web": 0}
        assert [role for role in roles(node) if role == "web"] == []
        node.command("apply", "-", stdin=json.dumps(ISP))
        eventually(lambda: is_let_in(node), 5.0)
        key = str(node.data_dir / "turnpike.key")
        with turnpike_process(serve=False, DATABASE_URL=fresh_database_url, KEY_FILE=key) as panel:
            ready = lone_start(panel, "web")
            assert list(ready) == ["web"]
            assert roles(panel) == ["web"]
            assert get_status(f"http://127.0.0.1:{ready['web']}/healthz") == 200
        assert login(node) == ACCESS_ACCEPT


def test_a_jobs_role_has_a_directory_of_its_own_and_takes_no_addresses(
    fresh_database_url: str,
) -> None:
    with turnpike_process(serve=False, DATABASE_URL=fresh_database_url) as node:
        lone_start(node, "login")
        node.command("apply", "-", stdin=json.dumps(ISP))
        key = str(node.data_dir / "turnpike.key")
        with turnpike_process(serve=False, DATABASE_URL=fresh_database_url, KEY_FILE=key) as jobs:
            assert lone_start(jobs, "jobs") == {}
            assert roles(jobs) == ["jobs", "replicator"]
            eventually(lambda: (jobs.paths.status / "enforcement.json").exists(), 10.0)
            assert not (jobs.paths.addresses / "data.mdb").exists()


def lone_start(turnpike: Turnpike, role: str) -> dict[str, int]:
    """Start one role and wait for its ready line, which names only what it serves."""
    turnpike.launch("--role", role)
    eventually(lambda: "\nready " in "\n" + turnpike.log, 30.0, lambda: turnpike.log)
    (line,) = [line for line in turnpike.log.splitlines() if line.startswith("ready ")]
    return {
        name: int(place.rpartition(":")[2])
        for name, _, place in (part.partition("=") for part in line.split()[1:])
    }


def roles(turnpike: Turnpike) -> list[str]:
    return sorted(
        command.split("app.children ")[1].split()[0]
        for command in processes_of(turnpike).values()
        if "app.children" in command
    )


def get_status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        return error.code


def test_another_directory_has_not_the_key_and_is_refused_before_it_spoils_anything(
    first: Turnpike,
) -> None:
    """It once sealed every password with a key that no node has."""
    with turnpike_process(serve=False, DATABASE_URL=private_url(first)) as second:
        second.data_dir.mkdir()
        key = second.data_dir / "turnpike.key"
        with pytest.raises(DidNot, match=r"key_file.*there is no key file: set key_file"):
            second.apply(ISP)
        status, said = refused(second)
        assert status == 2
        assert "turnpike: key_file" in said
        assert not key.exists()
        key.write_bytes(bytes(32))
        key.chmod(0o600)
        with pytest.raises(DidNot, match=r"key_file.*this is another key than the database's"):
            second.apply(ISP)
        assert refused(second)[0] == 2
    assert is_let_in(first)
    first.apply(ISP)
    assert is_let_in(first)
