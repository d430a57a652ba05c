"""The serial number of an ONU in its spellings, brought to one: ``HWTC1A2B3C4D``.

Four letters of the maker and eight hexadecimal digits (ITU-T G.984.3 §9.2.1).  Boxes write it as
that text, as the 16 hexadecimal digits of its eight octets, or as the octets themselves.
Evidence of a line, not its only key: an ONU is swapped, the line stays.
"""

import re
from typing import Final

_WRITTEN: Final = re.compile(r"([A-Za-z]{4})[-: ]?([0-9A-Fa-f]{8})")
_HEXADECIMAL: Final = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{16})")


def normalise(written: str) -> str | None:
    """`HWTC1A2B3C4D` for ``hwtc1a2b3c4d``, ``HWTC-1A2B3C4D``, ``485754431A2B3C4D``; else None.

    A text of twelve hexadecimal digits may be a serial or a MAC address: ask for that first.
    """
    text = written.strip()
    if match := _WRITTEN.fullmatch(text):
        return (match[1] + match[2]).upper()
    if match := _HEXADECIMAL.fullmatch(text):
        return from_octets(bytes.fromhex(match[1]))
    return None


def from_octets(octets: bytes) -> str | None:
    """The serial of eight octets as they are on the fibre; None if they are none."""
    maker = octets[:4]
    if len(octets) != 8 or not maker.isalpha():  # of bytes, `isalpha` means ASCII
        return None
    return maker.decode("ascii").upper() + octets[4:].hex().upper()


def normalise_octets(octets: bytes) -> str | None:
    """The serial that an attribute is, in any of the three; text of eight letters is none."""
    if len(octets) == 8:
        return None if octets.isalnum() else from_octets(octets)
    if not 12 <= len(octets) <= 18 or not octets.isascii():
        return None
    return normalise(octets.decode("ascii"))
