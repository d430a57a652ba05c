"""What happened on a simulated NAS, for whoever watches: tests, the summary, a progress line."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.simulator.asker import Answered
from app.simulator.login import Proof
from app.simulator.session import Session, Subscriber

START: Final = 1
STOP: Final = 2
INTERIM: Final = 3
ACCOUNTING_ON: Final = 7

# Acct-Terminate-Cause (RFC 2866 §5.10).
USER_REQUEST: Final = 1
LOST_CARRIER: Final = 2
SESSION_TIMED_OUT: Final = 5
ADMIN_RESET: Final = 6
NAS_ERROR: Final = 9
NAS_REQUEST: Final = 10


class What(StrEnum):
    """Kinds of events."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNUSABLE = "unusable"  # an Accept, but not for this box; or from an impostor
    LOGIN_UNANSWERED = "login_unanswered"
    ENDED = "ended"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    ACKED = "acked"  # a CoA or Disconnect
    NAKED = "naked"
    IGNORED = "ignored"  # a CoA or Disconnect that nobody here signed, or that silence is for


@dataclass(eq=False, slots=True)
class Attempt:
    """One dial, from the request to its outcome."""

    subscriber: Subscriber
    acct_session_id: str
    port: int
    framed_ip: str  # that of a line which has one before it logs in
    proof: Proof = Proof(b"")


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """An Accounting-Request, as far as the simulator wants to remember it."""

    status_type: int
    session: Session | None  # None: of the whole NAS
    session_time_s: int = 0
    input_octets: int = 0
    output_octets: int = 0


@dataclass(frozen=True, slots=True)
class Happened:
    """One event.  `took_s` is the time to the answer, where there was a question; `answer` is
    what was asked and answered in octets, for whoever checks it again."""

    what: What
    session: Session | None = None
    attempt: Attempt | None = None
    record: Record | None = None
    took_s: float = 0.0
    detail: str = ""
    error_cause: int | None = None
    code: int = 0  # of the CoA- or Disconnect-Request
    answer: Answered | None = None
