"""What the rules keep of a record: a point on a session's counters, and marks that close it.

Both sort in time, and sorting is all the order they have: what a session is depends on the
*set* of its points and marks, never on the order in which they came.
"""

from typing import Final, NamedTuple

from accounting.records import (
    ACCOUNTING_OFF,
    ACCOUNTING_ON,
    INTERIM,
    NOT_SENT,
    START,
    STOP,
    Record,
)

# Within one second a Start comes before an Interim, and an Interim before a Stop.
BEGINS: Final = 0
GOES_ON: Final = 1
ENDS: Final = 2
_KINDS: Final = {START: BEGINS, INTERIM: GOES_ON, STOP: ENDS}

# Nobody has used four million terabytes: more is nonsense, and would not add up in 64 bits.  A
# counter above that counts as this much, in quarantine, and the record as implausible (`nas_days`).
OCTETS_MAX: Final = 2**62 - 1
UNKNOWN: Final = NOT_SENT  # a session time or a counter that was not sent


class Point(NamedTuple):
    """One report of a session's running totals."""

    at_s: int
    kind: int
    session_time_s: int  # or UNKNOWN
    input_octets: int  # or UNKNOWN, each for itself
    output_octets: int
    cause: int  # Acct-Terminate-Cause, 0 if none
    stamped: bool  # the NAS's own clock said `at_s`, so that delivery cannot have disordered it
    wide: bool  # from a NAS that sends gigawords: its counters do not wrap
    line_bps: int  # nothing on this NAS is faster; 0: unknown
    about: int  # which of the group's Abouts came with it
    one_login: bool = False  # our Class came with it: all of its key is of one login


# Why a session was closed without its Stop, and what wins within one second.
BY_ACCOUNTING_ON: Final = ACCOUNTING_ON
BY_ACCOUNTING_OFF: Final = ACCOUNTING_OFF
BY_REAPER: Final = 20
BY_REDIAL: Final = 21


class Mark(NamedTuple):
    """Something other than its own records says that a session is over."""

    at_s: int
    kind: int  # one of BY_...
    basis_s: int = 0  # of the reaper: the last update that the decision was based on


def point(record: Record, about: int) -> Point:
    """What counts of a Start, Interim or Stop: of a counter, OCTETS_MAX at most."""
    session_time_s = record.session_time_s
    received, sent = record.input_octets, record.output_octets
    return Point(
        record.at_s,
        _KINDS[record.status],
        UNKNOWN if session_time_s is None else session_time_s,
        received if received < OCTETS_MAX else OCTETS_MAX,
        sent if sent < OCTETS_MAX else OCTETS_MAX,
        record.terminate_cause,
        record.stamped,
        record.wide,
        record.line_bps or 0,
        about,
        record.class_nonce != "",
    )


def nas_mark(record: Record) -> Mark:
    """What an Accounting-On or -Off says of every session of its NAS."""
    assert record.status in (ACCOUNTING_ON, ACCOUNTING_OFF)
    return Mark(record.at_s, record.status)
