"""What is installed elsewhere is checked here: nothing in deploy/ may name what is not there."""

import configparser
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest

from core.config import Settings, load
from core.config_sources import from_environment, paths

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "turnpike.service"
EXAMPLE = DEPLOY / "turnpike.toml"
DOCKERFILE = DEPLOY / "Dockerfile"
DATA_DIR = "/var/lib/turnpike"
REQUIREMENTS = "requirements.txt"
WITHOUT_DEFAULT = {
    "database_url",
    "key_file",
    "database.bin_dir",
    "policy.walled_garden.address_pool",
    "policy.walled_garden.redirect_url",
}


# --- the example of a configuration


def uncommented(text: str) -> str:
    return re.sub(r"(?m)^#(?=\w+ = )", "", text)


def test_the_example_configuration_is_in_force_as_it_stands() -> None:
    settings = load(EXAMPLE, environ={})
    assert settings == Settings(data_dir=Path(DATA_DIR))


def test_every_setting_is_in_the_example_with_its_default(tmp_path: Path) -> None:
    complete = tmp_path / "turnpike.toml"
    complete.write_text(uncommented(EXAMPLE.read_text()))
    assert said(tomllib.loads(complete.read_text())) == {".".join(path) for path in paths(Settings)}
    shown, defaults = load(complete, environ={}), Settings(data_dir=Path(DATA_DIR))
    different = {
        ".".join(path) for path in paths(Settings) if at(shown, path) != at(defaults, path)
    }
    assert different == WITHOUT_DEFAULT


def said(table: Mapping[str, object], prefix: str = "") -> set[str]:
    names: set[str] = set()
    for name, value in table.items():
        names |= said(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return names


def at(settings: object, path: tuple[str, ...]) -> object:
    for part in path:
        settings = getattr(settings, part)
    return settings


# --- the systemd unit


class UnitFile(configparser.RawConfigParser):
    """systemd's syntax is an INI file whose keys keep their case."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit() -> UnitFile:
    parser = UnitFile(delimiters=("=",), comment_prefixes=("#",), strict=True)
    parser.read_string(UNIT.read_text())
    return parser


def test_the_unit_starts_the_console_script_with_the_installed_example() -> None:
    service = unit()["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert Path(program).name in scripts
    assert arguments == ["serve", "--config", "/etc/turnpike/turnpike.toml"]
    readme = (DEPLOY / "README.md").read_text()
    assert f"python3 -m venv {Path(program).parents[1]}\n" in readme
    assert f"deploy/turnpike.toml {arguments[-1]}\n" in readme
    documentation = unit()["Unit"]["Documentation"].removeprefix("file:")
    assert f"README.md {documentation}\n" in readme


def test_the_unit_can_write_where_the_example_keeps_its_data() -> None:
    service = unit()["Service"]
    assert f"/var/lib/{service['StateDirectory']}" == str(load(EXAMPLE, environ={}).data_dir)
    assert service["ProtectSystem"] == "strict"


def test_the_unit_needs_no_root_and_never_gives_up() -> None:
    sections = unit()
    service = sections["Service"]
    assert service["User"] == "turnpike"
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ""
    radius = Settings().radius
    assert min(radius.auth_port, radius.acct_port, Settings().web.port) >= 1024
    assert (service["Restart"], sections["Unit"]["StartLimitIntervalSec"]) == ("always", "0")
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert (service["KillMode"], service["KillSignal"]) == ("mixed", "SIGTERM")


def systemd_analyze(*arguments: str) -> str:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed: the unit's directives are not checked here")
    done = subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit with programs that exist on this machine."""
    text = re.sub(r"(?m)^ExecStart=.*", "ExecStart=/bin/true", UNIT.read_text())
    installed = tmp_path / UNIT.name
    installed.write_text(text)
    return installed


def test_systemd_knows_every_directive_of_the_unit(installed_unit: Path) -> None:
    # It complains of the machine's other units as well; only ours count.
    complaints = systemd_analyze("verify", "--man=no", str(installed_unit)).splitlines()
    assert [line for line in complaints if str(installed_unit) in line] == []


def test_systemd_finds_little_to_object_to_in_how_the_unit_is_confined(
    installed_unit: Path,
) -> None:
    report = systemd_analyze("security", "--no-pager", "--offline=true", str(installed_unit))
    exposure = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report)
    assert exposure is not None
    assert float(exposure[1]) <= 2.0


# --- the Dockerfile

KEYWORDS = {
    "FROM", "ENV", "RUN", "WORKDIR", "COPY", "USER", "VOLUME", "EXPOSE",
    "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD",
}  # fmt: skip


def instructions() -> list[tuple[str, str]]:
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (key, rest) for key, _, rest in (line.partition(" ") for line in joined.splitlines()) if key
    ]


def arguments_of(keyword: str) -> list[str]:
    return [rest for key, rest in instructions() if key == keyword]


def test_the_dockerfile_has_known_instructions_and_begins_with_an_image() -> None:
    keywords = [key for key, _ in instructions()]
    assert keywords[0] == "FROM"
    assert set(keywords) <= KEYWORDS
    for keyword in ("ENTRYPOINT", "CMD", "STOPSIGNAL", "HEALTHCHECK", "VOLUME"):
        assert keywords.count(keyword) == 1


def test_the_dockerfile_names_no_registry_and_no_index() -> None:
    assert {image.split()[0] for image in arguments_of("FROM")} == {"python:3.11-slim"}
    text = DOCKERFILE.read_text()
    assert "index-url" not in text
    urls = re.findall(r"https?://([^/:{\"]+)", text)
    assert urls == ["127.0.0.1"]


def test_everything_the_dockerfile_copies_exists_and_is_let_through() -> None:
    sources = [
        source
        for rest in arguments_of("COPY")
        if not rest.startswith("--from=")
        for source in rest.split()[:-1]
    ]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    ignore = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert sorted(line[1:] for line in ignore if line.startswith("!")) == sorted(sources)


@pytest.mark.parametrize("lock", [REQUIREMENTS, "requirements-test.txt"])
def test_a_lock_names_packages_versions_and_hashes_and_nothing_else(lock: str) -> None:
    lines = (ROOT / lock).read_text().replace("\\\n", "").splitlines()
    assert lines
    for line in lines:
        requirement, *hashes = line.split(" --hash=sha256:")
        assert re.fullmatch(
            r"[a-z0-9-]+==[0-9.]+( ; [a-z_]+ [!=]= '\w+'( and [a-z_]+ [!=]= '\w+')*)?",
            requirement.strip(),
        )
        assert hashes
        assert all(re.fullmatch(r"[0-9a-f]{64}", each.strip()) for each in hashes)


def test_the_environments_of_running_and_testing_agree() -> None:
    pins = {
        lock: {
            line.split(" ")[0] for line in (ROOT / lock).read_text().splitlines() if "==" in line
        }
        for lock in (REQUIREMENTS, "requirements-test.txt")
    }
    assert pins[REQUIREMENTS] < pins["requirements-test.txt"]


def test_the_image_holds_every_package_of_the_project() -> None:
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = {package.partition(".")[0] for package in setuptools["packages"]}
    copied = {rest.split()[0] for rest in arguments_of("COPY")}
    assert packages <= copied


def test_packages_are_installed_by_their_hashes_only() -> None:
    installs = [run for run in arguments_of("RUN") if "pip install" in run]
    assert len(installs) == 2
    assert "--require-hashes -r requirements.txt" in installs[0]
    # The lock brings what builds the project, too.
    assert installs[1].endswith("--no-build-isolation --no-deps .")


def test_the_container_is_not_root_and_writes_to_its_volume() -> None:
    (user,), (volume,) = arguments_of("USER"), arguments_of("VOLUME")
    assert user == "turnpike"
    assert any(
        f"useradd --system --uid 10001 --home-dir {volume}" in run for run in arguments_of("RUN")
    )
    assert environment()["TURNPIKE_DATA_DIR"] == volume == DATA_DIR


def test_the_containers_environment_is_understood_and_its_ports_are_published() -> None:
    from_environment(Settings, environment())
    settings = load(EXAMPLE, environ=environment())
    assert ip_address(settings.web.host).is_unspecified
    assert ip_address(settings.radius.host).is_unspecified
    (exposed,) = arguments_of("EXPOSE")
    radius = settings.radius
    assert exposed.split() == [
        f"{radius.auth_port}/udp",
        f"{radius.acct_port}/udp",
        f"{settings.web.port}/tcp",
    ]


def environment() -> dict[str, str]:
    """Of the image that is run, which is the last one."""
    pairs = shlex.split(arguments_of("ENV")[-1])
    return dict(pair.split("=", 1) for pair in pairs)


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its base names it
        pass


def test_the_health_check_succeeds_while_healthz_answers_and_fails_afterwards() -> None:
    (check,) = arguments_of("HEALTHCHECK")
    program, *arguments = json.loads(check.partition(" CMD ")[2])
    assert program == "python"
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        environ = {"TURNPIKE_WEB__PORT": str(server.server_port)}
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        up = subprocess.run([sys.executable, *arguments], env=environ, timeout=20, check=False)
        server.shutdown()
        serving.join()
    down = subprocess.run(
        [sys.executable, *arguments], env=environ, timeout=20, check=False, capture_output=True
    )
    assert (up.returncode, down.returncode) == (0, 1)
