"""What README.md and ARCHITECTURE.md say is there is there: a newcomer tries it line by line."""

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command

from app.cli import application
from app.manifest import parse
from app.manifest_file import reply_check
from core.config import Settings
from core.config_sources import from_environment
from dictionaries.loader import load as load_dictionary

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "ARCHITECTURE.md", "deploy/README.md")
README = (ROOT / "README.md").read_text()
PATH = re.compile(r"`((?:app|web|billing|aaa|accounting|nas_adapters|core|dictionaries)/[\w./]*)`")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    file = ROOT / document
    links = re.findall(r"\]\(([^)#:]+)\)", file.read_text())
    assert [link for link in links if not (file.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_named_modules_exist(document: str) -> None:
    named = PATH.findall((ROOT / document).read_text())
    gone = [
        name for name in named if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()
    ]
    assert gone == []


def test_every_make_target_that_is_named_can_be_made() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):", (ROOT / "Makefile").read_text()))
    named = {
        target
        for document in DOCUMENTS
        for target in re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / document).read_text(), re.M)
    }
    assert {"run", "check", "test", "bench"} <= named <= targets


def test_the_commands_in_the_table_are_those_that_there_are() -> None:
    told = re.findall(r"(?m)^\| `turnpike ([\w-]+)` \| (.*) \|$", README)
    groups = get_command(application()).commands  # type: ignore[attr-defined]  # a click.Group
    assert sorted(name for name, _ in told) == sorted(groups)
    for name, text in told:
        if (verbs := getattr(groups[name], "commands", None)) is not None:
            assert set(re.findall(r"`([\w-]+)`", text)) == set(verbs)


def test_the_examples_are_files_that_apply_takes() -> None:
    files = [
        parse(tomllib.loads(example), reply_check(load_dictionary()))
        for example in re.findall(r"(?s)```toml\n(.*?)```", README)
    ]
    assert [
        (len(one.nases), len(one.pools), len(one.plans), len(one.subscribers)) for one in files
    ] == [(1, 0, 1, 1), (0, 0, 0, 2), (0, 2, 1, 0)]


def test_the_environment_variables_are_understood() -> None:
    rows = re.findall(r"(?m)^\| `(TURNPIKE_\w+)` \| `(\w+)`.*\| `?([^|`]+)`? \|$", README)
    assert len(rows) >= 7
    for variable, name, default in rows:
        assert variable.lower().endswith(name)
        value = default if "one a core" not in default else "0"
        assert from_environment(Settings, {variable: value.strip()})
