"""What is known about attributes: number, name, type, flags, and the names of values.

Data only.  How a type looks on the wire is the codec's business; this says nothing about it.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from types import MappingProxyType
from typing import Final, Literal, get_args

Type = Literal[
    "string",  # UTF-8 text
    "octets",
    "abinary",
    "byte",
    "short",
    "integer",
    "signed",
    "integer64",
    "date",
    "ipaddr",
    "ipv6addr",
    "ipv6prefix",
    "ifid",
    "ether",
    "tlv",
    # The containers of RFC 6929; only what lies in them has a value.
    "extended",
    "long-extended",
    "evs",
]
TYPES: Final = frozenset(get_args(Type))
CONTAINERS: Final = frozenset(("extended", "long-extended", "evs"))

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """One attribute.

    `path` is its number with all that is around it on the wire: ``(1,)`` User-Name,
    ``(26, 14988, 8)`` Mikrotik-Rate-Limit, ``(26, 17713, 158, 1)`` within a TLV,
    ``(241, 1)`` extended, ``(245, 26, 9, 1)`` a vendor's own long extended one.
    """

    name: str
    path: Path
    type: Type
    has_tag: bool = False  # RFC 2868 §3
    encrypt: Literal[0, 1, 2] = 0  # 1 as User-Password (RFC 2865 §5.2), 2 with salt (RFC 2868 §3.5)
    concat: bool = False  # a long value is split over consecutive attributes
    value_of: Mapping[str, int] = field(default_factory=dict)
    name_of: Mapping[int, str] = field(default_factory=dict)
    children: Mapping[int, "Definition"] = field(default_factory=dict)  # of a TLV

    @property
    def number(self) -> int:
        return self.path[-1]

    @property
    def vendor(self) -> int | None:
        """The vendor's id, for what a vendor defined."""
        at = 1 if self.path[0] == 26 else 2
        return self.path[at] if len(self.path) > at and self.path[at - 1] == 26 else None

    @property
    def dotted(self) -> str:
        return ".".join(map(str, self.path))


class Dictionary:
    """All definitions, found by name or by number."""

    def __init__(self, definitions: Iterable[Definition], vendors: Mapping[str, int]) -> None:
        self._by_name = {definition.name: definition for definition in definitions}
        self._by_path = {definition.path: definition for definition in self._by_name.values()}
        self._standard = {d.number: d for d in self._by_name.values() if len(d.path) == 1}
        self.vendors = MappingProxyType(dict(vendors))

    def __iter__(self) -> Iterator[Definition]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def named(self, name: str) -> Definition | None:
        """By its exact name."""
        return self._by_name.get(name)

    def similar(self, name: str) -> list[str]:
        """Names that a person may have meant, the nearest first."""
        folded = {known.lower(): known for known in self._by_name}
        return [folded[near] for near in get_close_matches(name.lower(), folded, 3, 0.75)]

    def at(self, path: Path) -> Definition | None:
        """By its full number."""
        return self._by_path.get(path)

    def standard(self, number: int) -> Definition | None:
        """By type octet."""
        return self._standard.get(number)

    def of_vendor(self, vendor: int, number: int) -> Definition | None:
        """By vendor id and the vendor's own number."""
        return self._by_path.get((26, vendor, number))

    def extended(self, number: int, extended_type: int) -> Definition | None:
        """By type octet (241 to 246) and Extended-Type (RFC 6929 §2)."""
        return self._by_path.get((number, extended_type))
