"""Which sessions had an address at a moment, and how sure that is (domain: privacy §4).

What a session's packets prove ends with the last of them: behind it, it goes on likely
but not certainly, and where no Stop ever told the end nobody knows it: it is likely until
what showed that it was over, and if that was silence, until the reaper would have believed
it.  (It is billed until its last report: that is another question.)  An address is
that of the session's latest report; a NAS that hands out another in mid-session is not
seen here, but in the raw records.

Several sessions may claim an address at once: private addresses behind several boxes, or
a session that was never closed.  All are told, each with the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    ScalarSelect,
    Select,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import InstrumentedAttribute, aliased

from accounting.closing import STALE_INTERVALS, STALE_MIN_S
from accounting.generations import BY_NEXT, BY_STOP, CLOSED_BY
from accounting.listing import SESSIONS, StoredSession
from accounting.models import NasMark, Session
from accounting.points import BY_ACCOUNTING_OFF, BY_ACCOUNTING_ON, BY_REAPER, BY_REDIAL
from core.db import Tx

CLAIMS_MAX: Final = 1_000


def _scalar(query: Select[Any]) -> ScalarSelect[Any]:
    return query.correlate(Session).scalar_subquery()


_NEXT: Final = aliased(Session)
_DIALLED_AGAIN: Final = (
    select(_NEXT.started_at)
    .where(
        _NEXT.tenant_id == Session.tenant_id,
        _NEXT.username == Session.username,
        _NEXT.nas_id == Session.nas_id,
        _NEXT.calling_station == Session.calling_station,
        _NEXT.started_at > Session.started_at,
        _NEXT.id > Session.id,
    )
    .order_by(_NEXT.id)
    .limit(1)
)
_USED_AGAIN: Final = select(_NEXT.started_at).where(
    _NEXT.tenant_id == Session.tenant_id,
    _NEXT.acct_session_id == Session.acct_session_id,
    _NEXT.nas_id == Session.nas_id,
    _NEXT.nas_reported == Session.nas_reported,
    _NEXT.class_nonce == Session.class_nonce,
    _NEXT.generation == Session.generation + 1,
)
_RESTARTED: Final = select(func.to_timestamp(func.min(NasMark.at_s))).where(
    NasMark.tenant_id == Session.tenant_id,
    NasMark.nas_id == Session.nas_id,
    NasMark.nas_reported == Session.nas_reported,
    NasMark.at_s > func.extract("epoch", Session.last_seen_at),
)
# Until when a session that no Stop closed may have gone on: so long the reaper takes at least
# to call it over, or until what showed that it was.
OVER_AT: Final = case(
    (
        Session.closed_by == CLOSED_BY[BY_REAPER],
        Session.stopped_at
        + func.make_interval(
            0, 0, 0, 0, 0, 0, func.greatest(STALE_INTERVALS * Session.interval_s, STALE_MIN_S)
        ),
    ),
    (Session.closed_by == CLOSED_BY[BY_REDIAL], _scalar(_DIALLED_AGAIN)),
    (Session.closed_by == CLOSED_BY[BY_NEXT], _scalar(_USED_AGAIN)),
    (
        Session.closed_by.in_((CLOSED_BY[BY_ACCOUNTING_ON], CLOSED_BY[BY_ACCOUNTING_OFF])),
        _scalar(_RESTARTED),
    ),
)


class Certainty(StrEnum):
    """Whether the session had its address at the moment."""

    CERTAIN = "certain"
    LIKELY = "likely"


@dataclass(frozen=True, slots=True)
class Claim:
    """A session that had the address; `overlaps` are the ids of the others that did."""

    session: StoredSession
    matched: str  # the column that the address is or lies in
    certainty: Certainty
    overlaps: tuple[int, ...]


async def at(
    tx: Tx, address: IPv4Address | IPv6Address, moment: datetime, *, limit: int = CLAIMS_MAX
) -> list[Claim]:
    """The sessions that had `address` at `moment`: the certain first, then the latest first.

    An IPv6 address is had by those whose framed or delegated prefix contains it, too.
    """
    assert 1 <= limit <= CLAIMS_MAX
    columns: Sequence[InstrumentedAttribute[Any]] = (Session.framed_ip,)
    if isinstance(address, IPv6Address):
        columns = (Session.framed_ipv6, Session.delegated_ipv6)
    found: dict[int, tuple[StoredSession, str, Certainty]] = {}
    for column in columns:
        for *values, over_at in await tx.execute(_query(column, address, moment, limit)):
            session = StoredSession(*values)
            if (sure := certainty(session, moment, over_at)) is not None:
                found[session.id] = session, column.key, sure
    claims = [
        Claim(session, matched, sure, tuple(sorted(found.keys() - {session.id})))
        for session, matched, sure in found.values()
    ]
    return sorted(claims, key=_order)[:limit]


def certainty(
    session: StoredSession, moment: datetime, over_at: datetime | None
) -> Certainty | None:
    """How sure it is that the session was there at `moment`; None: it was not.

    `over_at` is when something else than its Stop showed that it was over.
    """
    if moment < session.started_at:
        return None
    heard = moment <= session.last_seen_at
    if session.stopped_at is None:
        return Certainty.CERTAIN if heard else Certainty.LIKELY
    if session.closed_by == CLOSED_BY[BY_STOP]:
        if moment > session.stopped_at:
            return None
        return Certainty.CERTAIN if heard else Certainty.LIKELY
    end = max(session.stopped_at, session.last_seen_at, over_at or session.stopped_at)
    return Certainty.LIKELY if moment <= end else None


def _query(
    column: InstrumentedAttribute[Any],
    address: IPv4Address | IPv6Address,
    moment: datetime,
    limit: int,
) -> Select[Any]:
    """The latest sessions whose `column` is the address or a prefix that contains it.

    Asked for each prefix by itself, for equality: the operator for "contains" would read
    every session, and so might a list of them all.
    """
    within = (
        func.unnest(cast(_prefixes(address), ARRAY(INET)))
        .table_valued(Column("prefix", INET))
        .render_derived(name="within")
    )
    of_one = (
        SESSIONS.add_columns(OVER_AT.label("over_at"))
        .where(column == within.c.prefix, *_during(moment))
        .order_by(Session.started_at.desc())
        .limit(limit)
        .lateral()
    )
    return select(*of_one.c).select_from(within.join(of_one, true())).limit(limit)


def _prefixes(address: IPv4Address | IPv6Address) -> list[str]:
    """The address, and where it has 128 bits also all prefixes that contain it."""
    if isinstance(address, IPv4Address):
        return [str(address)]
    lengths = range(address.max_prefixlen - 1, 0, -1)
    return [str(address), *(str(ip_network((address, n), strict=False)) for n in lengths)]


def _during(moment: datetime) -> tuple[ColumnElement[bool], ...]:
    """No session that `certainty` would name is left out."""
    return (
        Session.started_at <= moment,
        or_(
            Session.stopped_at.is_(None),
            Session.stopped_at >= moment,
            Session.last_seen_at >= moment,
            literal(moment) <= OVER_AT,
        ),
    )


def _order(claim: Claim) -> tuple[bool, float, int]:
    session = claim.session
    return claim.certainty is not Certainty.CERTAIN, -session.started_at.timestamp(), session.id
