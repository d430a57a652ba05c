"""What was decided and why, for those who ask afterwards.  Reading only: nodes write it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select, tuple_

from aaa.models import Decision
from core.db import Tx

LIMIT_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class PastDecision:
    """One answer, with the trace that led to it: (rule, input, result)."""

    id: int
    at: datetime
    username: str
    nas_name: str
    calling_station: str
    outcome: str
    reason: str
    method: str
    trace: tuple[tuple[str, str, str], ...]


async def recent(
    tx: Tx, username: str | None = None, limit: int = 50, *, before: int | None = None
) -> list[PastDecision]:
    """The latest decisions, newest first; of one name if given, and behind one of this id."""
    assert 1 <= limit <= LIMIT_MAX
    query = select(Decision).order_by(Decision.at.desc(), Decision.id.desc()).limit(limit)
    if username is not None:
        query = query.where(Decision.username == username)
    if before is not None:
        there = select(Decision.at, Decision.id).where(Decision.id == before).scalar_subquery()
        query = query.where(tuple_(Decision.at, Decision.id) < there)
    return [_past(row) for row in await tx.scalars(query)]


def _past(row: Decision) -> PastDecision:
    steps = [step for step in row.trace if isinstance(step, list) and len(step) == 3]
    return PastDecision(
        id=row.id,
        at=row.at,
        username=row.username,
        nas_name=row.nas_name,
        calling_station=row.calling_station,
        outcome=row.outcome,
        reason=row.reason,
        method=row.method,
        trace=tuple((str(rule), str(said), str(result)) for rule, said, result in steps),
    )
