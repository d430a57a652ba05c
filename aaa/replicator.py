"""Keeps this node's directory equal to the database, and ships what was decided.

One per node.  A change is written to the change table in the transaction that makes it
(by triggers, so SQL counts too); this reads every visible change at or above its mark,
reads those things again and writes them to the directory.  Doing it twice changes
nothing, so only the mark must be careful: it waits for the oldest transaction still
running (``xmin``), while the changes of the others are applied at once.

The database may be away for as long as it likes: the directory stays as it was.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from aaa import rows
from aaa.directory import KEYS_PER_COMMIT_MAX, DirectoryWriter
from aaa.records import NasRecord, ProfileRecord, SubscriberRecord
from core.changes import CHANNEL, cluster_identity
from core.clock import Clock
from core.db import NodeDatabase, raw
from core.deadlines import within
from core.octets import from_text
from core.trouble import in_a_line
from dictionaries.definitions import Dictionary

log = structlog.get_logger()

POLL_S = 1.0  # NOTIFY wakes us sooner; this is for the one that got lost
RETRY_S_MIN = 0.2
RETRY_S_MAX = 2.0
ANSWER_TIMEOUT_S = 10.0  # a database that takes longer for next to nothing hangs
STATEMENT_TIMEOUT_S = 30.0
MARK_WRITTEN_EVERY_S = 60.0

_SNAPSHOT = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
_FLOOR = "SELECT pruned_below::text::bigint FROM change_floor"
_CHANGES = "SELECT id, kind, entity_id FROM change WHERE xid >= $1::text::xid8 ORDER BY id"

# What a database that is away, restarting or in trouble makes of a statement.
DATABASE_ERRORS = (
    OSError,
    TimeoutError,
    SQLAlchemyError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)

Errand = Callable[[], Awaitable[None]]
Subscribers = dict[int, tuple[int, bytes, SubscriberRecord] | None]


@dataclass(slots=True)
class Progress:
    """What health and metrics tell about replication."""

    caught_up_at: float = 0.0  # Unix seconds; 0: not since the start
    connected: bool = False
    applied: int = 0
    rebuilds: int = 0
    subscribers: int = 0
    current: asyncio.Event = field(default_factory=asyncio.Event)  # set by the first full pass


@dataclass(slots=True)
class _Changed:
    nas: set[int] = field(default_factory=set)
    profile: set[int] = field(default_factory=set)
    subscriber: set[int] = field(default_factory=set)


class Replicator:
    """Runs until cancelled; `progress` tells how it goes."""

    def __init__(
        self,
        database: NodeDatabase,
        writer: DirectoryWriter,
        dictionary: Dictionary,
        clock: Clock,
        *,
        errands: Sequence[Errand] = (),
        stock: Errand | None = None,
    ) -> None:
        """`errands` are run every second while the database is there: shipping, pruning.

        `stock` is run before logins learn of a pool: then there is something to give.
        """
        self.progress = Progress(subscribers=writer.count())
        self._database = database
        self._writer = writer
        self._dictionary = dictionary
        self._clock = clock
        self._errands = errands
        self._stock = stock
        self._mark: tuple[bytes, int] | None = None  # ahead of the one that is written down
        self._mark_written_at = float("-inf")
        self._applied: set[int] = set()  # changes above the mark that are done already
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Keep up until cancelled; a database that is away is tried again."""
        async with asyncio.TaskGroup() as tasks:
            # Apart, so that a change never waits for a backlog of decisions.
            tasks.create_task(self._run_errands())
            await self._keep_up()

    async def _keep_up(self) -> None:
        wait_s = RETRY_S_MIN
        while True:
            try:
                await self._follow()
            except DATABASE_ERRORS as error:
                if self.progress.connected:
                    wait_s = RETRY_S_MIN
                if wait_s == RETRY_S_MIN:
                    log.warning("database_away", error=in_a_line(error))
                self.progress.connected = False
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, RETRY_S_MAX)

    async def _follow(self) -> None:
        """Listen and catch up until the connection fails."""
        listener = await self._database.connect()
        try:
            async with within(ANSWER_TIMEOUT_S, "listening for changes"):
                await listener.add_listener(CHANNEL, lambda *_: self._woken.set())
            while not listener.is_closed():
                self._woken.clear()
                await self.catch_up()
                if not self.progress.connected:
                    log.info("directory_current", subscribers=self.progress.subscribers)
                self.progress.connected = True
                try:
                    async with asyncio.timeout(POLL_S):
                        await self._woken.wait()
                except TimeoutError:
                    continue
            raise ConnectionResetError("the listening connection was lost")
        finally:
            listener.terminate()

    async def _run_errands(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            for errand in self._errands:
                if not self.progress.connected:
                    break
                await self._run(errand)

    async def _run(self, errand: Errand) -> None:
        name = getattr(errand, "__qualname__", type(errand).__name__)
        try:
            async with within(STATEMENT_TIMEOUT_S, f"errand {name}"):
                await errand()
        except DATABASE_ERRORS as error:
            log.warning("errand_failed", errand=name, error=in_a_line(error))

    async def catch_up(self) -> None:
        """Bring the directory to the state of now."""
        async with self._database.transaction() as tx:
            async with within(ANSWER_TIMEOUT_S, "asking the database for changes"):
                # One snapshot for all of it: the changes and the things they name.
                await tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
                identity = await cluster_identity(tx)
                cluster = repr(identity).encode()
                connection = await raw(tx)
                xmin: int = await connection.fetchval(_SNAPSHOT)
                floor: int = await connection.fetchval(_FLOOR)
            position = self._mark or self._writer.position()
            if position is None or position[0] != cluster or position[1] < floor:
                await self._rebuild(connection)
                found = await connection.fetch(_CHANGES, str(xmin), timeout=STATEMENT_TIMEOUT_S)
                self._applied = {row["id"] for row in found}
                wrote = True
            else:
                wrote = await self._apply(connection, position[1])
        self._mark = (cluster, xmin)
        now, now_s = self._clock.monotonic(), self._clock.unix_s()
        # An older mark on disk only means that a restart reads a little more again.
        if wrote or now - self._mark_written_at > MARK_WRITTEN_EVERY_S:
            self._writer.set_position(cluster, xmin, now_s)
            self._mark_written_at = now
        self.progress.caught_up_at = now_s
        self.progress.current.set()

    async def _apply(self, connection: asyncpg.Connection, mark: int) -> bool:
        found = await connection.fetch(_CHANGES, str(mark), timeout=STATEMENT_TIMEOUT_S)
        changed = _Changed()
        for row in found:
            if row["id"] in self._applied:
                continue
            if row["kind"] == "nas":
                changed.nas.add(row["entity_id"])
            elif row["kind"] == "profile":
                changed.profile.add(row["entity_id"])
            elif row["kind"] == "subscriber":
                changed.subscriber.add(row["entity_id"])
        gone: dict[int, None] = {}
        if changed.nas or changed.profile:
            gone, lacking = await self._copy_tables(connection)
            changed.subscriber |= lacking
        numbers = sorted(changed.subscriber)
        for start in range(0, len(numbers), KEYS_PER_COMMIT_MAX):
            chunk = numbers[start : start + KEYS_PER_COMMIT_MAX]
            fresh: Subscribers = dict.fromkeys(chunk, None)
            for row in await connection.fetch(
                rows.SUBSCRIBERS_BY_ID, chunk, timeout=STATEMENT_TIMEOUT_S
            ):
                fresh[row["id"]] = self._entry(row)
            self._writer.put_subscribers(fresh)
            await asyncio.sleep(0)
        if gone:
            self._writer.put_tables({}, gone)
        fresh_ids = {row["id"] for row in found}
        new = len(fresh_ids - self._applied)
        if new:
            self.progress.applied += new
            self.progress.subscribers = self._writer.count()
        self._applied = fresh_ids
        return new > 0

    async def _rebuild(self, connection: asyncpg.Connection) -> None:
        """Read everything, over what is there: logins go on with the old until the new is in."""
        log.info("directory_rebuild", subscribers=self._writer.count())
        self.progress.rebuilds += 1
        gone, _ = await self._copy_tables(connection)
        seen: set[int] = set()
        last = 0
        while True:
            page = await connection.fetch(
                rows.SUBSCRIBERS_AFTER, last, KEYS_PER_COMMIT_MAX, timeout=STATEMENT_TIMEOUT_S
            )
            if not page:
                break
            self._writer.put_subscribers({row["id"]: self._entry(row) for row in page})
            seen.update(row["id"] for row in page)
            last = page[-1]["id"]
        self._writer.retain_subscribers(seen)
        self._writer.put_tables({}, gone)
        self.progress.subscribers = self._writer.count()

    async def _copy_tables(
        self, connection: asyncpg.Connection
    ) -> tuple[dict[int, None], set[int]]:
        """NASes and profiles are few: all of them, whichever changed.

        Returns the profiles that are gone: whoever had one keeps it until his own new
        record is in, so remove them after the subscribers.  And the subscribers whose
        records lack what their profile asks for now, their open sessions.
        """
        nas_ids, before = self._writer.tables()
        nases: dict[int, NasRecord | None] = dict.fromkeys(nas_ids, None)
        for row in await connection.fetch(rows.NASES, timeout=STATEMENT_TIMEOUT_S):
            nases[row["id"]] = rows.nas_of(row)
        profiles = {
            row["id"]: rows.profile_of(row)
            for row in await connection.fetch(rows.PROFILES, timeout=STATEMENT_TIMEOUT_S)
        }
        if self._stock is not None and _pools(profiles) - _pools(before):
            await self._run(self._stock)
        self._writer.put_tables(nases, profiles)
        counting = [
            one
            for one in profiles.values()
            if one.counts_sessions and one.id in before and not before[one.id].counts_sessions
        ]
        lacking: set[int] = set()
        if counting:
            found = await connection.fetch(
                rows.SUBSCRIBERS_ONLINE_BY_PROFILE,
                [one.tenant_id for one in counting],
                [one.id for one in counting],
                timeout=STATEMENT_TIMEOUT_S,
            )
            lacking = {row["subscriber_id"] for row in found}
        return dict.fromkeys(before.keys() - profiles.keys(), None), lacking

    def _entry(self, row: asyncpg.Record) -> tuple[int, bytes, SubscriberRecord]:
        return (
            row["tenant_id"],
            from_text(row["username"]),
            rows.subscriber_of(row, self._dictionary),
        )


def _pools(profiles: Mapping[int, ProfileRecord]) -> set[int]:
    return {pool.id for profile in profiles.values() for pool in profile.pools}
