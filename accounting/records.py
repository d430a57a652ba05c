"""What an Accounting-Request says, as one value, and how its NAS counts.

Knows nothing of packets: reading one is `request`'s.
"""

from typing import Final

import msgspec

from accounting.about import About, about_in, key_of
from accounting.event_time import MAX_SKEW_AHEAD_S, MAX_SKEW_BACK_S

# Acct-Status-Type (RFC 2866 §5.1).  Plain integers: compared several times a record.
START: Final = 1
STOP: Final = 2
INTERIM: Final = 3
ACCOUNTING_ON: Final = 7
ACCOUNTING_OFF: Final = 8
SESSION_STATUSES: Final = frozenset((START, STOP, INTERIM))
NAS_STATUSES: Final = frozenset((ACCOUNTING_ON, ACCOUNTING_OFF))

NOT_SENT: Final = -1  # a counter that is absent, or odd: not a counter that shows 0


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
    octet_unit: int = 1  # one count of its is so many octets

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
