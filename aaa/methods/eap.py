"""EAP packets, and how RADIUS carries them (RFC 3748 §4, RFC 3579 §3.1).

Framing only: what a type means and what comes next is `eap_server`'s business.
"""

from typing import Final, NamedTuple

from core.radius.packet import Packet, attribute
from core.radius.types import EAP_MESSAGE

REQUEST: Final = 1
RESPONSE: Final = 2
SUCCESS: Final = 3
FAILURE: Final = 4

IDENTITY: Final = 1
NAK: Final = 3
MD5_CHALLENGE: Final = 4
MSCHAPV2: Final = 26  # draft-kamath-pppext-eap-mschapv2

HEADER_OCTETS = 4
_ATTRIBUTE_OCTETS_MAX = 253


class Response(NamedTuple):
    """What a peer answers.  It answers only requests, so its type is never absent."""

    identifier: int
    type: int
    data: bytes


def message_of(request: Packet) -> bytes:
    """The EAP packet in an Access-Request: the values of EAP-Message, joined in order."""
    return b"".join(request.all(EAP_MESSAGE))


def read_response(message: bytes) -> Response | None:
    """None for all that a peer cannot have sent: wrong lengths, other codes, no type.

    What follows the Length is padding of some link and is ignored (RFC 3748 §4.1).
    """
    if len(message) <= HEADER_OCTETS or message[0] != RESPONSE:
        return None
    length = message[2] << 8 | message[3]
    if length <= HEADER_OCTETS or length > len(message):
        return None
    return Response(message[1], message[4], message[5:length])


def request_attributes(identifier: int, eap_type: int, data: bytes) -> bytes:
    """An EAP-Request as RADIUS attributes."""
    length = (HEADER_OCTETS + 1 + len(data)).to_bytes(2, "big")
    return _attributes(bytes((REQUEST, identifier)) + length + bytes((eap_type,)) + data)


def success(identifier: int) -> bytes:
    """EAP-Success for the Access-Accept; `identifier` is that of the last Response."""
    return attribute(EAP_MESSAGE, bytes((SUCCESS, identifier, 0, HEADER_OCTETS)))


def failure(identifier: int) -> bytes:
    """EAP-Failure for the Access-Reject (RFC 3579 §2.6.3 asks for one in every reject)."""
    return attribute(EAP_MESSAGE, bytes((FAILURE, identifier, 0, HEADER_OCTETS)))


def rejection(request: Packet) -> bytes:
    """EAP-Failure for a reject that has nothing to do with what EAP-Message says.

    Empty where the request has no EAP-Message; also for callers who deny a proven login.
    """
    if not request.has(EAP_MESSAGE):
        return b""
    message = message_of(request)
    return failure(message[1] if len(message) > 1 else 0)


def _attributes(message: bytes) -> bytes:
    return b"".join(
        attribute(EAP_MESSAGE, message[at : at + _ATTRIBUTE_OCTETS_MAX])
        for at in range(0, len(message), _ATTRIBUTE_OCTETS_MAX)
    )
