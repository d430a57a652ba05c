"""Which sessions do not have what they should have, and why: for people."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text

from aaa.enforcement import OFF, Rung, State
from aaa.enforcement_ladder import UNKNOWN
from core.db import Tx
from nas_adapters.vendors import VENDORS

# Of these a CoA-ACK is as good as the change.
_PROOF: Final = sorted(name for name, one in VENDORS.items() if one.abilities.ack_is_proof)

_COLUMNS: Final = """
SELECT e.session_id, s.acct_session_id, n.name AS nas, s.username, u.username AS subscriber,
       e.service, e.reason, e.state, e.rung, e.attempts, e.cause, e.error_cause, e.target,
       e.request, e.rtt_s, e.made_at, e.next_at, e.told_at
  FROM enforcement AS e
  JOIN session AS s ON s.id = e.session_id AND s.stopped_at IS NULL
  LEFT JOIN nas AS n ON n.id = e.nas_id
  LEFT JOIN subscriber AS u ON u.id = e.subscriber_id
"""
_OPEN: Final = (
    _COLUMNS
    + """
 WHERE e.session_id < :before AND e.state <> 'done'
   AND NOT (e.state = 'told' AND e.rung = 'coa' AND n.vendor = ANY (:proof))
   AND (:unknown OR e.reason <> :unknown_word)
 ORDER BY e.session_id DESC LIMIT :limit
"""
)
_OF_SESSION: Final = _COLUMNS + " WHERE e.session_id = :id"
_ONLINE: Final = """
SELECT count(*) FROM session WHERE subscriber_id = :id AND stopped_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class Open:
    """A session that was to be changed, and how far that is."""

    session_id: int
    acct_session_id: str
    nas: str | None
    username: str
    subscriber: str | None
    service: str
    reason: str
    state: str
    rung: str
    attempts: int
    cause: str
    error_cause: int | None
    target: str
    request: str
    rtt_s: float | None
    made_at: datetime
    next_at: datetime | None
    told_at: datetime | None

    @property
    def wanted(self) -> str:
        return "no session" if self.service == OFF else self.service

    @property
    def why(self) -> str:
        """In words: what stands between it and what it should have."""
        match self.state:
            case State.TOLD:
                return "acknowledged, not confirmed"
            case State.WAITING:
                end = "waits for the next login"
            case State.STALE:
                end = "its NAS knows no such session; here it ends with its silence"
            case State.STOPPED:
                end = "tried again once its NAS is set up anew, or by turnpike session reapply"
            case State.DUE if self.cause:
                end = f"tried again by {self.rung}"
            case _:
                return "being sent"
        return f"{self.cause}; {end}" if self.cause else end


async def page(tx: Tx, *, before: int, limit: int, unknown: bool = False) -> list[Open]:
    """Sessions not in their wanted state, newest first; `unknown`: with those of which nobody
    knows what they have and that cannot be told."""
    values = {
        "before": before,
        "limit": limit,
        "proof": _PROOF,
        "unknown": unknown,
        "unknown_word": UNKNOWN,
    }
    return [_open(row) for row in await tx.execute(text(_OPEN), values)]


async def of_session(tx: Tx, session_id: int) -> Open | None:
    """What is wanted of one session that runs, done or not; None: nothing was ever sent."""
    found = [_open(row) for row in await tx.execute(text(_OF_SESSION), {"id": session_id})]
    return found[0] if found else None


async def online(tx: Tx, subscriber_id: int) -> int:
    """How many sessions of a subscriber are open: so many are looked after when he is changed."""
    count: int = (await tx.execute(text(_ONLINE), {"id": subscriber_id})).scalar_one()
    return count


def is_final(one: Open) -> bool:
    """Whether nothing more happens by itself and soon."""
    return one.state != State.DUE or one.rung == Rung.LOGIN


def _open(row: Any) -> Open:
    return Open(*row)
