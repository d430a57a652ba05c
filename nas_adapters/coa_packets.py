"""A request of RFC 5176 as octets, and what may be believed of what comes back.

Sans-IO.  When to send, and to whom, is `coa_lane`'s business.
"""

from dataclasses import dataclass, field
from typing import Final

from core.octets import to_text
from core.radius.authenticity import SharedSecret
from core.radius.codec import CodecError, Item, decode, encode_named
from core.radius.packet import Packet, attribute
from core.radius.types import (
    COA_ACK,
    COA_NAK,
    COA_REQUEST,
    DISCONNECT_ACK,
    DISCONNECT_NAK,
    DISCONNECT_REQUEST,
    ERROR_CAUSE,
    EVENT_TIMESTAMP,
    PACKET_LENGTH_MAX,
    PACKET_LENGTH_MIN,
    REPLY_MESSAGE,
)
from dictionaries.definitions import Dictionary
from nas_adapters.base import Step, Verb
from nas_adapters.coa_values import Ignored

_CODE: Final = {Verb.COA: COA_REQUEST, Verb.DISCONNECT: DISCONNECT_REQUEST}
_ACK: Final = {COA_REQUEST: COA_ACK, DISCONNECT_REQUEST: DISCONNECT_ACK}
_NAK: Final = {COA_REQUEST: COA_NAK, DISCONNECT_REQUEST: DISCONNECT_NAK}
_ADDED_OCTETS_MAX: Final = 6 + 18  # Event-Timestamp, Message-Authenticator


@dataclass(frozen=True, slots=True)
class Sealed:
    """A request as it leaves, every time the same, with what proves a reply to be its own."""

    octets: bytes = field(repr=False)
    secret: SharedSecret


@dataclass(frozen=True, slots=True)
class Reply:
    """An authentic answer."""

    is_ack: bool
    error_cause: int | None
    message: str  # escaped
    attributes: tuple[Item, ...]


def encode(dictionary: Dictionary, step: Step) -> bytes:
    """The attributes of a step.  They must be in the clear: what is hidden needs an authenticator
    that a request of this kind has only once it is complete.

    Raises:
        CodecError: which of them cannot be said, and why.
    """
    octets = b"".join(
        [encode_named(dictionary, each.name, each.value, tag=each.tag) for each in step.attributes]
    )
    if len(octets) > PACKET_LENGTH_MAX - PACKET_LENGTH_MIN - _ADDED_OCTETS_MAX:
        raise CodecError(f"{len(octets)} octets of attributes; more than a packet holds")
    return octets


def seal(
    secret: SharedSecret,
    verb: Verb,
    identifier: int,
    attributes: bytes,
    *,
    event_timestamp_s: int | None,
    signed: bool,
) -> Sealed:
    """The complete request.

    Event-Timestamp guards the NAS against replay (RFC 5176 §3.3): the moment of the first
    send, and copies carry the same, because they are the same octets.
    """
    if event_timestamp_s is not None:
        moment = (event_timestamp_s & 0xFFFFFFFF).to_bytes(4, "big")
        attributes += attribute(EVENT_TIMESTAMP, moment)
    return Sealed(secret.request(_CODE[verb], identifier, attributes, signed=signed), secret)


def read(dictionary: Dictionary, sealed: Sealed, packet: Packet) -> Reply | Ignored:
    """What `packet` answers to the request, which has its Identifier."""
    code, asked = sealed.octets[0], sealed.octets[4:20]
    is_ack = packet.code == _ACK[code]
    if not is_ack and packet.code != _NAK[code]:
        return Ignored.CODE
    if not sealed.secret.authenticates_reply(packet, asked):
        return Ignored.AUTHENTICATOR
    # RFC 5176 §3.4 signs the request's authenticator (as hostapd does); FreeRADIUS 3 signs zeros
    # (seen with 3.2.1).  Both need the secret, and the authenticator above is proven already.
    secret = sealed.secret
    if packet.message_authenticator_at and not (
        secret.signs_reply(packet, asked) or secret.signs(packet)
    ):
        return Ignored.SIGNATURE
    cause = packet.get(ERROR_CAUSE)
    return Reply(
        is_ack,
        int.from_bytes(cause, "big") if cause is not None and len(cause) == 4 else None,
        to_text(b"".join(packet.all(REPLY_MESSAGE))),
        decode(packet, dictionary),
    )
