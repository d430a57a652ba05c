"""When a NAS was last heard: its logins by the decisions, its records by who counted them.

For a person who asks about one box.  A login that was decided a moment ago may still be on
its way to the database, and in a flood only some decisions are kept.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import text

from core.db import Tx

# There is no index of decisions by NAS: of a box that was silent for longer, nobody looks
# through a month of everybody's logins.
WITHIN: Final = timedelta(days=1)

_LOGIN: Final = """
SELECT at, outcome, reason FROM decision
 WHERE at >= :since AND nas_id = :nas_id ORDER BY at DESC, id DESC LIMIT 1
"""
_RECORD: Final = "SELECT max(until_at) FROM nas_heard WHERE nas_id = :nas_id"


@dataclass(frozen=True, slots=True)
class LastHeard:
    """None: not within a day, or of records within a week."""

    login_at: datetime | None
    login_outcome: str  # "accept", or why not
    record_at: datetime | None


async def of(tx: Tx, nas_id: int, *, now: datetime) -> LastHeard:
    """By any node."""
    login = (await tx.execute(text(_LOGIN), {"nas_id": nas_id, "since": now - WITHIN})).first()
    record_at = await tx.scalar(text(_RECORD), {"nas_id": nas_id})
    if login is None:
        return LastHeard(None, "", record_at)
    outcome = login.outcome if not login.reason else f"{login.outcome}, {login.reason}"
    return LastHeard(login.at, outcome, record_at)
