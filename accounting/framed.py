"""Addresses as accounting keeps them: text that PostgreSQL reads, or empty for nonsense.

Knows their octets on the wire and nothing of sessions.
"""

from contextlib import suppress
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network
from typing import Final

from nas_adapters.mac import normalise

_REMEMBERED: Final = 16_384


def ipv4(octets: bytes) -> str:
    """``198.51.100.7``.  Empty for another size, and for the two values that ask the server
    or the NAS to choose (RFC 2865 §5.8): no subscriber ever has those."""
    if len(octets) != 4 or octets in (b"\xff\xff\xff\xff", b"\xff\xff\xff\xfe"):
        return ""
    return f"{octets[0]}.{octets[1]}.{octets[2]}.{octets[3]}"


@lru_cache(_REMEMBERED)
def ipv6(octets: bytes) -> str:
    """``2001:db8::7``."""
    return str(IPv6Address(octets)) if len(octets) == 16 else ""


@lru_cache(_REMEMBERED)
def ipv6_prefix(octets: bytes) -> str:
    """``2001:db8:7::/48``: reserved, length, and as many octets as the length needs or more
    (RFC 3162 §2.3).  Bits beyond the length are not the prefix's."""
    if not 2 <= len(octets) <= 18 or octets[1] > 128 or (len(octets) - 2) * 8 < octets[1]:
        return ""
    address = octets[2:].ljust(16, b"\0")
    return str(IPv6Network((address, octets[1]), strict=False))


def mac(octets: bytes) -> str:
    """12 hex digits, or empty: a Calling-Station-Id may as well be a telephone number."""
    if len(octets) == 17:  # the notation of nearly all boxes, without the way round
        digits = octets.translate(None, b":-")
        if len(digits) == 12 and octets[2::3] in (b":::::", b"-----") and digits.isalnum():
            with suppress(ValueError):
                return bytes.fromhex(digits.decode("ascii")).hex()
    return normalise(octets) or ""
