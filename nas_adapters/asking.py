"""Who is asking, by what every make of box sends alike.  Dialects add their own marks.

Runs at each login, so it looks only at what is there: raw attributes by number, and
Vendor-Specific ones only for the vendors that carry something.  Nothing here is a proof:
anybody can write a MAC address into a name.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final

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
_SERVICE_OUTBOUND: Final = b"\0\0\0\5"
_SERVICE_CALL_CHECK: Final = b"\0\0\0\x0a"
# Login and Authenticate-Only: somebody typed a name, at a portal or at the box's own shell.
SERVICE_TYPED: Final = frozenset({b"\0\0\0\1", b"\0\0\0\x08"})
_SERVICE_ADMIN: Final = frozenset({b"\0\0\0\6", b"\0\0\0\7"})  # Administrative, NAS-Prompt
_WIRELESS: Final = b"\0\0\0\x13"
_WIRELESS_OR_ETHERNET: Final = frozenset({_WIRELESS, b"\0\0\0\x0f"})
_MAC_LENGTHS: Final = range(11, mac.WRITTEN_MAX)
_station = lru_cache(16_384)(mac.normalise)  # a device asks more than once


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
    outbound: Kind = Kind.SERVICE,
    otherwise: Kind = Kind.LOGIN,
) -> Identity:
    """What a box means by what it sends differs: `named_by_mac` by a name that is the
    caller's MAC, `outbound` by a Service-Type of 5, `otherwise` by a name without any mark."""
    first = request.first
    login = first.get(USER_NAME, b"")
    calling = first.get(CALLING_STATION_ID)
    station = None if calling is None else _station(calling)
    vendor_specific = request.all(VENDOR_SPECIFIC) if VENDOR_SPECIFIC in first else ()
    if first.get(FRAMED_PROTOCOL) == _PPP and EAP_MESSAGE not in first:
        kind = Kind.PPPOE
        if not vendor_specific and patterns is NO_PATTERNS:
            return Identity(kind, login, station)
    else:
        marked = _marked(first, vendor_specific, hotspot_marks, outbound)
        if marked is None or marked is Kind.HOTSPOT:
            marked = _by_name(first, login, calling, station, marked, named_by_mac)
        kind = otherwise if marked is None else marked
        if kind is Kind.IPOE and marked is None and first.get(SERVICE_TYPE) in SERVICE_TYPED:
            kind = Kind.LOGIN
    circuit, remote = option82.carried(vendor_specific) if vendor_specific else option82.NONE
    client = None
    if kind is not Kind.PPPOE and kind is not Kind.WIFI:
        if (circuit or remote) and (kind is Kind.LOGIN or kind is Kind.MAC):
            kind = Kind.MAC if first.get(NAS_PORT_TYPE) == _WIRELESS else Kind.IPOE
        if calling and station is None:
            client = duid.normalise(calling)
        if client is None and (login[:1] == b"\0" or len(login) >= duid.DIGITS_MIN):
            client = duid.normalise(login)
        if client is not None:
            station = station or duid.mac_in(client)
            kind = Kind.IPOE if kind is Kind.LOGIN else kind
    if circuit is None and remote is None and patterns.needs_no_line:
        if kind is Kind.IPOE:
            serial = onu_serial.normalise_octets(login)
            return Identity(kind, login, station, None, None, serial, duid=client)
        return Identity(kind, login, station)
    return Identity(
        kind,
        login,
        station,
        *_line(
            circuit,
            remote,
            first.get(NAS_PORT_ID) if patterns.nas_port_id else None,
            login if patterns.user_name and _is_of_a_line(kind, first) else None,
            patterns,
        ),
        duid=client,
    )


def _is_of_a_line(kind: Kind, first: Mapping[int, bytes]) -> bool:
    """Whether the name may be one that a box makes of a line, and not one that is typed."""
    return (kind is Kind.IPOE or kind is Kind.LOGIN) and (
        first.get(SERVICE_TYPE) not in SERVICE_TYPED
    )


def _marked(
    first: Mapping[int, bytes],
    vendor_specific: Sequence[bytes],
    hotspot_marks: Collection[bytes],
    outbound: Kind,
) -> Kind | None:
    """What the box says of the access itself, whoever asks."""
    if EAP_MESSAGE in first:
        return Kind.WIFI
    service = first.get(SERVICE_TYPE)
    if service in _SERVICE_ADMIN:
        return Kind.ADMIN
    if service == _SERVICE_OUTBOUND:
        return outbound
    for value in vendor_specific:
        if value[:5] in hotspot_marks:
            return Kind.HOTSPOT
    return None


def _by_name(
    first: Mapping[int, bytes],
    login: bytes,
    calling: bytes | None,
    station: str | None,
    marked: Kind | None,
    named_by_mac: Kind,
) -> Kind | None:
    """What the name makes of it: a device's own address is nobody's name."""
    wireless = first.get(NAS_PORT_TYPE) == _WIRELESS
    if station is not None and (
        login == calling or (len(login) in _MAC_LENGTHS and _station(login) == station)
    ):
        return Kind.MAC if marked or wireless else named_by_mac
    if first.get(SERVICE_TYPE) == _SERVICE_CALL_CHECK:
        return Kind.MAC if wireless else named_by_mac
    if CHAP_PASSWORD in first and first.get(NAS_PORT_TYPE) in _WIRELESS_OR_ETHERNET:
        return Kind.HOTSPOT
    return marked


@lru_cache(16_384)
def _line(
    circuit: bytes | None,
    remote: bytes | None,
    port: bytes | None,
    login: bytes | None,
    patterns: Patterns,
) -> tuple[str | None, str | None, str | None, int | None, int | None, Line | None, str | None]:
    """What the names of a line tell, as `Identity` has it: a pattern's word before a guess.

    Kept, because a line has the same names at each login.
    """
    names = {
        "circuit_id": option82.text_of(circuit) if circuit else None,
        "remote_id": option82.text_of(remote) if remote else None,
        "nas_port_id": option82.text_of(port) if port else None,
        "user_name": option82.text_of(login) if login else None,
    }
    line, unread = line_patterns.read_any(names, patterns)
    serial = (
        (line.sn and onu_serial.normalise(line.sn))
        or (remote and onu_serial.normalise_octets(remote))
        or (circuit and onu_serial.normalise_octets(circuit))
        or None
    )
    cvlan = line.cvlan
    if cvlan is None and circuit:
        cvlan = option82.vlan_in(circuit)
    return (
        names["circuit_id"],
        names["remote_id"],
        serial,
        line.svlan,
        cvlan,
        None if line is line_patterns.NO_LINE else line,
        unread,
    )
