"""One value and its octets, for each type of the dictionaries (RFC 8044 §3).

Knows neither headers nor tags nor secrets.  Text that a person wrote is understood here:
names of enumerated integers, addresses, ``0x…`` for octets.  Encoding says what is wrong
and what to write instead; decoding answers None, because ill-formed values from the
network are daily weather.
"""

import re
import struct
from collections.abc import Callable
from datetime import datetime
from difflib import get_close_matches
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from core.radius.codec_error import CodecError
from dictionaries.definitions import Definition

Scalar = int | str | bytes

_OCTETS = {"byte": 1, "short": 2, "integer": 4, "signed": 4, "date": 4, "integer64": 8}
_DECIMAL = re.compile(r"-?[0-9]{1,20}")
_ETHER = re.compile(r"[0-9a-fA-F]{2}([:-]?[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}")
_GROUPS = struct.Struct("!8H").unpack
_ZEROS = re.compile(r"(?:^|:)0(?::0)+(?=:|$)")  # two groups or more (RFC 5952 §4.2.2)
_BEYOND_FIRST_GROUP = (1 << 112) - 1
_NAMES_SHOWN_MAX = 8


def encode_value(definition: Definition, value: object) -> bytes:
    """The octets of a value of this attribute's type.

    Raises:
        CodecError: what is wrong with the value, and what to write.
    """
    return _ENCODERS[definition.type](definition, value)


def decode_value(definition: Definition, octets: bytes) -> Scalar | None:
    """The value, or None if these octets are none of this type.

    Enumerated integers stay integers: `Definition.name_of` has their names.  TLVs and
    containers have no value of their own.
    """
    decode = _DECODERS.get(definition.type)
    return None if decode is None else decode(octets)


def octets_of(value: object) -> bytes:
    """Opaque octets: as they are, ``0x…`` as hexadecimal, other text as UTF-8."""
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if not isinstance(value, str):
        raise CodecError('not octets; write text, or "0x..." for hexadecimal')
    if not value.startswith("0x"):
        return _utf8(value)
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        raise CodecError("not hexadecimal; after 0x write two digits for each octet") from None


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise CodecError("not text that UTF-8 can carry") from None


def _encode_octets(_: Definition, value: object) -> bytes:
    return octets_of(value)


def _encode_abinary(_: Definition, value: object) -> bytes:
    # A filter written in words would go out as its words, and the NAS would ignore it.
    if isinstance(value, str) and not value.startswith("0x"):
        raise CodecError('filters in words are not understood; write the octets as "0x..."')
    return octets_of(value)


def _encode_string(_: Definition, value: object) -> bytes:
    if isinstance(value, str):
        return _utf8(value)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    raise CodecError("not text; write it in quotes")


def _encode_integer(definition: Definition, value: object) -> bytes:
    number = _number(definition, value)
    bits = 8 * _OCTETS[definition.type]
    low, high = 0, (1 << bits) - 1
    if definition.type == "signed":
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    elif definition.has_tag and not definition.encrypt:
        high >>= 8  # the tag takes the place of the highest octet (RFC 2868 §3.1)
    if not low <= number <= high:
        raise CodecError(f"out of range; write a number from {low} to {high}")
    return number.to_bytes(bits // 8, "big", signed=low < 0)


def _number(definition: Definition, value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        named = definition.value_of.get(value)
        if named is not None:
            return named
        if _DECIMAL.fullmatch(value):
            return int(value)
    names = list(definition.value_of)
    if not names:
        raise CodecError("not a number; write it in decimal digits")
    near = get_close_matches(value, names, 1) if isinstance(value, str) else []
    shown = near or names[:_NAMES_SHOWN_MAX]
    more = ", ..." if len(shown) < len(names) and not near else ""
    raise CodecError(f"neither a number nor a known name; write {' or '.join(shown)}{more}")


def _encode_date(definition: Definition, value: object) -> bytes:
    if isinstance(value, str) and not _DECIMAL.fullmatch(value):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise CodecError("not a time; write it as 2027-01-01T00:00:00Z") from None
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise CodecError("a time without a zone; add Z for UTC, or +02:00")
        value = int(value.timestamp())
    return _encode_integer(definition, value)


def _encode_ipaddr(_: Definition, value: object) -> bytes:
    try:
        if isinstance(value, str | IPv4Address):
            return IPv4Address(value).packed
    except ValueError:
        pass
    raise CodecError("not an IPv4 address; write it as 192.0.2.1")


def _encode_ipv6addr(_: Definition, value: object) -> bytes:
    try:
        # A zone ("%eth0") has no place on the wire.
        if isinstance(value, str | IPv6Address) and "%" not in str(value):
            return IPv6Address(value).packed
    except ValueError:
        pass
    raise CodecError("not an IPv6 address; write it as 2001:db8::1")


def _encode_ipv6prefix(_: Definition, value: object) -> bytes:
    """Always all 18 octets; the bits beyond the prefix are zero (RFC 3162 §2.3)."""
    try:
        if isinstance(value, str | IPv6Network) and "/" in str(value) and "%" not in str(value):
            network = IPv6Network(value, strict=False)
            return bytes((0, network.prefixlen)) + network.network_address.packed
    except ValueError:
        pass
    raise CodecError("not an IPv6 prefix; write it as 2001:db8:42::/56")


def _encode_ifid(_: Definition, value: object) -> bytes:
    if isinstance(value, bytes | bytearray) and len(value) == 8:
        return bytes(value)
    if isinstance(value, str) and re.fullmatch(r"[0-9a-fA-F]{1,4}(:[0-9a-fA-F]{1,4}){3}", value):
        return b"".join(int(group, 16).to_bytes(2, "big") for group in value.split(":"))
    raise CodecError("not an interface id; write it as 211:22ff:fe33:4455")


def _encode_ether(_: Definition, value: object) -> bytes:
    if isinstance(value, bytes | bytearray) and len(value) == 6:
        return bytes(value)
    if isinstance(value, str) and _ETHER.fullmatch(value):
        return bytes.fromhex(re.sub("[:.-]", "", value))
    raise CodecError("not an Ethernet address; write it as 02:00:5e:10:00:01")


def _decode_string(octets: bytes) -> str | None:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return None


def _decode_octets(octets: bytes) -> bytes:
    return octets


def _decode_integer(size: int, signed: bool = False) -> Callable[[bytes], int | None]:
    def decode(octets: bytes) -> int | None:
        if len(octets) != size:
            return None
        return int.from_bytes(octets, "big", signed=signed)

    return decode


def _decode_ipaddr(octets: bytes) -> str | None:
    return ".".join(map(str, octets)) if len(octets) == 4 else None


def _decode_ipv6addr(octets: bytes) -> str | None:
    return _ipv6_text(octets) if len(octets) == 16 else None


def _decode_ipv6prefix(octets: bytes) -> str | None:
    """Trimmed or in full; what a sender left out is zero, and what it should have, too."""
    if not 2 <= len(octets) <= 18 or octets[1] > 128:
        return None
    beyond = 128 - octets[1]
    address = int.from_bytes(octets[2:].ljust(16, b"\0"), "big") >> beyond << beyond
    if not address & _BEYOND_FIRST_GROUP:  # the shortest, of which most fit into a packet
        return f"{address >> 112:x}::/{octets[1]}" if address else f"::/{octets[1]}"
    return f"{_ipv6_text(address.to_bytes(16, 'big'))}/{octets[1]}"


def _ipv6_text(octets: bytes) -> str:
    """As `str(IPv6Address(octets))`, in a third of the time: a packet may hold a thousand."""
    text = "{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}:{:x}".format(*_GROUPS(octets))
    zeros = max(_ZEROS.findall(text), key=_groups_in, default="")
    if not zeros:
        return text
    before, _, after = text.partition(zeros)
    return f"{before}::{after[1:]}"


def _groups_in(zeros: str) -> int:
    return zeros.count("0")


def _decode_ifid(octets: bytes) -> str | None:
    return octets.hex(":", 2) if len(octets) == 8 else None


def _decode_ether(octets: bytes) -> str | None:
    return octets.hex(":") if len(octets) == 6 else None


_ENCODERS: dict[str, Callable[[Definition, object], bytes]] = {
    "string": _encode_string,
    "octets": _encode_octets,
    "abinary": _encode_abinary,
    "byte": _encode_integer,
    "short": _encode_integer,
    "integer": _encode_integer,
    "signed": _encode_integer,
    "integer64": _encode_integer,
    "date": _encode_date,
    "ipaddr": _encode_ipaddr,
    "ipv6addr": _encode_ipv6addr,
    "ipv6prefix": _encode_ipv6prefix,
    "ifid": _encode_ifid,
    "ether": _encode_ether,
}

_DECODERS: dict[str, Callable[[bytes], Scalar | None]] = {
    "string": _decode_string,
    "octets": _decode_octets,
    "abinary": _decode_octets,
    "byte": _decode_integer(1),
    "short": _decode_integer(2),
    "integer": _decode_integer(4),
    "signed": _decode_integer(4, signed=True),
    "integer64": _decode_integer(8),
    "date": _decode_integer(4),
    "ipaddr": _decode_ipaddr,
    "ipv6addr": _decode_ipv6addr,
    "ipv6prefix": _decode_ipv6prefix,
    "ifid": _decode_ifid,
    "ether": _decode_ether,
}
