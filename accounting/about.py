"""Who and where, as one Accounting-Request tells it.

The reports of a session tell the same again and again, so what they carry along is what was
sent (`told_in`), and whether it is the same is all that is asked of most of them.  It is
read (`about_in`) where it is news.
"""

from collections.abc import Mapping
from typing import Final
from zlib import crc32

import msgspec

from accounting.framed import ipv4, ipv6, ipv6_prefix, mac
from core.octets import to_text
from core.radius.packet import Packet
from core.radius.types import (
    CALLING_STATION_ID,
    FRAMED_IP_ADDRESS,
    NAS_IDENTIFIER,
    NAS_IP_ADDRESS,
    NAS_IPV6_ADDRESS,
    NAS_PORT,
    NAS_PORT_ID,
    USER_NAME,
    VENDOR_SPECIFIC,
)

ACCT_MULTI_SESSION_ID: Final = 50
FRAMED_IPV6_PREFIX: Final = 97
DELEGATED_IPV6_PREFIX: Final = 123
FRAMED_IPV6_ADDRESS: Final = 168
DSL_FORUM: Final = 3561  # RFC 4679
AGENT_CIRCUIT_ID: Final = 1


class About(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who and where, as one record tells it: escaped text, empty where it does not."""

    user_name: str = ""
    subscriber_id: int = 0  # from our Class; 0: the NAS returned none
    calling_station_id: str = ""
    mac: str = ""  # 12 hex digits, if the Calling-Station-Id is one
    circuit_id: str = ""
    nas_port_id: str = ""
    nas_port: int | None = None
    framed_ipv4: str = ""
    framed_ipv6: str = ""  # Framed-IPv6-Address, else Framed-IPv6-Prefix
    delegated_ipv6: str = ""
    multi_session_id: str = ""
    nas_identifier: str = ""
    nas_address: str = ""  # as the NAS names itself, not where the packet came from


class _Sent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What `told_in` wrote: attributes as they came."""

    subscriber_id: int
    user_name: bytes | None
    calling_station_id: bytes | None
    circuit_id: bytes | None
    nas_port_id: bytes | None
    nas_port: bytes | None
    framed_ipv4: bytes | None
    framed_ipv6: bytes | None
    framed_ipv6_prefix: bytes | None
    delegated_ipv6: bytes | None
    multi_session_id: bytes | None
    nas_identifier: bytes | None
    nas_ipv6: bytes | None
    nas_ipv4: bytes | None


_encode = msgspec.msgpack.Encoder().encode
_read_sent = msgspec.msgpack.Decoder(_Sent).decode


def told_in(packet: Packet, subscriber_id: int) -> bytes:
    """The attributes that say who and where; `subscriber_id` is that of our Class."""
    first = packet.first
    get = first.get
    circuit = packet.vendor(DSL_FORUM, AGENT_CIRCUIT_ID) if VENDOR_SPECIFIC in first else None
    return _encode(
        (
            subscriber_id,
            get(USER_NAME),
            get(CALLING_STATION_ID),
            circuit,
            get(NAS_PORT_ID),
            get(NAS_PORT),
            get(FRAMED_IP_ADDRESS),
            get(FRAMED_IPV6_ADDRESS),
            get(FRAMED_IPV6_PREFIX),
            get(DELEGATED_IPV6_PREFIX),
            get(ACCT_MULTI_SESSION_ID),
            get(NAS_IDENTIFIER),
            get(NAS_IPV6_ADDRESS),
            get(NAS_IP_ADDRESS),
        )
    )


def about_in(told: bytes) -> About:
    """Who and where, read."""
    sent = _read_sent(told)
    calling = sent.calling_station_id or b""
    port = sent.nas_port
    return About(
        to_text(sent.user_name or b""),
        sent.subscriber_id,
        to_text(calling),
        mac(calling) if calling else "",
        to_text(sent.circuit_id or b""),
        to_text(sent.nas_port_id or b""),
        int.from_bytes(port, "big") if port is not None and len(port) == 4 else None,
        ipv4(sent.framed_ipv4 or b""),
        ipv6(sent.framed_ipv6 or b"") or ipv6_prefix(sent.framed_ipv6_prefix or b""),
        ipv6_prefix(sent.delegated_ipv6 or b""),
        to_text(sent.multi_session_id or b""),
        to_text(sent.nas_identifier or b""),
        _address(sent.nas_ipv6, sent.nas_ipv4),
    )


def key_of(told: bytes) -> int:
    """What points call it by."""
    return crc32(told)


def reported_in(first: Mapping[int, bytes]) -> str:
    """Which box it says it is: NAS-Identifier, else NAS-IPv6-Address, else NAS-IP-Address."""
    identifier = first.get(NAS_IDENTIFIER)
    if identifier:
        return to_text(identifier)
    return _address(first.get(NAS_IPV6_ADDRESS), first.get(NAS_IP_ADDRESS))


def _address(of_ipv6: bytes | None, of_ipv4: bytes | None) -> str:
    return ipv6(of_ipv6 or b"") or ipv4(of_ipv4 or b"")
