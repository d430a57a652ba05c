"""The command line as other programs call it: words in, lines and exit status out."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.cli import main
from app.demo import DOCUMENT


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str


Turnpike = Callable[..., Done]

ISP = """
tenant = "demo-isp"
[[nas]]
name = "bras-1"
address = "192.0.2.1"
secret = "nas-s3cret"
coa_port = 1700
coa_secret = "coa-s3cret"
swap_octets = true
line_rate = "1G"
[[plan]]
code = "home-50"
download = "50M"
[[subscriber]]
username = "alice"
password = "alices-s3cret"
plan = "home-50"
when_suspended = "walled_garden"
bind_nas = ["bras-1"]
bind_mac = ["02-00-5E-10-00-01"]
expires_at = 2027-01-01T00:00:00Z
quota_anchor = 2026-01-31
"""


@pytest.fixture
def caller(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Turnpike]:
    """Makes command lines with these variables, which run in this process: that is quicker."""

    def make(**environ: str) -> Turnpike:
        for name in [n for n in os.environ if n.startswith("TURNPIKE_") or n == "DATABASE_URL"]:
            monkeypatch.delenv(name)
        for name, value in environ.items():
            monkeypatch.setenv(name, value)

        def turnpike(*arguments: str, stdin: str = "") -> Done:
            monkeypatch.setattr(sys, "argv", ["turnpike", *arguments])
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            with pytest.raises(SystemExit) as ended:
                main()
            said = capsys.readouterr()
            status = ended.value.code
            assert status is None or isinstance(status, int)
            return Done(status or 0, said.out, said.err)

        return turnpike

    return make


@pytest.fixture
def turnpike(caller: Callable[..., Turnpike], fresh_database_url: str, tmp_path: Path) -> Turnpike:
    """The command line of an instance with a database of its own and the tenant demo-isp."""
    return caller(TURNPIKE_DATABASE_URL=fresh_database_url, TURNPIKE_DATA_DIR=str(tmp_path / "var"))


def told(done: Done) -> str:
    assert (done.status, done.stderr) == (0, "")
    return done.stdout


def as_json(done: Done) -> Any:
    return json.loads(told(done))


def test_apply_tells_the_difference_once(turnpike: Turnpike, tmp_path: Path) -> None:
    file = tmp_path / "isp.toml"
    file.write_text(ISP)
    lines = "+ nas bras-1\n+ plan home-50\n+ subscriber alice\ntenant demo-isp: 3 added, 0 changed"
    dry = told(turnpike("apply", str(file), "--dry-run"))
    assert dry == f"{lines}; nothing was written (--dry-run)\n"
    assert told(turnpike("apply", str(file))) == f"{lines}\n"
    assert told(turnpike("apply", "-", stdin=ISP)) == "tenant demo-isp: nothing to change\n"


def test_what_was_applied_is_listed_and_no_secret_with_it(turnpike: Turnpike) -> None:
    told(turnpike("apply", "-", stdin=ISP))
    [nas] = as_json(turnpike("nas", "list", "--json"))
    assert nas == {
        "name": "bras-1",
        "address": "192.0.2.1/32",
        "identifier": None,
        "vendor": "generic",
        "require_message_authenticator": True,
        "coa_port": 1700,
        "has_coa_secret": True,
        "swap_octets": True,
        "line_rate": "1G",
        "octet_unit": "octet",
        "line_patterns": {},
        "name_templates": {},
        "unknown_devices": "reject",
    }
    [subscriber] = as_json(turnpike("subscriber", "list", "--json", "--tenant", "demo-isp"))
    assert subscriber["username"] == "alice"
    assert subscriber["bind_mac"] == ["02:00:5e:10:00:01"]
    assert subscriber["expires_at"] == "2027-01-01T00:00:00.000Z"
    hers = as_json(turnpike("subscriber", "show", "alice", "--json"))
    assert (hers["plan"], hers["quota_anchor"]) == ("home-50", "2026-01-31")
    shown = told(turnpike("nas", "show", "bras-1")) + told(turnpike("subscriber", "show", "alice"))
    assert "s3cret" not in shown
    assert as_json(turnpike("decision", "list", "--json", "--limit", "5")) == []


@pytest.mark.slow
def test_a_listing_shows_fifty_at_once_unless_asked_for_more(turnpike: Turnpike) -> None:
    names = [f"s{n:04}" for n in range(1_001)]
    people = [{"username": name, "password": "s3cret", "plan": "home-50"} for name in names]
    told(turnpike("apply", "-", stdin=ISP))
    told(turnpike("apply", "-", stdin=json.dumps({"subscriber": people})))

    def listed(*options: str) -> list[str]:
        found = as_json(turnpike("subscriber", "list", "--prefix", "s", "--json", *options))
        return [one["username"] for one in found]

    assert listed() == names[:50]
    assert listed("--after", "s0049") == names[50:100]
    assert listed("--limit", "0") == names
    assert listed("--limit", "1000") == names[:1000]
    note = "more than 1000: add --after s0999, or --limit 0 for all\n"
    assert turnpike("subscriber", "list", "--prefix", "s", "--limit", "1000").stderr == note


def test_people_get_aligned_columns_without_colours(turnpike: Turnpike) -> None:
    told(turnpike("apply", "-", stdin=ISP))
    header, line = told(turnpike("nas", "list")).splitlines()
    assert header.index("ADDRESS") == line.index("192.0.2.1/32")
    assert "\x1b" not in told(turnpike("--help"))


def test_a_subscriber_is_suspended_resumed_and_removed(turnpike: Turnpike) -> None:
    told(turnpike("apply", "-", stdin=ISP))
    assert told(turnpike("subscriber", "suspend", "alice", "--reason", "moved away")) == (
        "alice: suspended (walled_garden)\n"
    )
    shown = as_json(turnpike("subscriber", "show", "alice", "--json"))
    assert shown["status"] == "suspended"
    assert [(hold["source"], hold["reason"]) for hold in shown["holds"]] == [
        ("staff", "moved away")
    ]
    assert told(turnpike("subscriber", "resume", "alice")) == "alice: resumed\n"
    assert told(turnpike("subscriber", "resume", "alice")) == "alice: there was no hold of staff\n"
    bound = turnpike("nas", "remove", "bras-1")
    assert (bound.status, "subscribers are bound" in bound.stderr) == (4, True)
    assert told(turnpike("subscriber", "remove", "alice")) == "- subscriber alice\n"
    assert told(turnpike("nas", "remove", "bras-1")) == "- nas bras-1\n"
    assert as_json(turnpike("nas", "list", "--json")) == []


def test_refusals_have_a_line_and_an_exit_status(turnpike: Turnpike, tmp_path: Path) -> None:
    wrong = turnpike("apply", "-", stdin='[[subscriber]]\nusername = "a"\npasword = "x"\n')
    assert wrong.status == 2
    assert wrong.stderr.startswith("turnpike: -: subscriber[0].pasword (a): unknown key (did you")
    unknown = turnpike("subscriber", "show", "nobody")
    assert (unknown.status, unknown.stderr) == (3, "turnpike: there is no subscriber nobody\n")
    assert turnpike("nas", "show", "nothing").status == 3
    assert turnpike("apply", str(tmp_path / "gone.toml")).status == 2


def test_several_tenants_must_be_told_apart(turnpike: Turnpike) -> None:
    told(turnpike("apply", "-", stdin='tenant = "second-isp"'))
    several = turnpike("nas", "list")
    assert several.status == 2
    assert "choose one with --tenant: demo-isp, second-isp" in several.stderr
    assert as_json(turnpike("nas", "list", "--json", "--tenant", "second-isp")) == []
    missing = turnpike("nas", "list", "--tenant", "third-isp")
    assert missing.status == 3
    assert "there are demo-isp, second-isp" in missing.stderr


def test_the_schema_is_told_and_brought_up(
    caller: Callable[..., Turnpike], empty_database_url: str, tmp_path: Path
) -> None:
    turnpike = caller(
        TURNPIKE_DATABASE_URL=empty_database_url, TURNPIKE_DATA_DIR=str(tmp_path / "var")
    )
    assert as_json(turnpike("db", "status", "--json"))["state"] == "older"
    assert "run turnpike db upgrade" in turnpike("nas", "list").stderr
    assert told(turnpike("db", "upgrade")).startswith("schema none -> ")
    assert told(turnpike("db", "upgrade")).endswith("nothing to do\n")
    assert as_json(turnpike("db", "status", "--json"))["state"] == "current"
    none = turnpike("nas", "list")
    assert (none.status, "there is no tenant yet" in none.stderr) == (3, True)


def test_a_wrong_setting_stops_every_command(
    caller: Callable[..., Turnpike], tmp_path: Path
) -> None:
    wrong = caller(TURNPIKE_WEBB__PORT="1")("nas", "list")
    assert wrong.status == 2
    assert "TURNPIKE_WEBB__PORT is no setting (did you mean TURNPIKE_WEB__PORT?)" in wrong.stderr


def test_where_no_instance_is_a_question_makes_none(
    caller: Callable[..., Turnpike], tmp_path: Path
) -> None:
    done = caller()("nas", "list", "--data-dir", str(tmp_path / "typo"))
    assert done.status == 3
    assert "there is no instance in" in done.stderr
    assert not (tmp_path / "typo").exists()


def test_a_database_that_is_away_is_told_in_one_line(
    caller: Callable[..., Turnpike], tmp_path: Path
) -> None:
    turnpike = caller(TURNPIKE_DATABASE_URL="postgresql://isp:s3cret@127.0.0.1:1/none")
    done = turnpike("nas", "list", "--data-dir", str(tmp_path))
    assert done.status == 1
    assert done.stderr.startswith("turnpike: no connection to the database 127.0.0.1:1/none: Conn")
    assert done.stderr.endswith("; see that it runs, or name another with DATABASE_URL\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_database_that_hangs_is_told_in_one_line(
    caller: Callable[..., Turnpike], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://isp:s3cret@127.0.0.1:{silent.getsockname()[1]}/isp"
        done = caller(TURNPIKE_DATABASE_URL=url)("nas", "list", "--data-dir", str(tmp_path))
    assert done.status == 1
    assert "/isp: no answer within 10 s; see that it runs" in done.stderr
    assert "s3cret" not in done.stderr


def test_the_version_says_whether_it_is_compiled() -> None:
    version = subprocess.check_output([sys.executable, "-m", "app", "version"], text=True)
    assert version.startswith("turnpike 0.")
    assert version.endswith(("(compiled)\n", "(pure Python)\n"))


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that the user whom PostgreSQL runs as may enter; pytest's own is closed."""
    directory = Path(tempfile.mkdtemp(prefix="turnpike-cli-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.mark.slow
def test_without_a_database_a_command_brings_its_own(
    caller: Callable[..., Turnpike], open_directory: Path
) -> None:
    turnpike = caller(TURNPIKE_DATA_DIR=str(open_directory / "var"))
    demo = json.dumps(DOCUMENT)
    assert "tenant demo-isp: 25 added, 0 changed\n" in told(turnpike("apply", "-", stdin=demo))
    assert told(turnpike("apply", "-", stdin=demo)) == "tenant demo-isp: nothing to change\n"
    assert (open_directory / "var" / "turnpike.key").stat().st_mode & 0o777 == 0o600
    assert len(as_json(turnpike("subscriber", "list", "--json"))) == 20
    pid = open_directory / "var" / "postgres" / "data" / "postmaster.pid"
    assert not pid.exists(), "the last one out stops it"
