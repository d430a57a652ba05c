"""Properties of the source itself, checked like any other (after TigerBeetle's tidy.zig)."""

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ["app", "web", "billing", "aaa", "accounting", "nas_adapters", "core", "dictionaries"]
LINES_PER_FILE_MAX = 400
LINES_PER_FUNCTION_MAX = 70

SOURCES = sorted(
    path
    for package in PACKAGES
    for path in (ROOT / package).rglob("*.py")
    if path.name != "__init__.py" and "versions" not in path.parts
)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_source_is_tidy(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "say in one sentence what this module is for"
    assert text.count("\n") <= LINES_PER_FILE_MAX, "one file, one idea: split it"
    for function in functions(tree):
        length = (function.end_lineno or 0) - function.lineno + 1
        assert length <= LINES_PER_FUNCTION_MAX, f"{function.name} does not fit a screen"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_clock_asks_for_the_time(path: Path) -> None:
    if path.name == "clock.py":
        return
    text = path.read_text()
    for call in ("datetime.now(", "time.time(", "time.monotonic(", "datetime.utcnow("):
        assert call not in text, f"take `now` as an argument instead of calling {call})"


OURS = sorted(
    path
    for folder in (*PACKAGES, "tests", "bench", "deploy")
    for path in (ROOT / folder).rglob("*")
    if path.suffix in (".py", ".c", ".h", ".toml", ".md") and "out" not in path.parts
)
LEFT_UNDONE = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def test_nothing_is_left_for_later_in_the_source() -> None:
    marked = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in OURS
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if LEFT_UNDONE.search(line)
    ]
    assert marked == [], "do it, or open an issue that says what and why"


def test_an_installation_has_every_package() -> None:
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
    }
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    assert set(declared["packages"]) == packages, "pyproject.toml lists what is installed"
