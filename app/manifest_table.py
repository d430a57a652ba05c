"""One table of a manifest, read key by key, so that every mistake is named by its path."""

from collections.abc import Callable, Mapping
from datetime import date, time
from typing import TypeVar

from core.config_sources import did_you_mean
from core.errors import Invalid

T = TypeVar("T")
D = TypeVar("D")

SHOWN_MAX = 80


class Table:
    """Hands out values by key.  `name_key` holds what a person calls the entry, if anything:
    in a long file an index alone is hard to find; what is inside an entry goes by its name."""

    def __init__(self, path: str, value: object, name_key: str = "", *, inside: str = "") -> None:
        if not isinstance(value, dict):
            raise Invalid(f"{path}{inside} = {_shown(value)}: write a table of keys", field=path)
        self.path = path
        self._table: Mapping[str, object] = value
        name = value.get(name_key)
        self._name = f" ({_shown_key(name)})" if isinstance(name, str) else inside

    def only(self, *known: str) -> None:
        """Refuse every other key.  First of all: a typing mistake explains what is missing."""
        for key in self._table:
            if key not in known:
                at = self._at(_shown_key(key))
                hint = did_you_mean(key, known)
                raise Invalid(
                    f"{at}{self._name}: unknown key{hint}; remove or correct it", field=at
                )

    def need(self, key: str, parse: Callable[[object], T], *, is_secret: bool = False) -> T:
        """The value under `key`, which must be there."""
        at = self._at(_shown_key(key))
        if key not in self._table:
            raise Invalid(f"{at}{self._name}: missing; add it", field=at)
        value = self._table[key]
        try:
            return parse(value)
        except Invalid as mistake:
            shown = "…" if is_secret else _shown(value)
            raise Invalid(f"{at}{self._name} = {shown}: {mistake}", field=at) from None

    def take(
        self, key: str, parse: Callable[[object], T], default: D, *, is_secret: bool = False
    ) -> T | D:
        """The value under `key`, or `default` if the key is not there."""
        return self.need(key, parse, is_secret=is_secret) if key in self._table else default

    def inner(self, key: str) -> "Table | None":
        """The table under `key`, if there is one."""
        if key not in self._table:
            return None
        return Table(self._at(key), self._table[key], inside=self._name)

    def entry(self, key: str, index: int, value: object) -> "Table":
        """One of the tables in the list under `key`."""
        return Table(f"{self._at(key)}[{index}]", value, inside=self._name)

    def names(self) -> tuple[str, ...]:
        return tuple(self._table)

    def wrong(self, key: str, message: str) -> Invalid:
        """The refusal of a value that does not go with another one."""
        at = self._at(key)
        return Invalid(f"{at}{self._name}: {message}", field=at)

    def _at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def _shown(value: object) -> str:
    text = _written(value)
    return text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}…"


def _written(value: object) -> str:
    """As Python has it, but for dates and times: as the file has them."""
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, list):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {_written(item)}" for key, item in value.items()) + "}"
    return repr(value)


def _shown_key(key: str) -> str:
    return key if key.isprintable() and len(key) <= SHOWN_MAX else _shown(key)
