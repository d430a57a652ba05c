"""Reads the dictionary files.  The one door through which pyrad enters.

pyrad parses the files of the FreeRADIUS syntax.  What it has no word for, a scan of the
same lines adds: the flag `concat`, TLVs within TLVs, and the extended attributes of
RFC 6929, which have a file of their own.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Literal, cast

from pyrad import dictionary as pyrad

from dictionaries.definitions import TYPES, Definition, Dictionary, Type

FILES = Path(__file__).parent
_INTEGERS = frozenset(("byte", "short", "integer", "signed", "integer64", "date"))
_VENDOR_SPECIFIC = 26


class BadDictionary(ValueError):
    """A dictionary file that cannot be read; `str()` names the file and what is wrong."""


def load(
    path: Path = FILES / "dictionary", extended: Path = FILES / "dictionary.extended"
) -> Dictionary:
    """Every attribute of the files, about a tenth of a second.

    Raises:
        BadDictionary: a file is not in the syntax, or names an unknown type.
    """
    try:
        parsed = pyrad.Dictionary(str(path))
    except pyrad.ParseError as error:
        raise BadDictionary(str(error)) from None
    vendors = {name: parsed.vendors.GetForward(name) for name in parsed.vendors.forward if name}
    entries = {name: _from_pyrad(a, vendors) for name, a in parsed.attributes.items()}
    missing: dict[str, _Entry] = {}
    for file in (path, extended):
        for vendor, tokens in _lines(file):
            try:
                _add(tokens, vendors.get(vendor), entries, missing)
            except (ValueError, IndexError) as error:
                raise BadDictionary(f"{file}: {' '.join(tokens)}: {error}") from None
    return Dictionary(_tree([*entries.values(), *missing.values()]), vendors)


@dataclass(slots=True)
class _Entry:
    """A definition in the making."""

    name: str
    path: tuple[int, ...]
    type: str
    has_tag: bool = False
    encrypt: int = 0
    concat: bool = False
    values: dict[str, int] = field(default_factory=dict)


def _from_pyrad(attribute: pyrad.Attribute, vendors: Mapping[str, int]) -> _Entry:
    codes = (
        (attribute.code,) if attribute.parent is None else (attribute.parent.code, attribute.code)
    )
    entry = _Entry(
        attribute.name,
        (_VENDOR_SPECIFIC, vendors[attribute.vendor], *codes) if attribute.vendor else codes,
        attribute.type,
        attribute.has_tag,
        attribute.encrypt,
    )
    if entry.type in _INTEGERS:
        for name, octets in attribute.values.forward.items():
            entry.values[name] = int.from_bytes(octets, "big", signed=entry.type == "signed")
    return entry


def _lines(path: Path, vendor: str = "") -> Iterator[tuple[str, list[str]]]:
    """The vendor in force and the words of each line, included files in their place."""
    for line in path.read_text(encoding="utf-8").splitlines():
        tokens = line.split("#", 1)[0].split()
        match tokens:
            case ["$INCLUDE", name]:
                yield from _lines(path.parent / name, vendor)
            case ["BEGIN-VENDOR", name, *_]:
                vendor = name
            case ["END-VENDOR", *_]:
                vendor = ""
            case ["ATTRIBUTE" | "VALUE", *_]:
                yield vendor, tokens


def _add(
    tokens: list[str],
    vendor: int | None,
    entries: Mapping[str, _Entry],
    missing: dict[str, _Entry],
) -> None:
    """What this line says beyond what pyrad understood of it."""
    keyword, name = tokens[:2]
    if keyword == "VALUE":
        if name in missing:
            missing[name].values[tokens[2]] = int(tokens[3], 0)
        return
    flags = tokens[4].split(",") if len(tokens) > 4 else []
    if name in entries:
        entries[name].concat = "concat" in flags
        return
    codes = tuple(int(code, 0) for code in tokens[2].split("."))
    octets = codes[:2] + codes[3:] if codes[1:2] == (_VENDOR_SPECIFIC,) else codes
    if not all(0 < octet < 256 for octet in octets):
        raise ValueError("all numbers but a vendor's id are octets")
    missing[name] = _Entry(
        name,
        codes if vendor is None else (_VENDOR_SPECIFIC, vendor, *codes),
        tokens[3],
        "has_tag" in flags,
        next((int(flag[8:]) for flag in flags if flag.startswith("encrypt=")), 0),
        "concat" in flags,
    )


def _tree(entries: list[_Entry]) -> list[Definition]:
    """Definitions, each with its children, which are therefore made first."""
    children: dict[tuple[int, ...], dict[int, Definition]] = {}
    definitions: dict[str, Definition] = {}
    for entry in sorted(entries, key=lambda e: len(e.path), reverse=True):
        if entry.type not in TYPES:
            raise BadDictionary(f"{entry.name}: the codec knows no type {entry.type!r}")
        if entry.encrypt not in (0, 1, 2):
            raise BadDictionary(f"{entry.name}: the codec knows no encrypt={entry.encrypt}")
        definition = Definition(
            entry.name,
            entry.path,
            cast("Type", entry.type),
            entry.has_tag,
            cast("Literal[0, 1, 2]", entry.encrypt),
            entry.concat,
            MappingProxyType(entry.values),
            MappingProxyType({number: name for name, number in reversed(entry.values.items())}),
            MappingProxyType(children.get(entry.path, {})),
        )
        definitions[entry.name] = definition
        children.setdefault(entry.path[:-1], {})[entry.path[-1]] = definition
    return [definitions[entry.name] for entry in entries]
