"""A DHCPv6 client's unique identifier (DUID, RFC 8415 §11) in any notation, as hex digits.

Only the four types that the RFCs define, and only of a length that they can have: any other
row of digits is somebody's name.
"""

import re
from typing import Final

_WRITTEN: Final = re.compile(r"(?:0x)?([0-9a-f]{2}(?:[:.\- ]?[0-9a-f]{2}){5,129})")
DIGITS_MIN: Final = 18
_SEPARATORS: Final = re.compile(r"[:.\- ]")
_HARDWARE_ETHERNET: Final = "0001"

# Type, and how many octets it has with its type (RFC 8415 §11.2 to §11.4, RFC 6355 §4).
# Shorter ones could be, but would pass for MAC addresses and EUI-64 of old makers.
_LENGTHS: Final = {
    "0001": range(12, 131),  # link layer and time
    "0002": range(9, 131),  # enterprise number
    "0003": range(10, 131),  # link layer
    "0004": range(18, 19),  # UUID
}


def normalise(written: str | bytes) -> str | None:
    """`00030001021a2b3c4d5e` for ``00:03:00:01:02:1A:...``, ``0x0003...`` or its octets."""
    if isinstance(written, bytes):
        if written[:1] != b"\0":
            return normalise(written.decode("ascii")) if written.isascii() else None
        digits = written.hex()
    else:
        if not written.lstrip().startswith("0"):
            return None
        match = _WRITTEN.fullmatch(written.strip().lower())
        if match is None:
            return None
        digits = _SEPARATORS.sub("", match[1])
    return digits if len(digits) // 2 in _LENGTHS.get(digits[:4], ()) else None


def mac_in(duid: str) -> str | None:
    """The Ethernet address that a DUID of the types 1 and 3 is made of: 12 hex digits."""
    if duid[4:8] != _HARDWARE_ETHERNET:
        return None
    if duid[:4] == "0003" and len(duid) == 20:
        return duid[8:]
    if duid[:4] == "0001" and len(duid) == 28:
        return duid[16:]
    return None
