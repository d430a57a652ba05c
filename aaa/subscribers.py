"""Who may log in, and what is to be true of each: stored one at a time or by the hundred thousand.

A subscriber is spread over several tables (name and bindings, entitlement, credential,
holds); this puts them together for reading and takes them apart for writing.  Passwords
are `aaa.passwords`' business, suspensions `aaa.holds`'.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Network
from itertools import islice
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.dialects.postgresql import JSONB

from aaa import enforcement_jobs, subscriber_ways, ways
from core.db import Tx, copy_rows
from core.errors import NotFound

CHUNK: Final = 5_000
PAGE_MAX: Final = 1_000
LAST_CHARACTER: Final = "\U0010ffff"  # sorts behind every other; names hold it escaped only


class SubscriberNotFound(NotFound):
    """Nobody of this name, or not of this tenant."""


@dataclass(frozen=True, slots=True)
class SubscriberSpec:
    """A subscriber as an operator describes him, but for the password and the holds."""

    username: str  # exact, in the escaped form of `core.octets`
    profile: str | None  # its code; None: entitled to nothing
    valid_until: datetime | None = None
    when_suspended: str = "reject"  # reject | walled_garden
    bind_nas: tuple[str, ...] = ()  # names, sorted; empty: any
    bind_mac: tuple[str, ...] = ()  # 12 hex digits, sorted; empty: any
    static_ipv4: IPv4Address | None = None
    static_ipv6_prefix: IPv6Network | None = None
    delegated_ipv6: IPv6Network | None = None
    reply: Mapping[str, object] = field(default_factory=dict)
    quota_anchor: date | None = None  # None: the day on which he was first entitled to a plan
    access: str = ways.PPPOE
    # By what he is found beside his name, as `aaa.ways` writes it.
    line_nas: str | None = None  # whose names of a line these are; None: any NAS's
    line: str | None = None
    circuit_id: str | None = None
    remote_id: str | None = None
    onu_serial: str | None = None
    duid: str | None = None
    mac: str | None = None


def found_otherwise(spec: SubscriberSpec) -> bool:
    """Whether he can be found, and let in, without a name and a password."""
    return any(getattr(spec, field) is not None for field in ways.FIELDS)


@dataclass(frozen=True, slots=True)
class StandingHold:
    """A suspension as it stands; its source alone lifts it."""

    source: str
    effect: str
    reason: str
    since: datetime
    until: datetime | None

    def is_in_force(self, now: datetime) -> bool:
        return self.since <= now and (self.until is None or now < self.until)


@dataclass(frozen=True, slots=True)
class StoredSubscriber:
    """A subscriber with all that belongs to him; `sealed` is his credential."""

    id: int
    spec: SubscriberSpec
    sealed: bytes | None
    holds: tuple[StandingHold, ...]
    updated_at: datetime

    def hold_of(self, source: str) -> StandingHold | None:
        """The hold that this source has placed, whether or not it is in force now."""
        return next((hold for hold in self.holds if hold.source == source), None)


async def of_names(tx: Tx, usernames: Collection[str]) -> dict[str, StoredSubscriber]:
    """Those of these names that exist, by name."""
    found: dict[str, StoredSubscriber] = {}
    names = iter(usernames)
    while chunk := list(islice(names, CHUNK)):
        rows = await tx.execute(_query("s.username = ANY(:names)"), {"names": chunk})
        found.update((row.username, _stored(row)) for row in rows)
    return found


async def get(tx: Tx, username: str) -> StoredSubscriber:
    """The subscriber of exactly this name.

    Raises:
        SubscriberNotFound: there is none.
    """
    found = await of_names(tx, [username])
    if not found:
        raise SubscriberNotFound(f"there is no subscriber {username}")
    return found[username]


async def names_of(tx: Tx, ids: Collection[int]) -> dict[int, str]:
    """The names of those of these ids that exist."""
    rows = await tx.execute(
        text("SELECT id, username FROM subscriber WHERE id = ANY(:ids)"), {"ids": list(ids)}
    )
    return {row.id: row.username for row in rows}


async def page(
    tx: Tx, *, prefix: str = "", after: str = "", limit: int = 100
) -> list[StoredSubscriber]:
    """The next `limit` subscribers whose name begins with `prefix`, by name, beyond `after`."""
    assert 1 <= limit <= PAGE_MAX
    rows = await tx.execute(
        _query("s.username >= :prefix AND s.username < :beyond AND s.username > :after", limit),
        {"prefix": prefix, "beyond": prefix + LAST_CHARACTER, "after": after},
    )
    return [_stored(row) for row in rows]


async def put(
    tx: Tx, tenant_id: int, specs: Sequence[SubscriberSpec], *, now: datetime
) -> dict[str, int]:
    """Make the subscribers of these names what `specs` say, and return their ids by name.

    Each name may be there once.  Passwords and holds stay as they are.

    Raises:
        NotFound: a profile or a NAS that is named does not exist.
        WayTaken: somebody else is found by what one of them is to be found by.
    """
    if not specs:
        return {}
    await tx.execute(text("DROP TABLE IF EXISTS pg_temp.put_subscriber"))
    await tx.execute(text(_STAGE))
    await copy_rows(tx, "put_subscriber", _STAGE_COLUMNS, _staged(specs))
    await tx.execute(text("ANALYZE put_subscriber"))
    await _refuse_unknown(tx)
    await subscriber_ways.vacate(tx, tenant_id)
    facts = {"tenant_id": tenant_id, "now": now}
    for statement in _PUT:
        await tx.execute(
            text(statement), facts if ":now" in statement else {"tenant_id": tenant_id}
        )
    rows = await tx.execute(text("SELECT username, id FROM pg_temp.put_subscriber"))
    ids = {row.username: row.id for row in rows}
    await enforcement_jobs.leave(tx, tenant_id, ids.values(), "subscriber")
    return ids


async def remove(tx: Tx, username: str) -> None:
    """Forget the subscriber, with password, entitlement and holds.

    Raises:
        SubscriberNotFound: there is none of that name.
    """
    statement = text("DELETE FROM subscriber WHERE username = :username RETURNING tenant_id, id")
    gone = (await tx.execute(statement, {"username": username})).one_or_none()
    if gone is None:
        raise SubscriberNotFound(f"there is no subscriber {username}")
    await enforcement_jobs.leave(tx, gone.tenant_id, [gone.id], "removed")


def _query(where: str, limit: int | None = None) -> Any:
    return text(
        f"""
        SELECT s.id, s.username, s.when_suspended, s.bind_mac, s.static_ipv4,
               s.static_ipv6_prefix, s.delegated_ipv6, s.reply, s.quota_anchor, s.updated_at,
               s.access, s.line, s.circuit_id, s.remote_id, s.onu_serial, s.duid, s.mac,
               (SELECT n.name FROM nas n WHERE n.id = s.line_nas_id) AS line_nas,
               p.code AS profile, e.valid_until, c.sealed,
               ARRAY(SELECT n.name FROM subscriber_nas b JOIN nas n ON n.id = b.nas_id
                     WHERE b.subscriber_id = s.id ORDER BY n.name) AS bind_nas,
               (SELECT jsonb_agg(jsonb_build_array(h.source, h.effect, h.reason, h.since, h.until)
                                 ORDER BY h.source)
                FROM hold h WHERE h.subscriber_id = s.id) AS holds
        FROM subscriber s
        LEFT JOIN entitlement e ON e.subscriber_id = s.id
        LEFT JOIN profile p ON p.id = e.profile_id
        LEFT JOIN credential c ON c.subscriber_id = s.id
        WHERE {where} ORDER BY s.username {"" if limit is None else f"LIMIT {limit}"}
        """  # noqa: S608 - made of the two conditions above and a number
    ).columns(reply=JSONB, holds=JSONB)


def _stored(row: Row[Any]) -> StoredSubscriber:
    holds = tuple(
        StandingHold(source, effect, reason, _moment(since), _moment(until) if until else None)
        for source, effect, reason, since, until in row.holds or ()
    )
    spec = SubscriberSpec(
        username=row.username,
        profile=row.profile,
        valid_until=row.valid_until,
        when_suspended=row.when_suspended,
        bind_nas=tuple(row.bind_nas),
        bind_mac=tuple(sorted(row.bind_mac)),
        static_ipv4=row.static_ipv4,
        static_ipv6_prefix=row.static_ipv6_prefix,
        delegated_ipv6=row.delegated_ipv6,
        reply=row.reply,
        quota_anchor=row.quota_anchor,
        access=row.access,
        line_nas=row.line_nas,
        line=row.line,
        circuit_id=row.circuit_id,
        remote_id=row.remote_id,
        onu_serial=row.onu_serial,
        duid=row.duid,
        mac=row.mac,
    )
    return StoredSubscriber(row.id, spec, row.sealed, holds, row.updated_at)


def _moment(iso: str) -> datetime:
    return datetime.fromisoformat(iso)


def _staged(specs: Sequence[SubscriberSpec]) -> Iterator[tuple[object, ...]]:
    for spec in specs:
        yield (
            spec.username,
            spec.when_suspended,
            list(spec.bind_mac),
            spec.static_ipv4,
            spec.static_ipv6_prefix,
            spec.delegated_ipv6,
            json.dumps(dict(spec.reply)),
            spec.profile,
            spec.valid_until,
            list(spec.bind_nas),
            spec.quota_anchor,
            spec.access,
            spec.line_nas,
            *[getattr(spec, field) for field in ways.FIELDS],
        )


_STAGE_COLUMNS = (
    "username",
    "when_suspended",
    "bind_mac",
    "static_ipv4",
    "static_ipv6_prefix",
    "delegated_ipv6",
    "reply",
    "profile",
    "valid_until",
    "bind_nas",
    "quota_anchor",
    "access",
    "line_nas",
    *ways.FIELDS,
)

_STAGE = """
CREATE TEMP TABLE put_subscriber (
    id bigint, username text COLLATE "C" PRIMARY KEY, when_suspended text, bind_mac text[],
    static_ipv4 inet, static_ipv6_prefix cidr, delegated_ipv6 cidr, reply text,
    profile text COLLATE "C", valid_until timestamptz, bind_nas text[] COLLATE "C",
    quota_anchor date, access text, line_nas text COLLATE "C", line text COLLATE "C",
    circuit_id text COLLATE "C", remote_id text COLLATE "C", onu_serial text COLLATE "C",
    duid text COLLATE "C", mac text COLLATE "C"
) ON COMMIT DROP
"""

_PUT = (
    """
    INSERT INTO subscriber AS s (tenant_id, username, when_suspended, bind_mac, static_ipv4,
        static_ipv6_prefix, delegated_ipv6, reply, quota_anchor, access, line_nas_id, line,
        circuit_id, remote_id, onu_serial, duid, mac, created_at, updated_at)
    SELECT :tenant_id, username, when_suspended, bind_mac, static_ipv4,
        static_ipv6_prefix, delegated_ipv6, reply::jsonb, quota_anchor, access,
        (SELECT n.id FROM nas n WHERE n.tenant_id = :tenant_id AND n.name = line_nas), line,
        circuit_id, remote_id, onu_serial, duid, mac, :now, :now
    FROM pg_temp.put_subscriber ORDER BY username
    ON CONFLICT (tenant_id, username) DO UPDATE SET
        when_suspended = EXCLUDED.when_suspended, bind_mac = EXCLUDED.bind_mac,
        static_ipv4 = EXCLUDED.static_ipv4, static_ipv6_prefix = EXCLUDED.static_ipv6_prefix,
        delegated_ipv6 = EXCLUDED.delegated_ipv6, reply = EXCLUDED.reply,
        quota_anchor = EXCLUDED.quota_anchor, access = EXCLUDED.access,
        line_nas_id = EXCLUDED.line_nas_id, line = EXCLUDED.line,
        circuit_id = EXCLUDED.circuit_id, remote_id = EXCLUDED.remote_id,
        onu_serial = EXCLUDED.onu_serial, duid = EXCLUDED.duid, mac = EXCLUDED.mac,
        updated_at = EXCLUDED.updated_at
    """,
    """
    UPDATE pg_temp.put_subscriber p SET id = s.id
    FROM subscriber s WHERE s.tenant_id = :tenant_id AND s.username = p.username
    """,
    """
    INSERT INTO entitlement AS e (subscriber_id, tenant_id, profile_id, valid_until, made_at)
    SELECT p.id, :tenant_id, f.id, p.valid_until, :now
    FROM pg_temp.put_subscriber p JOIN profile f ON f.tenant_id = :tenant_id AND f.code = p.profile
    ORDER BY p.id
    ON CONFLICT (subscriber_id) DO UPDATE SET
        profile_id = EXCLUDED.profile_id, valid_until = EXCLUDED.valid_until
    WHERE (e.profile_id, e.valid_until)
        IS DISTINCT FROM (EXCLUDED.profile_id, EXCLUDED.valid_until)
    """,
    """
    DELETE FROM entitlement e USING pg_temp.put_subscriber p
    WHERE e.tenant_id = :tenant_id AND e.subscriber_id = p.id AND p.profile IS NULL
    """,
    """
    DELETE FROM subscriber_nas b USING pg_temp.put_subscriber p, nas n
    WHERE b.tenant_id = :tenant_id AND b.subscriber_id = p.id AND n.id = b.nas_id
      AND n.name <> ALL (p.bind_nas)
    """,
    """
    INSERT INTO subscriber_nas (subscriber_id, nas_id, tenant_id)
    SELECT p.id, n.id, :tenant_id
    FROM pg_temp.put_subscriber p CROSS JOIN unnest(p.bind_nas) AS bound (name)
    JOIN nas n ON n.tenant_id = :tenant_id AND n.name = bound.name
    ON CONFLICT DO NOTHING
    """,
)


async def _refuse_unknown(tx: Tx) -> None:
    profile = await tx.execute(
        text(
            "SELECT p.username, p.profile AS name FROM pg_temp.put_subscriber p"
            " WHERE p.profile IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM profile f WHERE f.code = p.profile) LIMIT 1"
        )
    )
    for row in profile:
        raise NotFound(f"subscriber {row.username}: there is no plan {row.name}")
    nas = await tx.execute(
        text(
            "SELECT p.username, bound.name FROM pg_temp.put_subscriber p"
            " CROSS JOIN unnest(p.bind_nas || p.line_nas) AS bound (name)"
            " WHERE bound.name IS NOT NULL"
            " AND NOT EXISTS (SELECT FROM nas n WHERE n.name = bound.name) LIMIT 1"
        )
    )
    for row in nas:
        raise NotFound(f"subscriber {row.username}: there is no NAS {row.name}")
