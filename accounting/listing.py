"""Sessions for those who ask: found by key, newest first, a page at a time.

A page costs the same at ten sessions and at ten million: each filter is an equality that
an index begins with, and the next page begins behind the last id.  (Under row-level
security neither LIKE nor a trigram index would help.)

Knows subscribers by id only; whoever shows a session adds the name.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Interface
from typing import Any, Final

from sqlalchemy import BigInteger, Row, Select, cast, func, select

from accounting.counters import GOOD, LOW, QUARANTINE
from accounting.models import Session
from core.db import TENANT_SETTING, Tx
from core.errors import NotFound
from nas_adapters.models import Nas

PAGE_MAX: Final = 1_000
ID_MAX: Final = 2**63 - 1

CONFIDENCES: Final = {GOOD: "good", LOW: "low", QUARANTINE: "quarantine"}


class SessionNotFound(NotFound):
    """No session of this id, or not of this tenant."""


@dataclass(frozen=True, slots=True)
class StoredSession:
    """A session as its packets so far have it; names are escaped text, empty if not told."""

    nas: str | None  # its name; None: there is no such NAS any more
    id: int
    nas_id: int
    nas_reported: str
    acct_session_id: str
    class_nonce: str
    generation: int
    subscriber_id: int | None
    username: str
    calling_station: str
    mac: str
    circuit_id: str
    nas_identifier: str
    nas_address: str
    nas_port: int | None
    nas_port_id: str
    framed_ip: IPv4Address | None
    framed_ipv6: IPv6Address | IPv6Interface | None  # an interface stands for a prefix
    delegated_ipv6: IPv6Address | IPv6Interface | None
    multi_session_id: str
    started_at: datetime
    last_seen_at: datetime
    stopped_at: datetime | None
    terminate_cause: int  # `accounting.terminate_causes`
    closed_by: str  # `accounting.generations.CLOSED_BY`
    session_time_s: int
    input_octets: int
    output_octets: int
    confidence: int  # `CONFIDENCES`


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sessions to list: all that is given must hold."""

    username: str | None = None  # exact
    nas_id: int | None = None
    acct_session_id: str | None = None  # exact
    open_only: bool = False


async def page(
    tx: Tx, wanted: Wanted = Wanted(), *, before: int = ID_MAX, limit: int = 100
) -> list[StoredSession]:
    """The next `limit` sessions, newest first, of those older than the id `before`."""
    assert 1 <= limit <= PAGE_MAX
    query = query_for(wanted, before).order_by(Session.id.desc()).limit(limit)
    return stored(await tx.execute(query))


async def get(tx: Tx, session_id: int) -> StoredSession:
    """The session of this id.

    Raises:
        SessionNotFound: there is none.
    """
    found = stored(await tx.execute(SESSIONS.where(Session.id == session_id)))
    if not found:
        raise SessionNotFound(f"there is no session {session_id}")
    return found[0]


def query_for(wanted: Wanted, before: int) -> Select[Any]:
    query = SESSIONS
    if before < ID_MAX:
        query = query.where(Session.id < before)
    if wanted.username is not None:
        query = query.where(Session.username == wanted.username)
    if wanted.nas_id is not None:
        query = query.where(Session.nas_id == wanted.nas_id)
    if wanted.acct_session_id is not None:
        query = query.where(Session.acct_session_id == wanted.acct_session_id)
    if wanted.open_only:
        query = query.where(Session.stopped_at.is_(None))
    return query


def stored(rows: Iterable[Row[Any]]) -> list[StoredSession]:
    """The rows of `SESSIONS`."""
    return [StoredSession(*iter(row)) for row in rows]


# Row-level security asks for the same, in a way that hides the tenant from the planner: it
# takes all tenants for equally large, and would look for the sessions of a small one by
# reading those of the others.
_OF_TENANT: Final = Session.tenant_id == cast(
    func.nullif(func.current_setting(TENANT_SETTING, True), ""), BigInteger
)

# The NAS's name as a subquery and no join: asked for the rows of the page alone.
SESSIONS: Final[Select[Any]] = select(
    select(Nas.name).where(Nas.id == Session.nas_id).scalar_subquery(),
    *(getattr(Session, field.name) for field in fields(StoredSession)[1:]),
).where(_OF_TENANT)
