"""An Accounting-Request, read into one value (RFC 2866, RFC 2869 §5.1-5.3).

Every value here came over a network from a box that may be broken, misconfigured or
hostile: nothing raises.  What the rules cannot work with is `Unreadable` and says why;
what is merely odd (an attribute of the wrong size, an absurd session time) counts as not
sent.  Knows nothing of what was received before.
"""

from struct import Struct
from typing import Final

from accounting.about import reported_in, told_in
from accounting.event_time import event_time
from accounting.records import (
    NAS_STATUSES,
    NOT_SENT,
    SESSION_STATUSES,
    NasView,
    Record,
    Unreadable,
)
from core.octets import to_text
from core.radius.packet import Packet
from core.radius.types import ACCT_SESSION_ID, ACCT_STATUS_TYPE, CLASS, EVENT_TIMESTAMP

ACCT_DELAY_TIME: Final = 41
ACCT_INPUT_OCTETS: Final = 42
ACCT_OUTPUT_OCTETS: Final = 43
ACCT_SESSION_TIME: Final = 46
ACCT_TERMINATE_CAUSE: Final = 49
ACCT_INPUT_GIGAWORDS: Final = 52
ACCT_OUTPUT_GIGAWORDS: Final = 53

CLASS_MARK: Final = b"ai:"  # ours: 16 hex digits of subscriber, 16 of nonce
_CLASS_LENGTH: Final = 35
_HEX: Final = frozenset(b"0123456789abcdef")
SUBSCRIBER_MAX: Final = 2**63 - 1

# No box runs for ten years without a reboot: a longer session time is a clock that was
# set from 1970 in mid-session, and says nothing.
SESSION_TIME_MAX_S: Final = 10 * 366 * 86_400

_uint32 = Struct(">I")
_OCTETS_MAX: Final = 2**64 - 1


def read(packet: Packet, received_at_s: float, nas: NasView) -> Record | Unreadable:
    """What an authentic Accounting-Request says."""
    first = packet.first
    status = _number(first.get(ACCT_STATUS_TYPE))
    if status is None:
        return Unreadable("no-status-type")
    acct_session_id = first.get(ACCT_SESSION_ID)
    if status in SESSION_STATUSES:
        if not acct_session_id:
            return Unreadable("no-session-id")
    elif status not in NAS_STATUSES:
        return Unreadable("status-type")

    timestamp_s = _number(first.get(EVENT_TIMESTAMP))
    delay_s = _number(first.get(ACCT_DELAY_TIME))
    at_s, stamped, skew_s = event_time(
        received_at_s, timestamp_s, delay_s, nas.skew_back_s, nas.skew_ahead_s
    )
    session_time_s = _number(first.get(ACCT_SESSION_TIME))
    if session_time_s is not None and session_time_s > SESSION_TIME_MAX_S:
        session_time_s = None
    sent_gigawords = ACCT_INPUT_GIGAWORDS in first or ACCT_OUTPUT_GIGAWORDS in first
    input_octets = _number(first.get(ACCT_INPUT_OCTETS))
    if input_octets is None:
        input_octets = NOT_SENT
    output_octets = _number(first.get(ACCT_OUTPUT_OCTETS))
    if output_octets is None:
        output_octets = NOT_SENT
    if sent_gigawords:  # rounds of an unknown number are no number
        if input_octets >= 0:
            input_octets += (_number(first.get(ACCT_INPUT_GIGAWORDS)) or 0) << 32
        if output_octets >= 0:
            output_octets += (_number(first.get(ACCT_OUTPUT_GIGAWORDS)) or 0) << 32
    unit = nas.octet_unit
    if unit != 1:  # NOT_SENT stays what it is
        input_octets = min(input_octets * unit, _OCTETS_MAX) if input_octets > 0 else input_octets
        output_octets = (
            min(output_octets * unit, _OCTETS_MAX) if output_octets > 0 else output_octets
        )
    swapped = nas.swap_octets
    if nas.swapped_at_s:
        swapped = nas.swaps(at_s - (session_time_s or 0))
    if swapped:
        input_octets, output_octets = output_octets, input_octets

    subscriber_id, nonce = ours(packet) if CLASS in first else (0, "")
    return Record(
        status,
        nas.tenant_id,
        nas.id,
        reported_in(first),
        to_text(acct_session_id) if acct_session_id else "",
        nonce,
        at_s,
        stamped,
        received_at_s,
        timestamp_s,
        delay_s,
        skew_s,
        session_time_s,
        input_octets,
        output_octets,
        _number(first.get(ACCT_TERMINATE_CAUSE)) or 0,
        sent_gigawords,
        # In a larger unit a counter goes round after terabytes: a falling one is no wrap.
        sent_gigawords or nas.sends_gigawords or unit != 1,
        nas.line_bps,
        told_in(packet, subscriber_id),
        swapped,
    )


def _number(value: bytes | None) -> int | None:
    """Four octets as an integer; a value of another size is as good as none."""
    if value is None or len(value) != 4:
        return None
    number: int = _uint32.unpack(value)[0]
    return number


def ours(packet: Packet) -> tuple[int, str]:
    """Subscriber and nonce from the Class that we put in the Access-Accept, if it came back.

    A NAS may hold several Class attributes, and some are other servers' (RFC 2865 §5.25).
    """
    for value in packet.all(CLASS):
        if len(value) == _CLASS_LENGTH and value.startswith(CLASS_MARK):
            digits = value[3:]
            if _HEX.issuperset(digits):
                subscriber_id = int(digits[:16], 16)
                if 0 < subscriber_id <= SUBSCRIBER_MAX:
                    return subscriber_id, digits[16:].decode("ascii")
    return 0, ""
