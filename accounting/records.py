"""An Accounting-Request, read into one value (RFC 2866, RFC 2869 §5.1-5.3).

Every value here came over a network from a box that may be broken, misconfigured or
hostile: nothing raises.  What the rules cannot work with is `Unreadable` and says why;
what is merely odd (an attribute of the wrong size, an absurd session time) counts as not
sent.  Knows nothing of what was received before.
"""

from struct import Struct
from typing import Final

import msgspec

from accounting.about import About, about_in, key_of, reported_in, told_in
from accounting.event_time import MAX_SKEW_AHEAD_S, MAX_SKEW_BACK_S, event_time
from core.octets import to_text
from core.radius.packet import Packet
from core.radius.types import ACCT_SESSION_ID, ACCT_STATUS_TYPE, CLASS

# Acct-Status-Type (RFC 2866 §5.1).  Plain integers: compared several times a record.
START: Final = 1
STOP: Final = 2
INTERIM: Final = 3
ACCOUNTING_ON: Final = 7
ACCOUNTING_OFF: Final = 8
SESSION_STATUSES: Final = frozenset((START, STOP, INTERIM))
NAS_STATUSES: Final = frozenset((ACCOUNTING_ON, ACCOUNTING_OFF))

ACCT_DELAY_TIME: Final = 41
ACCT_INPUT_OCTETS: Final = 42
ACCT_OUTPUT_OCTETS: Final = 43
ACCT_SESSION_TIME: Final = 46
ACCT_INPUT_PACKETS: Final = 47
ACCT_OUTPUT_PACKETS: Final = 48
ACCT_TERMINATE_CAUSE: Final = 49
ACCT_INPUT_GIGAWORDS: Final = 52
ACCT_OUTPUT_GIGAWORDS: Final = 53
EVENT_TIMESTAMP: Final = 55

CLASS_MARK: Final = b"ai:"  # ours: 16 hex digits of subscriber, 16 of nonce
_CLASS_LENGTH: Final = 35
_HEX: Final = frozenset(b"0123456789abcdef")
SUBSCRIBER_MAX: Final = 2**63 - 1
NOT_SENT: Final = -1  # a counter that is absent, or odd: not a counter that shows 0

# No box runs for ten years without a reboot: a longer session time is a clock that was
# set from 1970 in mid-session, and says nothing.
SESSION_TIME_MAX_S: Final = 10 * 366 * 86_400

_uint32 = Struct(">I")


class NasView(msgspec.Struct, frozen=True, gc=False):
    """What the rules need to know of the box that a packet was matched to."""

    id: int
    tenant_id: int
    swap_octets: bool = False  # it counts from the subscriber's side
    line_bps: int | None = None  # no subscriber of this box can be faster
    skew_back_s: int = MAX_SKEW_BACK_S
    skew_ahead_s: int = MAX_SKEW_AHEAD_S
    sends_gigawords: bool = False  # it was ever seen to: its counters do not wrap
    swapped_at_s: tuple[int, ...] = ()  # when `swap_octets` was changed

    def swaps(self, began_s: int) -> bool:
        """Whether to turn the counters of a session round that began then.

        A session keeps the direction that it began with: turned round in the middle, what
        it downloaded would count as uploaded once more.
        """
        later = sum(began_s < at_s for at_s in self.swapped_at_s)
        return self.swap_octets ^ (later % 2 == 1)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One Accounting-Request that the rules can work with.

    `input_octets` is the subscriber's upload and `output_octets` the download (RFC 2866
    §5.3), with gigawords folded in and the NAS's `swap_octets` undone; NOT_SENT if absent.
    """

    status: int
    tenant_id: int
    nas_id: int
    reported: str  # NAS-Identifier, else NAS-IPv6-Address, else NAS-IP-Address
    acct_session_id: str
    class_nonce: str
    at_s: int
    stamped: bool  # `at_s` is the Event-Timestamp
    received_at_s: float
    event_timestamp_s: int | None
    delay_s: int | None
    skew_s: int | None
    session_time_s: int | None
    input_octets: int
    output_octets: int
    input_packets: int
    output_packets: int
    terminate_cause: int
    sent_gigawords: bool
    wide: bool  # this NAS is known to send gigawords: a falling counter is no wrap
    line_bps: int | None
    told: bytes  # who and where, for `about`
    swapped: bool = False  # what was sent as input counts as output

    @property
    def about(self) -> About:
        """Who and where.  Worked out when asked, for nobody asks of an ordinary Interim."""
        return about_in(self.told)

    @property
    def about_key(self) -> int:
        """What the points of its session call `about`."""
        return key_of(self.told)


class Unreadable(msgspec.Struct, frozen=True, gc=False):
    """Kept raw, answered and counted, but no rule can use it."""

    reason: str  # for a counter: "status-type", "no-status-type", "no-session-id"


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
    input_packets = _number(first.get(ACCT_INPUT_PACKETS)) or 0
    output_packets = _number(first.get(ACCT_OUTPUT_PACKETS)) or 0
    swapped = nas.swap_octets
    if nas.swapped_at_s:
        swapped = nas.swaps(at_s - (session_time_s or 0))
    if swapped:
        input_octets, output_octets = output_octets, input_octets
        input_packets, output_packets = output_packets, input_packets

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
        input_packets,
        output_packets,
        _number(first.get(ACCT_TERMINATE_CAUSE)) or 0,
        sent_gigawords,
        sent_gigawords or nas.sends_gigawords,
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
