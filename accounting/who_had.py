"""Which sessions had an address at a moment, and how sure that is (domain: privacy §4).

What a session's packets prove ends with the last of them: behind it, it goes on likely
but not certainly, and where no Stop ever told the end nobody knows it.  An address is
that of the session's latest report; a NAS that hands out another in mid-session is not
seen here, but in the raw records.

Several sessions may claim an address at once: private addresses behind several boxes, or
a session that was never closed.  All are told, each with the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Any, Final

from sqlalchemy import ARRAY, Column, ColumnElement, Select, cast, func, or_, select, true
from sqlalchemy.dialects.postgresql import INET
from sqlalchemy.orm import InstrumentedAttribute

from accounting.closing import STALE_MIN_S
from accounting.generations import BY_STOP, CLOSED_BY
from accounting.listing import SESSIONS, StoredSession, stored
from accounting.models import Session
from accounting.points import BY_REAPER
from core.db import Tx

CLAIMS_MAX: Final = 1_000

# So long after its last report a session that fell silent may still have gone on: it
# takes the reaper at least this time to call it over.
SILENCE_MAX: Final = timedelta(seconds=STALE_MIN_S)


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
        for session in stored(await tx.execute(_query(column, address, moment, limit))):
            if (sure := certainty(session, moment)) is not None:
                found[session.id] = session, column.key, sure
    claims = [
        Claim(session, matched, sure, tuple(sorted(found.keys() - {session.id})))
        for session, matched, sure in found.values()
    ]
    return sorted(claims, key=_order)[:limit]


def certainty(session: StoredSession, moment: datetime) -> Certainty | None:
    """How sure it is that the session was there at `moment`; None: it was not."""
    if moment < session.started_at:
        return None
    heard = moment <= session.last_seen_at
    if session.stopped_at is None:
        return Certainty.CERTAIN if heard else Certainty.LIKELY
    if session.closed_by == CLOSED_BY[BY_STOP]:
        if moment > session.stopped_at:
            return None
        return Certainty.CERTAIN if heard else Certainty.LIKELY
    end = max(session.stopped_at, session.last_seen_at)
    if session.closed_by == CLOSED_BY[BY_REAPER]:
        end += SILENCE_MAX
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
        SESSIONS.where(column == within.c.prefix, *_during(moment))
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
            Session.stopped_at >= moment - SILENCE_MAX,
            Session.last_seen_at >= moment,
        ),
    )


def _order(claim: Claim) -> tuple[bool, float, int]:
    session = claim.session
    return claim.certainty is not Certainty.CERTAIN, -session.started_at.timestamp(), session.id
