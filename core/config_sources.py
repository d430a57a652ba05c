"""Where settings come from, how sources are laid over one another, and how a refusal names them.

The environment is read here rather than by pydantic-settings, which passes over unknown
variables and cannot say which source a wrong value came from.  Knows no setting: the
pydantic model that it is given says which there are.
"""

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from core.errors import Invalid

PREFIX: Final = "TURNPIKE_"
CONFIG_VARIABLE: Final = "TURNPIKE_CONFIG"
TEST_PREFIX: Final = "TURNPIKE_TEST_"  # speaks to the tests of Turnpike, not to Turnpike
HIDDEN: Final = frozenset({("database_url",)})  # may hold a password

Table = dict[str, object]
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """One place that settings are said in."""

    label: str
    table: Table
    called: Mapping[Key, str] = field(default_factory=dict)  # names in this source's own words

    def says(self, path: Key) -> bool:
        value: object = self.table
        for part in path:
            if not isinstance(value, dict) or part not in value:
                return False
            value = value[part]
        return True


def from_overrides(overrides: Mapping[str, object]) -> Source:
    """What the command line says; None means "not said"."""
    return Source("command line", _said(overrides))


def from_environment(model: type[BaseModel], environ: Mapping[str, str]) -> Source:
    """What the environment says; an empty variable says nothing.

    Raises:
        Invalid: a variable with our prefix that is no setting.
    """
    known = {variable(path): path for path in paths(model)}
    table: Table = {}
    called: dict[Key, str] = {}
    for name in ["DATABASE_URL", *sorted(environ)]:
        ours = name.startswith(PREFIX) and name != CONFIG_VARIABLE
        ours = ours and not name.startswith(TEST_PREFIX)
        if ours and name not in known:
            raise Invalid(
                f"environment: {name} is no setting"
                f"{did_you_mean(name, [*known, CONFIG_VARIABLE])}; unset it or correct its name",
                field=name,
            )
        if environ.get(name) and (ours or name == "DATABASE_URL"):
            path = known[name] if ours else ("database_url",)
            if ours or path not in called:  # TURNPIKE_DATABASE_URL wins
                _put(table, path, environ[name])
                called[path] = name
    return Source("environment", table, called)


def from_file(path: Path) -> Source:
    """What the TOML file says.

    Raises:
        Invalid: it cannot be read, or is no TOML.
    """
    try:
        with path.open("rb") as file:
            return Source(str(path), tomllib.load(file))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as broken:
        raise Invalid(f"{path} is not TOML: {broken}", field="config") from None
    except OSError as missing:
        raise Invalid(
            f"{path} cannot be read ({missing.strerror}): name another file or leave it out",
            field="config",
        ) from None


def merged(sources: Sequence[Source]) -> Table:
    """The sources as one table; the first one that says something wins."""
    table: Table = {}
    for source in reversed(sources):
        table = _laid_over(table, source.table)
    return table


def explained(model: type[BaseModel], refused: ValidationError, sources: Sequence[Source]) -> str:
    """One line for each mistake: where it was said, the key, the value, and what to do."""
    lines = []
    for error in refused.errors():
        path = tuple(str(part) for part in error["loc"])
        source = next((one for one in sources if one.says(path)), Source("defaults", {}))
        key = source.called.get(path, ".".join(path))
        if error["type"] == "extra_forbidden":
            siblings = [
                other[len(path) - 1]
                for other in paths(model)
                if len(other) >= len(path) and other[: len(path) - 1] == path[:-1]
            ]
            hint = did_you_mean(path[-1], siblings)
            lines.append(f"{source.label}: {key} is no setting{hint}; remove or correct it")
        else:
            shown = "…" if path in HIDDEN else repr(error["input"])
            message = error["msg"].removeprefix("Value error, ")
            lines.append(f"{source.label}: {key} = {shown}: {message}")
    return "\n".join(lines)


def variable(path: Key) -> str:
    """The environment variable that sets the value at `path`."""
    return PREFIX + "__".join(path).upper()


def paths(model: type[BaseModel]) -> Iterator[Key]:
    """The path of every setting that the model has."""
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from ((name, *rest) for rest in paths(info.annotation))
        else:
            yield (name,)


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The clause that helps with a typing mistake, or nothing."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f" (did you mean {close[0]}?)" if close else ""


def _put(table: Table, path: Key, value: object) -> None:
    for part in path[:-1]:
        inner = table.setdefault(part, {})
        assert isinstance(inner, dict)
        table = inner
    table[path[-1]] = value


def _said(overrides: Mapping[str, object]) -> Table:
    said: Table = {}
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            said[key] = _said(value)
        elif value is not None:
            said[key] = value
    return said


def _laid_over(below: Table, above: Table) -> Table:
    table = dict(below)
    for key, value in above.items():
        under = table.get(key)
        both = isinstance(under, dict) and isinstance(value, dict)
        table[key] = _laid_over(under, value) if both else value  # type: ignore[arg-type]
    return table
