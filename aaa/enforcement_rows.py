"""The table of enforcement as the jobs process reads and writes it: set by set, as a node.

Knows no rule: what is wanted is `enforcement`'s business, what follows from an answer the
ladder's.  Two may write one row at a time, a new wish and the result of the older one: the
wish has a version, and a result that comes too late says only what the session has by now.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from aaa import enforcement_sql as sql
from aaa.enforcement import Known, Live, Rung, State
from aaa.enforcement_belief import Report, Told
from aaa.enforcement_ladder import After, Task
from core.db import NodeDatabase, raw
from nas_adapters.base import SessionRef
from nas_adapters.profile import ServiceProfile


@dataclass(frozen=True, slots=True)
class Wish:
    """A session, and what it is to have from now on."""

    session: Live
    wanted: str
    service: str
    reason: str
    profile: ServiceProfile | None
    applied_profile: ServiceProfile | None
    rung: Rung


class Due(NamedTuple):
    """A task and the session that it is about; None: that is over."""

    task: Task
    tenant_id: int
    session: SessionRef | None
    last: Report | None
    is_reused: bool  # somebody else's session has its id by now


class Result(NamedTuple):
    """What came of a task, to whom it was sent, and what."""

    due: Due
    after: After
    target: str = ""
    request: str = ""
    rtt_s: float | None = None


class Awaited(NamedTuple):
    """An acknowledged task whose session has reported since."""

    task: Task
    tenant_id: int
    nas_id: int
    told: Told
    last: Report


class Over(NamedTuple):
    """A session that ended, and what was wanted of it."""

    session_id: int
    tenant_id: int
    nas_id: int
    service: str
    state: str


class Rows:
    """Each call is one transaction, or one statement in that of the caller."""

    def __init__(self, node: NodeDatabase) -> None:
        self._node = node

    async def of_subscribers(self, ids: Sequence[int]) -> list[Live]:
        return [_live(row) for row in await self._fetch(sql.OF_SUBSCRIBERS, list(ids))]

    async def of_profile(
        self, tenant_id: int, profile_id: int, after: int, limit: int
    ) -> list[Live]:
        return [
            _live(row)
            for row in await self._fetch(sql.OF_PROFILE, tenant_id, profile_id, after, limit)
        ]

    async def open_of(self, tenant_id: int, after: int, limit: int) -> list[Live]:
        return [_live(row) for row in await self._fetch(sql.OPEN, tenant_id, after, limit)]

    async def newer(self, after: int, limit: int) -> list[Live]:
        """Of all tenants, those that began of late."""
        return [_live(row) for row in await self._fetch(sql.NEWER, after, limit)]

    async def one(self, tenant_id: int, session_id: int) -> Live | None:
        rows = await self._fetch(sql.ONE, tenant_id, session_id)
        return _live(rows[0]) if rows else None

    async def still_there(self, subscriber_ids: Sequence[int]) -> set[int]:
        """Those of these subscribers that the database has."""
        return {row["id"] for row in await self._fetch(sql.STILL_THERE, list(subscriber_ids))}

    async def due_by_time(self, after: datetime, until: datetime) -> list[int]:
        """Subscribers online, for whom time itself changed something between the two."""
        return [row["subscriber_id"] for row in await self._fetch(sql.DUE_BY_TIME, after, until)]

    async def crowding(self, after: int) -> list[int]:
        """Subscribers with a session above this id, whose newest sessions push out the oldest."""
        return [row["subscriber_id"] for row in await self._fetch(sql.CROWDING, after)]

    async def newest(self) -> int:
        """The highest id of a session so far."""
        found: int = (await self._fetch(sql.NEWEST))[0]["id"]
        return found

    async def tenants(self) -> list[int]:
        return [row["tenant_id"] for row in await self._fetch(sql.TENANTS)]

    async def wish(
        self,
        wishes: Sequence[Wish],
        *,
        state: State = State.DUE,
        forgets: bool = False,
        undoes: bool = False,
    ) -> None:
        """Store them, each in the place of an older one.

        `forgets` what their sessions have; `undoes`: they may have what the older one wanted.
        """
        if not wishes:
            return
        await self._execute(
            sql.WISH,
            [w.session.id for w in wishes],
            [w.session.tenant_id for w in wishes],
            [w.session.nas_id for w in wishes],
            [w.session.subscriber_id or None for w in wishes],
            [w.wanted for w in wishes],
            [w.service for w in wishes],
            [w.reason for w in wishes],
            [encoded(w.profile) for w in wishes],
            ["" if forgets else w.session.applied for w in wishes],
            [None if forgets else encoded(w.applied_profile) for w in wishes],
            [w.rung for w in wishes],
            forgets,
            state,
            undoes,
        )

    async def due_nases(self) -> list[int]:
        return [row["nas_id"] for row in await self._fetch(sql.DUE_NASES)]

    async def due(self, nas_id: int, but: Iterable[int], limit: int) -> list[Due]:
        return [_due(row) for row in await self._fetch(sql.DUE, nas_id, list(but), limit)]

    async def store(self, results: Sequence[Result]) -> None:
        columns: list[list[Any]] = [
            list(column) for column in zip(*map(_result, results), strict=True)
        ]
        if columns:
            await self._execute(sql.RESULT, *columns)

    async def forget(self, session_ids: Sequence[int]) -> None:
        if session_ids:
            await self._execute(sql.FORGET, list(session_ids))

    async def over(self, *, all_of_them: bool) -> list[Over]:
        """Forget the rows of sessions that ended; those that are done only on request."""
        return [Over(*row) for row in await self._fetch(sql.OVER, all_of_them)]

    async def note(self, nas_id: int, why: str) -> None:
        """What waits for this NAS, and was not tried yet, waits for this reason."""
        await self._execute(sql.NOTE, nas_id, why)

    async def told(self, after: int, limit: int) -> list[Awaited]:
        """Acknowledged or said not to be there, and reported since."""
        return [_awaited(row) for row in await self._fetch(sql.TOLD, after, limit)]

    async def judged(self, judged: Sequence[tuple[Awaited, After]]) -> None:
        if judged:
            await self._execute(
                sql.JUDGED,
                [one.task.session_id for one, _ in judged],
                [one.task.version for one, _ in judged],
                [after.state for _, after in judged],
                [after.rung for _, after in judged],
                [after.cause for _, after in judged],
                [after.wait_s for _, after in judged],
                [after.is_unclear for _, after in judged],
            )

    async def looked(self, looked: Sequence[Awaited]) -> None:
        if looked:
            await self._execute(
                sql.LOOKED,
                [one.task.session_id for one in looked],
                [one.task.version for one in looked],
                [one.last.at for one in looked],
                [one.last.input_octets for one in looked],
                [one.last.output_octets for one in looked],
            )

    async def revive(self) -> int:
        return len(await self._fetch(sql.REVIVE))

    async def counts(self) -> dict[str, int]:
        return {row["state"]: row["rows"] for row in await self._fetch(sql.COUNTS)}

    async def _fetch(self, statement: str, *values: object) -> list[asyncpg.Record]:
        async with self._node.transaction() as tx:
            found: list[asyncpg.Record] = await (await raw(tx)).fetch(statement, *values)
        return found

    async def _execute(self, statement: str, *values: object) -> None:
        async with self._node.transaction() as tx:
            await (await raw(tx)).execute(statement, *values)


def encoded(profile: ServiceProfile | None) -> str | None:
    """As the table has it."""
    return None if profile is None else msgspec.json.encode(profile, enc_hook=str).decode()


def decoded(text: str | None) -> ServiceProfile | None:
    """None as well where another version wrote what this one cannot read."""
    try:
        return None if text is None else _decoder.decode(text)
    except msgspec.DecodeError:
        return None


_decoder: Final = msgspec.json.Decoder(ServiceProfile, dec_hook=lambda kind, value: kind(value))


def _live(row: asyncpg.Record) -> Live:
    number, tenant_id, nas_id, subscriber_id, nonce, mac, wanted, reason, applied, state = row
    known = None if wanted is None else Known(wanted, reason, applied, state)
    return Live(number, tenant_id, nas_id, subscriber_id or 0, nonce, mac, known)


def _task(row: asyncpg.Record) -> Task:
    return Task(
        session_id=row["session_id"],
        version=row["version"],
        wanted=row["wanted"],
        service=row["service"],
        reason=row["reason"],
        profile=decoded(row["profile"]),
        applied=row["applied"],
        applied_profile=decoded(row["applied_profile"]),
        rung=Rung(row["rung"]),
        attempts=row["attempts"],
        cause=row["cause"],
    )


def _due(row: asyncpg.Record) -> Due:
    if row["open_id"] is None:
        return Due(_task(row), row["tenant_id"], None, None, False)
    nonce, subscriber_id = row["class_nonce"], row["subscriber_id"]
    session = SessionRef(
        acct_session_id=row["acct_session_id"],
        user_name=row["username"],
        framed_ip=row["framed_ip"] or "",
        framed_ipv6=row["framed_ipv6"] or "",
        delegated_ipv6=row["delegated_ipv6"] or "",
        calling_station=row["calling_station"],
        nas_port=row["nas_port"],
        nas_port_id=row["nas_port_id"],
        multi_session_id=row["multi_session_id"],
        nas_identifier=row["nas_identifier"],
        nas_address=row["nas_address"],
        class_=(b"ai:%016x%s" % (subscriber_id, nonce.encode()),)
        if nonce and subscriber_id
        else (),
    )
    last = Report(row["last_seen_at"], row["input_octets"], row["output_octets"])
    return Due(_task(row), row["tenant_id"], session, last, row["is_reused"])


def _awaited(row: asyncpg.Record) -> Awaited:
    task = _task(row)
    before = Report(row["seen_at"], row["seen_input_octets"], row["seen_output_octets"])
    return Awaited(
        task,
        row["tenant_id"],
        row["nas_id"],
        Told(
            task.rung,
            task.profile,
            row["told_at"],
            before,
            row["looks"],
            is_stale=row["state"] == State.STALE,
        ),
        Report(row["last_seen_at"], row["input_octets"], row["output_octets"]),
    )


def _result(result: Result) -> tuple[object, ...]:
    (task, _, _, last, _), after = result.due, result.after
    return (
        task.session_id, task.version, task.wanted, encoded(task.profile), after.applies,
        after.is_unclear, after.state, after.rung, after.attempts, after.wait_s, after.cause,
        after.error_cause, result.target, result.request, result.rtt_s,
        last.at if last else None,
        last.input_octets if last else None,
        last.output_octets if last else None,
    )  # fmt: skip
