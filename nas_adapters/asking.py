"""Who is asking, by what every make of box sends alike.  Dialects add their own marks.

Runs at each login, so it looks only at what is there: raw attributes by number, and
Vendor-Specific ones only for the vendors that carry something.  Nothing here is a proof:
anybody can write a MAC address into a name.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from core.radius.types import (
    CALLING_STATION_ID,
    CHAP_PASSWORD,
    EAP_MESSAGE,
    NAS_PORT_ID,
    NAS_PORT_TYPE,
    SERVICE_TYPE,
    USER_NAME,
    VENDOR_SPECIFIC,
)
from nas_adapters import duid, line_patterns, mac, onu_serial, option82
from nas_adapters.base import NO_PATTERNS, Identity, Patterns, Request
from nas_adapters.identity import Kind, Line

FRAMED_PROTOCOL: Final = 7

_PPP: Final = b"\0\0\0\1"
_SERVICE_CALL_CHECK: Final = b"\0\0\0\x0a"
_SERVICE_ADMIN: Final = frozenset({b"\0\0\0\6", b"\0\0\0\7"})  # Administrative, NAS-Prompt
_WIRELESS: Final = b"\0\0\0\x13"
_WIRELESS_OR_ETHERNET: Final = frozenset({_WIRELESS, b"\0\0\0\x0f"})
_NO_LINE: Final = Line()


def marks(*attributes: tuple[int, int]) -> frozenset[bytes]:
    """Vendor and number as they begin a Vendor-Specific attribute."""
    return frozenset(vendor.to_bytes(4, "big") + bytes((number,)) for vendor, number in attributes)


# WISPr-Location-ID, -Location-Name, -Logoff-URL; Mikrotik-Host-IP; CoovaChilli-Version.
HOTSPOT_MARKS: Final = marks((14122, 1), (14122, 2), (14122, 3), (14988, 10), (14559, 8))


def identify(
    request: Request,
    patterns: Patterns = NO_PATTERNS,
    *,
    hotspot_marks: Collection[bytes] = HOTSPOT_MARKS,
    named_by_mac: Kind = Kind.MAC,
) -> Identity:
    """`named_by_mac` is what a name that is the caller's MAC means, with no other mark."""
    first = request.first
    login = first.get(USER_NAME, b"")
    calling = first.get(CALLING_STATION_ID)
    station = None if calling is None else mac.normalise(calling)
    vendor_specific = request.all(VENDOR_SPECIFIC) if VENDOR_SPECIFIC in first else ()
    if first.get(FRAMED_PROTOCOL) == _PPP and EAP_MESSAGE not in first:
        kind = Kind.PPPOE
        if not vendor_specific and patterns is NO_PATTERNS:
            return Identity(kind, login, station)
    else:
        kind = _kind(first, login, station, vendor_specific, hotspot_marks, named_by_mac)
    circuit, remote = option82.carried(vendor_specific) if vendor_specific else option82.NONE
    client = None
    if kind is not Kind.PPPOE and kind is not Kind.WIFI:
        if (circuit or remote) and kind is not Kind.HOTSPOT and kind is not Kind.ADMIN:
            kind = Kind.MAC if first.get(NAS_PORT_TYPE) == _WIRELESS else Kind.IPOE
        client = (duid.normalise(calling) if calling else None) or duid.normalise(login)
        if client is not None:
            station = station or duid.mac_in(client)
            kind = Kind.IPOE if kind is Kind.LOGIN else kind
    if circuit is None and remote is None and patterns is NO_PATTERNS:
        serial = onu_serial.normalise_octets(login) if kind is not Kind.PPPOE else None
        return Identity(kind, login, station, onu_serial=serial, duid=client)
    return _with_line(Identity(kind, login, station, duid=client), circuit, remote, first, patterns)


def _kind(
    first: Mapping[int, bytes],
    login: bytes,
    station: str | None,
    vendor_specific: Sequence[bytes],
    hotspot_marks: Collection[bytes],
    named_by_mac: Kind,
) -> Kind:
    """In the order of how sure a mark is."""
    service = first.get(SERVICE_TYPE)
    if service in _SERVICE_ADMIN:
        return Kind.ADMIN
    if EAP_MESSAGE in first:
        return Kind.WIFI
    is_mac = station is not None and mac.normalise(login) == station
    if service == _SERVICE_CALL_CHECK:
        return named_by_mac
    port = first.get(NAS_PORT_TYPE)
    if any(value[:5] in hotspot_marks for value in vendor_specific):
        return Kind.MAC if is_mac else Kind.HOTSPOT
    if is_mac:
        return Kind.MAC if port == _WIRELESS else named_by_mac
    if CHAP_PASSWORD in first and port in _WIRELESS_OR_ETHERNET:
        return Kind.HOTSPOT
    return Kind.LOGIN


def _with_line(
    asking: Identity,
    circuit: bytes | None,
    remote: bytes | None,
    first: Mapping[int, bytes],
    patterns: Patterns,
) -> Identity:
    """The same with what the names of its line tell: a pattern's word before a guess."""
    names = {
        "circuit_id": option82.text_of(circuit) if circuit else None,
        "remote_id": option82.text_of(remote) if remote else None,
        "nas_port_id": first[NAS_PORT_ID].decode("ascii", "replace")
        if patterns.nas_port_id is not None and NAS_PORT_ID in first
        else None,
        "user_name": asking.login.decode("ascii", "replace")
        if patterns.user_name is not None
        else None,
    }
    line, unread = _read(names, patterns)
    serial = (
        (line.sn and onu_serial.normalise(line.sn))
        or (remote and onu_serial.normalise_octets(remote))
        or (circuit and onu_serial.normalise_octets(circuit))
        or None
    )
    cvlan = line.cvlan
    if cvlan is None and circuit:
        cvlan = option82.vlan_in(circuit)
    return msgspec.structs.replace(
        asking,
        circuit_id=names["circuit_id"],
        remote_id=names["remote_id"],
        onu_serial=serial,
        svlan=line.svlan,
        cvlan=cvlan,
        line=line if line is not _NO_LINE else None,
        unread=unread,
    )


def _read(names: Mapping[str, str | None], patterns: Patterns) -> tuple[Line, str | None]:
    """The first name that its pattern fits; else what to say of one that it does not fit."""
    unread = None
    for what, name in names.items():
        pattern = getattr(patterns, what)
        if pattern is None or name is None:
            continue
        line = line_patterns.read(pattern, name)
        if line is not None:
            return line, None
        unread = unread or line_patterns.unread(what, name, patterns)
    return _NO_LINE, unread
