"""When an Accounting-Request's event happened: what the NAS says, if it can be believed.

Knows three times and no clock: the Event-Timestamp (RFC 2869 §5.3), the Acct-Delay-Time
(RFC 2866 §5.2), and when the packet arrived here.  Whole seconds since 1970, UTC: a NAS
knows no finer ones, and whole seconds split without loss.
"""

from typing import Final, NamedTuple

MAX_SKEW_BACK_S: Final = 24 * 3600
MAX_SKEW_AHEAD_S: Final = 5 * 60

# A queue in front of us may hold a record for days, and says so in Acct-Delay-Time.  A
# longer one is no delay but a NAS that counts from 1970.
DELAY_MAX_S: Final = 31 * 24 * 3600


class EventTime(NamedTuple):
    """When it happened, and whether the NAS's own clock said so."""

    at_s: int
    stamped: bool
    skew_s: int | None  # how far the NAS's clock is ahead of ours; None: it did not tell


def event_time(
    received_at_s: float,
    timestamp_s: int | None,
    delay_s: int | None,
    back_s: int = MAX_SKEW_BACK_S,
    ahead_s: int = MAX_SKEW_AHEAD_S,
) -> EventTime:
    """The Event-Timestamp within the skew allowed, else arrival less delay, else arrival."""
    sent_s = int(received_at_s)
    if delay_s and delay_s <= DELAY_MAX_S:
        sent_s -= delay_s
    if timestamp_s is None:
        return EventTime(sent_s, False, None)
    age_s = int(received_at_s) - timestamp_s
    stamped = -ahead_s <= age_s <= back_s
    # RFC 2866 §5.2: the delay says how old the event is, so it is not part of the skew.
    return EventTime(timestamp_s if stamped else sent_s, stamped, timestamp_s - sent_s)
