"""What a simulated NAS writes: who asks, and what a session amounts to.

Attributes that every make has; the rest is the personality's.  Pure.
"""

from app.simulator import wire
from app.simulator.events import ACCOUNTING_ON, START, STOP, Record
from app.simulator.personality import Box, Line, Personality
from app.simulator.session import Session
from core.radius.types import (
    ACCT_SESSION_ID,
    ACCT_STATUS_TYPE,
    CLASS,
    FRAMED_IP_ADDRESS,
    NAS_IDENTIFIER,
    NAS_IP_ADDRESS,
    USER_NAME,
)

_UINT32 = 2**32
PACKET_OCTETS = 900  # of the subscribers' traffic, on average


def login(personality: Personality, line: Line) -> bytes:
    """Who wants to come in, but for the proof."""
    attributes = _nas(line.box) + wire.text(USER_NAME, line.subscriber.username)
    if personality.session_id_at_login:
        attributes += wire.text(ACCT_SESSION_ID, line.acct_session_id)
    if line.framed_ip:
        attributes += wire.address(FRAMED_IP_ADDRESS, line.framed_ip)
    return attributes + personality.describe(line)


def identity(personality: Personality, box: Box, session: Session) -> bytes:
    """Who a session is, as every record of it says and as a CoA must."""
    line = Line(box, session.subscriber, session.acct_session_id, session.port, session.framed_ip)
    service = session.service
    attributes = (
        _nas(box)
        + wire.text(USER_NAME, session.username)
        + wire.text(ACCT_SESSION_ID, session.acct_session_id)
        + wire.address(FRAMED_IP_ADDRESS, session.framed_ip)
        + personality.describe(line)
    )
    if service.framed_ipv6:
        attributes += wire.prefix(wire.FRAMED_IPV6_PREFIX, service.framed_ipv6)
    if service.delegated_ipv6:
        attributes += wire.prefix(wire.DELEGATED_IPV6_PREFIX, service.delegated_ipv6)
    return attributes


def record(
    status_type: int,
    personality: Personality,
    box: Box,
    session: Session,
    now: float,
    *,
    wide: bool,
) -> tuple[Record, bytes]:
    """A Start, Interim or Stop of what has been counted; `wide`: with Gigawords."""
    session_time_s = int(now - session.began_s)
    told = Record(status_type, session, session_time_s, session.input_octets, session.output_octets)
    attributes = wire.number(ACCT_STATUS_TYPE, status_type)
    attributes += identity(personality, box, session)
    attributes += b"".join(wire.octets(CLASS, one) for one in session.service.classes)
    attributes += wire.number(wire.ACCT_AUTHENTIC, 1)
    if personality.event_timestamps:
        attributes += wire.number(wire.EVENT_TIMESTAMP, int(now))
    if status_type != START or personality.counters_in_start:
        attributes += wire.number(wire.ACCT_SESSION_TIME, session_time_s)
        attributes += _counters(told, box.octet_unit, wide=wide)
    if status_type == STOP:
        attributes += wire.number(wire.ACCT_TERMINATE_CAUSE, session.cause)
    return told, attributes


def booted(personality: Personality, box: Box, now: float) -> tuple[Record, bytes]:
    """Accounting-On: whatever was open is not any more (RFC 2866 §5.1)."""
    attributes = wire.number(ACCT_STATUS_TYPE, ACCOUNTING_ON) + _nas(box)
    attributes += wire.text(ACCT_SESSION_ID, personality.accounting_on_session_id)
    if personality.event_timestamps:
        attributes += wire.number(wire.EVENT_TIMESTAMP, int(now))
    return Record(ACCOUNTING_ON, None), attributes


def _nas(box: Box) -> bytes:
    return wire.text(NAS_IDENTIFIER, box.name) + wire.address(NAS_IP_ADDRESS, box.address)


def _counters(told: Record, unit: int, *, wide: bool) -> bytes:
    attributes = b""
    for counted, octets, packets, gigawords in (
        (
            told.input_octets,
            wire.ACCT_INPUT_OCTETS,
            wire.ACCT_INPUT_PACKETS,
            wire.ACCT_INPUT_GIGAWORDS,
        ),
        (
            told.output_octets,
            wire.ACCT_OUTPUT_OCTETS,
            wire.ACCT_OUTPUT_PACKETS,
            wire.ACCT_OUTPUT_GIGAWORDS,
        ),
    ):
        units = counted // unit
        attributes += wire.number(octets, units % _UINT32)
        attributes += wire.number(packets, -(-counted // PACKET_OCTETS) % _UINT32)
        if wide:
            attributes += wire.number(gigawords, units // _UINT32)
    return attributes
