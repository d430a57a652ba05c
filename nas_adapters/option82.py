"""DHCP Option 82 and its kin in a RADIUS request: which line a subscriber is behind.

Access nodes write two names, Agent-Circuit-Id and Agent-Remote-Id (RFC 3046), and each make of
NAS carries them in attributes of its own; this knows those carriers.  The names themselves
are opaque: what stands in them is the operator's choice, and `line_patterns` reads it.

A name is kept as it came: as text if it is printable ASCII, else as 0x and hexadecimal.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_CIRCUIT: Final = 1  # the numbers of RFC 3046 §2.0
_REMOTE: Final = 2
_RAW: Final = 82  # sub-options, as in DHCP
_AVPAIR: Final = 0

# Vendor and its attributes; nas.md: dictionaries, and vendor docs for who sends which.
_CARRIERS: Final = {
    (3561).to_bytes(4, "big"): {1: _CIRCUIT, 2: _REMOTE},  # ADSL-Forum, RFC 4679 §3.3.1
    (2352).to_bytes(4, "big"): {97: _CIRCUIT, 96: _REMOTE},  # Redback: MikroTik, SmartEdge
    (4874).to_bytes(4, "big"): {110: _CIRCUIT, 182: _REMOTE, 159: _RAW},  # Juniper
    (9).to_bytes(4, "big"): {1: _AVPAIR},  # Cisco
}
_AVPAIRS: Final = {b"circuit-id-tag": _CIRCUIT, b"remote-id-tag": _REMOTE}
_HEXADECIMAL: Final = re.compile(rb"(?:0[xX])?((?:[0-9A-Fa-f]{2}){2,})")
_NO_NUMBERS: Final[dict[int, int]] = {}


class Option82(NamedTuple):
    """The two names as octets; None is not told."""

    circuit_id: bytes | None = None
    remote_id: bytes | None = None


NONE: Final = Option82()


def carried(vendor_specific: Iterable[bytes]) -> Option82:
    """What the Vendor-Specific attributes of one request say; the first of each wins."""
    names: dict[int, bytes] = {}
    for value in vendor_specific:
        numbers = _CARRIERS.get(value[:4], _NO_NUMBERS)
        if not numbers:
            continue
        at, end = 4, len(value)
        while at + 2 <= end:
            size = value[at + 1]
            if size < 2 or at + size > end:
                break  # not in that format after all
            what = numbers.get(value[at])
            if what is not None:
                _put(names, what, value[at + 2 : at + size])
            at += size
    if not names:
        return NONE
    return Option82(names.get(_CIRCUIT), names.get(_REMOTE))


def from_dhcp(octets: bytes) -> Option82:
    """The sub-options of Option 82 as DHCP has them (RFC 3046 §2.0), with its header or without."""
    if len(octets) >= 2 and octets[0] == _RAW and octets[1] == len(octets) - 2:
        octets = octets[2:]
    names: dict[int, bytes] = {}
    at = 0
    while at + 2 <= len(octets):
        end = at + 2 + octets[at + 1]
        if end > len(octets):
            break
        if octets[at] in (_CIRCUIT, _REMOTE):
            names.setdefault(octets[at], octets[at + 2 : end])
        at = end
    return Option82(names.get(_CIRCUIT), names.get(_REMOTE))


def text_of(octets: bytes) -> str:
    r"""``OLT1 xpon 0/1/0/3:100.12``, or ``0x000400640105`` where it is no text.

    A text behind a type and a length (Cisco's ``01 0b gi0/1...``) comes without them.
    """
    if len(octets) > 2 and octets[0] in (0, 1) and octets[1] == len(octets) - 2:
        inner = octets[2:]
        if _is_text(inner):
            return inner.decode("ascii")
    octets = octets.rstrip(b"\0") if _is_text(octets.rstrip(b"\0")) else octets
    return octets.decode("ascii") if _is_text(octets) else f"0x{octets.hex()}"


def vlan_in(circuit_id: bytes) -> int | None:
    """The VLAN of Cisco's binary circuit id: 00 04, VLAN, module, port."""
    if len(circuit_id) != 6 or circuit_id[:2] != b"\0\4":
        return None
    return int.from_bytes(circuit_id[2:4], "big") & 0xFFF


def _is_text(octets: bytes) -> bool:
    return bool(octets) and octets.isascii() and octets.decode("ascii").isprintable()


def _put(names: dict[int, bytes], what: int, value: bytes) -> None:
    if what == _RAW:
        circuit_id, remote_id = from_dhcp(value)
        if circuit_id is not None:
            names.setdefault(_CIRCUIT, circuit_id)
        if remote_id is not None:
            names.setdefault(_REMOTE, remote_id)
        return
    if what == _AVPAIR:
        key, _, value = value.partition(b"=")
        what = _AVPAIRS.get(key.rpartition(b":")[2], _AVPAIR)
        if what == _AVPAIR:
            return
        if match := _HEXADECIMAL.fullmatch(value):
            value = bytes.fromhex(match[1].decode("ascii"))
    if value:
        names.setdefault(what, value)
