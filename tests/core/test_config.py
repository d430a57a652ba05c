from pathlib import Path

import pytest
from pydantic import ValidationError

from core.config import Settings, load
from core.errors import Invalid

DATABASE = "postgresql://turnpike:hunter2@db.example/turnpike"


def toml(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "turnpike.toml"
    path.write_text(text)
    return path


def refusal(tmp_path: Path, text: str = "", **environ: str) -> str:
    with pytest.raises(Invalid) as caught:
        load(toml(tmp_path, text), environ=environ)
    return str(caught.value)


def test_without_any_source_the_defaults_are_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = load(environ={})
    assert settings.data_dir == tmp_path / "var"
    assert settings.key_path == tmp_path / "var" / "turnpike.key"
    assert (settings.radius.auth_port, settings.radius.acct_port) == (1812, 1813)
    assert settings.web.port == 8080
    assert settings.database_url is None


def test_the_command_line_beats_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    file = toml(tmp_path, "[radius]\nauth_port = 1\nacct_port = 1\nworkers = 1\n")
    environ = {"TURNPIKE_RADIUS__AUTH_PORT": "2", "TURNPIKE_RADIUS__ACCT_PORT": "2"}
    overrides = {"data_dir": None, "radius": {"auth_port": 3, "workers": None}}
    radius = load(file, overrides, environ=environ).radius
    assert (radius.auth_port, radius.acct_port, radius.workers) == (3, 2, 1)


def test_a_file_in_the_working_directory_or_named_by_the_environment_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    toml(tmp_path, "web.port = 81")
    assert load(environ={}).web.port == 81
    other = tmp_path / "other.toml"
    other.write_text("web.port = 82")
    assert load(environ={"TURNPIKE_CONFIG": str(other)}).web.port == 82


def test_our_own_database_variable_wins_over_the_common_one(tmp_path: Path) -> None:
    common = {"DATABASE_URL": DATABASE}
    assert load(toml(tmp_path, ""), environ=common).database_url == DATABASE
    both = common | {"TURNPIKE_DATABASE_URL": "postgresql:///own"}
    assert load(toml(tmp_path, ""), environ=both).database_url == "postgresql:///own"


def test_an_empty_variable_says_nothing(tmp_path: Path) -> None:
    settings = load(toml(tmp_path, ""), environ={"TURNPIKE_WEB__PORT": "", "DATABASE_URL": ""})
    assert settings.web.port == 8080
    assert settings.database_url is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "radius.auht_port = 1",
            "turnpike.toml: radius.auht_port is no setting (did you mean auth_port?)",
            id="a typing mistake in a table",
        ),
        pytest.param("raduis = 1", "(did you mean radius?)", id="a typing mistake at the top"),
        pytest.param("xyzzy = 1", "xyzzy is no setting; remove", id="nothing like it"),
        pytest.param(
            "radius.auth_port = 70000", "radius.auth_port = 70000: Input should be less", id="bound"
        ),
        pytest.param("radius.auth_port = 'x'", "radius.auth_port = 'x': ", id="wrong type"),
        pytest.param("radius.host = 'bras'", "write one such as 127.0.0.1", id="a host name"),
        pytest.param(
            "radius.duplicate_lifetime_s = 31", "duplicate_lifetime_s = 31", id="RFC 5080"
        ),
        pytest.param("policy.guess_lock_s = 61", "policy.guess_lock_s = 61", id="locked too long"),
        pytest.param("log.format = 'xml'", "log.format = 'xml'", id="a choice"),
        pytest.param("policy.walled_garden.upload = '1Mbit'", "write a rate as 50M", id="a rate"),
        pytest.param(
            f"policy.walled_garden.filter_id = '{'ä' * 101}'", "write 1 to 200 octets", id="a name"
        ),
        pytest.param("radius = 5", "radius = 5", id="a value where a table belongs"),
        pytest.param("a = ", "turnpike.toml is not TOML: ", id="no TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_key_value_and_remedy(
    tmp_path: Path, text: str, expected: str
) -> None:
    assert expected in refusal(tmp_path, text)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    told = refusal(tmp_path, "web.port = -1\nweb.hots = 'x'", TURNPIKE_RADIUS__WORKERS="many")
    assert "turnpike.toml: web.port = -1" in told
    assert "turnpike.toml: web.hots is no setting (did you mean host?)" in told
    assert "environment: TURNPIKE_RADIUS__WORKERS = 'many'" in told


def test_an_unknown_variable_is_refused(tmp_path: Path) -> None:
    told = refusal(tmp_path, TURNPIKE_RADIUS_AUTH_PORT="1812")
    assert "TURNPIKE_RADIUS_AUTH_PORT is no setting" in told
    assert "did you mean TURNPIKE_RADIUS__AUTH_PORT?" in told


def test_a_wrong_database_url_is_refused_without_being_shown(tmp_path: Path) -> None:
    told = refusal(tmp_path, DATABASE_URL="mysql://root:hunter2@db/x")
    assert told.startswith("environment: DATABASE_URL = …: not a PostgreSQL URL")
    assert "hunter2" not in told


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match=r"gone.toml cannot be read \(No such file"):
        load(tmp_path / "gone.toml", environ={})


def test_settings_are_frozen_and_hide_the_database_password(tmp_path: Path) -> None:
    settings = load(toml(tmp_path, ""), environ={"DATABASE_URL": DATABASE})
    assert "hunter2" not in repr(settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.web.port = 1


def test_every_default_keeps_its_own_bounds() -> None:
    assert Settings.model_validate(Settings().model_dump()) == Settings()
