"""Who is meant by an Access-Request: from what its NAS's dialect reads to a subscriber.

By name, with a password, unless the NAS itself says that this is a device or a line: then by
what the NAS says of it, and that is the proof.  What a caller can type proves nothing, so
a MAC address counts as the Calling-Station-Id has it, and a serial or a DUID in the User-Name only
where the box makes that name up.  A session of PPP is always a name and a password,
whatever the name looks like.

Whoever puts another's MAC address on his own card is that other, to any NAS and to us.
"""

from collections.abc import Iterator

from aaa import ways
from aaa.directory import Directory
from aaa.nas_table import Known
from aaa.records import SubscriberRecord
from core.radius.packet import Packet
from core.radius.types import CALLING_STATION_ID, EAP_MESSAGE, SERVICE_TYPE
from nas_adapters import duid, mac
from nas_adapters.asking import FRAMED_PROTOCOL, SERVICE_TYPED
from nas_adapters.identity import Identity, Kind

# What the NAS vouches for instead of a password (`aaa.methods.device`).  Nobody guesses at a line,
# and many may have one name of the box's making: so no guessers' lock is asked for.  At the
# password of a device somebody with its address may guess.
LINE = "line"
DEVICE = "mac"
UNKNOWN = "unknown"

BY_NAME = "name"
BY_CODE = "code"
_PPP = b"\0\0\0\1"
CODE_MIN = 6

# Outbound and Call-Check: nobody is asked for a name (RFC 2865 §5.6).
_MADE_UP = frozenset({b"\0\0\0\5", b"\0\0\0\x0a"})
_SEPARATORS = bytes(range(0x21)) + b"-_."

Found = tuple[SubscriberRecord | None, str, str]


def find(directory: Directory, known: Known, request: Packet, name: bytes) -> Found:
    """The subscriber, by what he was found, and what of it is a proof (empty: he needs one)."""
    first = request.first
    # Of PPP every dialect says the same, and what else it would tell is not looked at: the most
    # frequent request is spared the asking.
    if first.get(FRAMED_PROTOCOL) != _PPP or EAP_MESSAGE in first:
        who = known.identify(request, known.patterns)
        if who.kind is not Kind.LOGIN and who.kind is not Kind.WIFI and who.kind is not Kind.PPPOE:
            return _find_otherwise(directory, known, request, name, who)
    record = directory.subscriber(known.record.tenant_id, name) if name else None
    return record, BY_NAME, ""


def _find_otherwise(
    directory: Directory, known: Known, request: Packet, name: bytes, who: Identity
) -> Found:
    nas, kind = known.record, who.kind
    if kind is Kind.ADMIN or kind is Kind.SERVICE:
        return None, f"{kind} access, which is no subscriber's", ""
    asked: list[str] = []
    if kind is Kind.MAC or kind is Kind.IPOE:
        for way in _ways(known, request, who):
            record = directory.subscriber_by(nas.tenant_id, way)
            if record is not None:
                return record, ways.shown(way), LINE if kind is Kind.IPOE else DEVICE
            said = ways.shown(way)
            if said not in asked:
                asked.append(said)
    record = directory.subscriber(nas.tenant_id, name) if name else None
    if record is not None:
        return record, BY_NAME, ""
    if kind is Kind.HOTSPOT:
        code = code_of(name)
        record = None if code is None else directory.subscriber(nas.tenant_id, code)
        return record, BY_NAME if record is None else BY_CODE, ""
    tried = ", ".join(asked) if asked else "neither line nor device is told"
    if who.unread is not None:
        tried += f"; {who.unread}"
    if nas.unknown_profile_id and not _is_typed(known, request, who):
        return stranger(nas.unknown_profile_id), f"unknown device: {tried}", UNKNOWN
    return None, tried, ""


def stranger(profile_id: int) -> SubscriberRecord:
    """Whoever is let into a registration profile: nobody's device, so no subscriber's id."""
    return SubscriberRecord(0, profile_id, b"", 0)


def name_guessed_at(
    record: SubscriberRecord | None, name: bytes, found_by: str, vouched: str
) -> bytes:
    """Under what guesses are counted: one name of him, or there were as many as spellings."""
    if record is not None and found_by == BY_CODE:
        return code_of(name) or name
    return found_by.encode() if vouched == DEVICE else name


def has_password(record: SubscriberRecord | None) -> bool:
    return record is not None and record.credential_sealed != b""


def code_of(name: bytes) -> bytes | None:
    """A voucher code as it is stored, ``7HG4K2QX``, of one as it is typed: ``7hg4-k2qx``.

    None if it is no code, or is written so already.
    """
    code = name.translate(None, _SEPARATORS).upper()
    return code if len(code) >= CODE_MIN and code.isalnum() and code != name else None


def _ways(known: Known, request: Packet, who: Identity) -> Iterator[str]:
    """By what to look, in order: the line before the ONU, which is swapped, and both before
    the device: a circuit id is the access node's word, a MAC address the caller's."""
    calling = request.first.get(CALLING_STATION_ID)
    if who.kind is Kind.IPOE:
        is_made_up = _is_made_up(known, request)
        place = None if who.line is None else ways.place(who.line)
        for field, value in (
            ("line", place),
            ("circuit_id", who.circuit_id),
            ("remote_id", who.remote_id),
        ):
            if value is not None:
                yield ways.on_line(field, known.record.id, value)
                yield ways.on_line(field, ways.ANY_NAS, value)
        if who.onu_serial is not None and (is_made_up or who.circuit_id or who.remote_id):
            yield ways.by_device("onu_serial", who.onu_serial)
        if who.duid is not None and (is_made_up or _says(calling, who.duid)):
            yield ways.by_device("duid", who.duid)
    if who.mac is not None and calling is not None and _is_mac(calling, who.mac, who.login):
        yield ways.by_device("mac", who.mac)


def _is_made_up(known: Known, request: Packet) -> bool:
    """Whether the User-Name is of the box's own making."""
    service = request.first.get(SERVICE_TYPE)
    return service in _MADE_UP or (known.makes_names_up and service not in SERVICE_TYPED)


def _is_typed(known: Known, request: Packet, who: Identity) -> bool:
    """Whether nothing but a name that anybody can type says that this is a device."""
    return (
        who.duid is not None
        and who.circuit_id is None
        and who.remote_id is None
        and not _is_made_up(known, request)
        and not _says(request.first.get(CALLING_STATION_ID), who.duid)
    )


def _says(calling: bytes | None, client: str) -> bool:
    """Whether a Calling-Station-Id is of the client with this DUID."""
    if calling is None:
        return False
    station = mac.normalise(calling)
    if station is not None:
        return station == duid.mac_in(client)
    return duid.normalise(calling) == client


def _is_mac(calling: bytes, address: str, login: bytes) -> bool:
    """Whether the box says that this is the caller's address.  With another one in the name it is
    not: a DHCP client chooses its identifier, which some boxes tell as Calling-Station-Id.  Twelve
    decimal digits are rather a number of the operator's."""
    if not login.isdigit() and mac.normalise(login) not in (None, address):
        return False
    station = mac.normalise(calling)
    if station is None:
        client = duid.normalise(calling)
        station = None if client is None else duid.mac_in(client)
    return station == address
