"""Framing within an attribute's value: rows of type-length-value, and values in fragments.

RFC 6929 §2.2 lets a long extended attribute go on in the next one of the same type.  Only
lengths are understood here, not what the octets mean.  Bounded: each octet and each
attribute is taken up once.
"""

from typing import NamedTuple

_MORE = 0x80
_FRAGMENT_OCTETS = 251  # 255 without type, length, extended type and flags


class Gathered(NamedTuple):
    """The value that began at one attribute, and where the next begins."""

    extended_type: int
    octets: bytes
    next_at: int
    complete: bool


def split(octets: bytes, at: int = 0) -> list[tuple[int, bytes]] | None:
    """Type-length-value, one after the other; None if the lengths do not add up."""
    end = len(octets)
    row: list[tuple[int, bytes]] = []
    while at + 2 <= end:
        next_at = at + octets[at + 1]
        if next_at < at + 2 or next_at > end:
            return None
        row.append((octets[at], octets[at + 2 : next_at]))
        at = next_at
    return row if row and at == end else None


def fragments(extended_type: int, octets: bytes) -> list[bytes]:
    """A long extended attribute as the values of consecutive attributes."""
    values = []
    for at in range(0, max(len(octets), 1), _FRAGMENT_OCTETS):
        more = _MORE if at + _FRAGMENT_OCTETS < len(octets) else 0
        values.append(bytes((extended_type, more)) + octets[at : at + _FRAGMENT_OCTETS])
    return values


def gather(attributes: list[tuple[int, bytes]], at: int) -> Gathered:
    """The long extended attribute that begins here; its value has at least two octets.

    It is incomplete if a fragment that promises more is not full, or is not followed by
    one of the same type and extended type.
    """
    number, value = attributes[at]
    extended_type = value[0]
    parts = []
    while at < len(attributes):
        next_number, value = attributes[at]
        if next_number != number or len(value) < 2 or value[0] != extended_type:
            break
        at += 1
        parts.append(value[2:])
        if not value[1] & _MORE:
            return Gathered(extended_type, b"".join(parts), at, complete=True)
        if len(parts[-1]) != _FRAGMENT_OCTETS:
            break
    return Gathered(extended_type, b"".join(parts), at, complete=False)
