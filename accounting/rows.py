"""What a batch made of groups, as rows; and which other sessions its new ones supersede.

The ordinary record changes a few columns of a session that are in no index, so sessions
go in two ways: the new and the newly described whole, all others by their counters.
"""

from collections.abc import Iterable
from operator import itemgetter
from typing import Final

import asyncpg

from accounting import staging
from accounting.closing import Dialled, superseded
from accounting.folded import Folded
from accounting.generations import Generation
from accounting.identity import SessionKey
from accounting.points import Mark
from accounting.reading import digest
from accounting.sessions import closed_by

_NAME: Final = itemgetter(0)
_GONE: Final = "DELETE FROM session WHERE id = ANY ($1::bigint[])"

_ANY_SILENT: Final = "SELECT EXISTS (SELECT FROM session WHERE silent_since IS NOT NULL)"
_HEARD_AGAIN: Final = """
UPDATE session SET silent_since = NULL
 WHERE id = ANY ($1::bigint[]) AND silent_since IS NOT NULL RETURNING id
"""

# The same device on the same port of the same NAS, still open.  OFFSET 0 and the missing word
# of the tenant leave PostgreSQL one way: from each new session to its device's open ones.
# Without statistics it read all open sessions of the NAS instead, for each of the new.
SAME_DEVICE: Final = """
SELECT o.tenant_id, o.nas_id, o.nas_reported, o.acct_session_id, o.class_nonce,
       n.nas_reported AS new_reported, n.acct_session_id AS new_acct_session_id,
       n.class_nonce AS new_class_nonce, n.stopped_at IS NULL AS new_is_open,
       o.calling_station, o.nas_port_id, o.multi_session_id,
       n.multi_session_id AS new_multi_session_id,
       extract(epoch FROM o.started_at)::bigint AS old_started_s,
       extract(epoch FROM n.started_at)::bigint AS new_started_s
  FROM unnest($1::bigint[]) AS fresh (id)
 CROSS JOIN LATERAL (SELECT * FROM session AS s WHERE s.id = fresh.id OFFSET 0) AS n
 CROSS JOIN LATERAL (
    SELECT * FROM session AS s
     WHERE s.nas_id = n.nas_id AND s.calling_station = n.calling_station
       AND s.stopped_at IS NULL AND s.calling_station <> '' OFFSET 0
 ) AS o
 WHERE o.nas_port_id = n.nas_port_id AND o.id <> n.id
"""


class Contended(Exception):
    """Another node made or changed one of the batch's groups meanwhile: do it again."""


class Rows:
    """What is to be written of groups; `add` each as soon as its owners are known."""

    def __init__(self) -> None:
        self.folded: list[Folded] = []
        self.new: list[staging.Row] = []
        self.known: list[staging.Row] = []
        self.seen: list[staging.Row] = []  # known, and not locked
        self.whole: list[staging.Row] = []
        self.counters: list[staging.Row] = []
        self.usage: list[staging.Row] = []
        self.history: list[staging.Row] = []
        self.gone: list[int] = []

    def add(self, one: Folded) -> None:
        """A group, with its sessions and its usage."""
        self.folded.append(one)
        group = one.group
        ids = one.session_ids
        name = one.name
        tenant_id = one.key.tenant_id
        version = one.version
        if version is not None:
            self.seen.append((name, one.sessions(), group.encode(), group.abouts, *version))
        else:
            row = (name, tenant_id, one.sessions(), group.encode(), group.abouts)
            (self.new if one.is_new else self.known).append(row)
        for number, g in one.changed.items():
            if number >= one.known or (one.described and group.knows(g)):
                self.whole.append(session_row(one, g))
            else:
                self.counters.append(_counters(one, g))
        for (number, begins_s, confidence), (received, sent, seconds) in one.usage.items():
            if received or sent or seconds:
                subscriber_id = one.subscribers[number] or None
                self.usage.append(
                    (
                        tenant_id, subscriber_id, ids[number], begins_s, confidence,
                        received, sent, seconds,
                    )
                )  # fmt: skip
        if one.gone:
            self.gone += [ids[number] for number in one.gone]
        if one.chunks:
            self.history += [
                (name, number, tenant_id, octets) for number, octets in one.chunks.items()
            ]


async def write_groups(connection: asyncpg.Connection, folded: Iterable[Folded]) -> set[int]:
    """`write` for groups whose owners are known."""
    rows = Rows()
    for one in folded:
        rows.add(one)
    return await write(connection, rows)


async def write(connection: asyncpg.Connection, rows: Rows) -> set[int]:
    """Store what became of groups, their sessions and their usage.

    Returns the sessions that had been silent and were heard of again.

    Raises:
        Contended: another transaction made or changed one of the groups meanwhile.
    """
    # The groups that exist before those that are made, and each in order, as who locks them first
    # does: so nobody waits for each other.
    rows.seen.sort(key=_NAME)
    if await staging.write(connection, "stage_seen_group", rows.seen) != len(rows.seen):
        raise Contended
    if await staging.write(connection, "stage_new_group", rows.new) != len(rows.new):
        raise Contended
    await staging.write(connection, "stage_group", rows.known)
    await staging.write(connection, "stage_session", rows.whole)
    if await staging.write(connection, "stage_counters", rows.counters) != len(rows.counters):
        await _bring_back(connection, rows.folded)
    await staging.write(connection, "stage_usage", rows.usage)
    await staging.write(connection, "stage_history", rows.history)
    if rows.gone:
        await connection.execute(_GONE, rows.gone)
    # Last: by now these sessions are ours until the commit, and nobody marks them any more.
    if not await connection.fetchval(_ANY_SILENT):
        return set()
    seen = [one.session_ids[number] for one in rows.folded for number in one.changed]
    return {row["id"] for row in await connection.fetch(_HEARD_AGAIN, seen)}


async def _bring_back(connection: asyncpg.Connection, folded: Iterable[Folded]) -> None:
    """Some session had been taken for part of another and is one again: write all whole."""
    await staging.empty(connection)
    whole = [session_row(one, g) for one in folded for g in one.changed.values()]
    await staging.write(connection, "stage_session", whole)


async def closed_by_redial(
    connection: asyncpg.Connection, folded: Iterable[Folded]
) -> dict[bytes, tuple[SessionKey, Mark]]:
    """The groups whose open session ended when one of the new sessions began, or the reverse."""
    fresh = [
        one.session_ids[number] for one in folded for number in one.changed if number >= one.known
    ]
    closing: dict[bytes, tuple[SessionKey, Mark]] = {}
    if not fresh:
        return closing
    for row in await connection.fetch(SAME_DEVICE, fresh):
        old_key = SessionKey(
            row["tenant_id"],
            row["nas_id"],
            row["nas_reported"],
            row["acct_session_id"],
            row["class_nonce"],
        )
        new_key = old_key._replace(
            reported=row["new_reported"],
            acct_session_id=row["new_acct_session_id"],
            class_nonce=row["new_class_nonce"],
        )
        if old_key == new_key:
            continue  # generations of one key are the group's own business
        station, port_id = row["calling_station"], row["nas_port_id"]
        old = Dialled(*old_key[:2], station, port_id, row["multi_session_id"], row["old_started_s"])
        new = Dialled(
            *old_key[:2], station, port_id, row["new_multi_session_id"], row["new_started_s"]
        )
        mark = superseded(old, new)
        if mark is not None:
            closing[digest(old_key)] = (old_key, mark)
        elif row["new_is_open"] and (mark := superseded(new, old)) is not None:
            closing[digest(new_key)] = (new_key, mark)
    return closing


def _counters(one: Folded, g: Generation) -> tuple[object, ...]:
    is_closed = bool(g.closed_by)
    return (
        one.session_ids[g.number],
        g.started_s,
        g.seen_s,
        g.stopped_s if is_closed else None,
        g.cause,
        closed_by(g),
        g.session_time_s,
        g.input_octets,
        g.output_octets,
        g.confidence,
        one.group.interval_s,
    )


def session_row(one: Folded, g: Generation) -> tuple[object, ...]:
    """All columns of a session's row, in the order of `stage_session`."""
    about = one.group.about(g)
    _, *counters = _counters(one, g)
    key = one.key
    return (
        one.session_ids[g.number],
        key.tenant_id,
        key.nas_id,
        key.reported,
        key.acct_session_id,
        key.class_nonce,
        g.number,
        one.subscribers[g.number] or None,
        about.user_name,
        about.calling_station_id,
        about.mac,
        about.circuit_id,
        about.nas_identifier,
        about.nas_address,
        about.nas_port,
        about.nas_port_id,
        about.framed_ipv4,
        about.framed_ipv6,
        about.delegated_ipv6,
        about.multi_session_id,
        *counters,
    )
