"""A batch of spooled records, counted in one transaction.

The position in each segment is written with what it stands for, so a record counts once,
whatever is killed when.  Several nodes may hold packets of one session: who comes second
finds that a group is there, or is not any more as it was read, and begins again
(`Contended`).  Then it locks its groups before it reads them, so it has its turn.  Both
groups that are new and groups that are not are written, or locked, in the order of their keys.

What a NAS's restart closes is more than the batch's own groups, so such a batch waits
until it is alone, by an advisory lock that ordinary batches share.  A box with more sessions
than one transaction should close has the others closed by `restart`, a page at a time: the
mark is stored with the batch, so whatever comes for them meanwhile ends before it as well.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg
import structlog

from accounting import hearers, nas_days, positions, rows, staging
from accounting import marks as nas_marks
from accounting.batch import Batch, Claim, Observers, Owners, nobody
from accounting.folded import Folded, Stored
from accounting.folding import fold
from accounting.groups import NeedsHistory
from accounting.identity import SessionKey
from accounting.points import Mark
from accounting.reading import Arrivals, Portion, Reading
from accounting.rows import Contended, closed_by_redial
from accounting.trouble import in_a_line, is_the_worlds
from accounting.unclosed import Unclosed, doubt
from core.db import Tx

log = structlog.get_logger()

LOCK: Final = 0x74757269  # "turi", of pg_advisory_xact_lock
CLOSED_AT_ONCE_MAX: Final = 5_000
NUMBERS_SPARE: Final = 64


class Moved(Exception):
    """The database is elsewhere in a segment than the batch takes for granted.

    So it is after a commit whose outcome we did not learn, beside a second ingest, and
    after a restore.  `positions` is the truth.
    """

    def __init__(self, positions: Mapping[UUID, int]) -> None:
        super().__init__("the position moved")
        self.positions = positions


class ObserverFailed(Exception):
    """An observer has a bug, so nothing is wrong with the records that it was shown.

    Or what it wrote is what the database refused.
    """


class Ingest:
    """`take` is all of it; the object keeps only spare numbers for new sessions.

    They are spare on the connection that gave them and on no other: after a failover or a
    restore the sequence may give them once more.
    """

    def __init__(
        self,
        node: str,
        *,
        owners: Owners = nobody,
        observers: Observers = (),
        stand_ins: Observers = (),
    ) -> None:
        """`observers` are called at the end of each transaction, inside it.

        Where one of them has a bug, all `stand_ins` are called instead: they see to it that
        what observers add up is worked out anew, and do so little that they hardly fail.
        """
        self._node = node
        self._owners = owners
        self._observers = observers
        self._stand_ins = stand_ins
        self._unclosed = Unclosed()
        self._is_contended = False  # the next batch locks its groups, and so has its turn
        self._ids: WeakKeyDictionary[asyncpg.Connection, list[int]] = WeakKeyDictionary()

    async def take(self, tx: Tx, reading: Reading, *, observed: bool = True) -> Batch:
        """Count what was read; with `observed=False` others stand in for the observers.

        Raises:
            Moved: read again from where the database is.
            Contended: try again.
            ObserverFailed: of its own, and not because the database did.
        """
        connection = await staging.begin(tx)
        how = "pg_advisory_xact_lock" + ("" if reading.nas_records else "_shared")
        await connection.execute(f"SELECT {how}({LOCK})")
        await self._lock_positions(connection, reading.portions)
        try:
            batch = await self._count(tx, connection, reading)
        except Contended:
            self._is_contended = True
            raise
        self._is_contended = False
        if observed:
            await self.observe(tx, batch)
        else:
            await self._stand_in(tx, batch)
        await positions.advance(
            connection, {portion.segment: portion.last_seq for portion in reading.portions}
        )
        await hearers.note(connection, self._node, reading)
        tallied = nas_days.tallied(batch.groups, reading)
        await nas_days.add(connection, tallied, reading.portions[-1].records[-1].received_at)
        return batch

    async def again(self, tx: Tx, reading: Reading) -> Batch:
        """Count records that no position stands for: dead letters that are tried once more.

        Raises:
            Contended: try again.
        """
        connection = await staging.begin(tx)
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        batch = await self._count(tx, connection, reading, is_stored=True)
        await self.observe_or_stand_in(tx, batch)
        return batch

    async def sweep(self, tx: Tx, closing: Mapping[bytes, tuple[SessionKey, Mark]]) -> Batch:
        """Close sessions by the marks of whoever judged them (`accounting.closing`)."""
        connection = await staging.begin(tx)
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        batch = Batch()
        await self._close(connection, closing, batch)
        await self.observe_or_stand_in(tx, batch)
        at_s = max((mark.at_s for _, mark in closing.values()), default=0)
        await nas_days.add(connection, nas_days.tallied(batch.groups), float(at_s))
        return batch

    async def restart(
        self, tx: Tx, restart: nas_marks.Restart
    ) -> tuple[Batch, nas_marks.Restart | None]:
        """Close the next sessions that a restart ended; and what is left of it."""
        connection = await staging.begin(tx)
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        closing, left = await nas_marks.closing(connection, restart, CLOSED_AT_ONCE_MAX)
        return await self.sweep(tx, closing), left

    async def restarts(self, tx: Tx) -> list[nas_marks.Restart]:
        """Those that have not closed all of their sessions, though they are counted."""
        return await nas_marks.unfinished(await staging.begin(tx))

    async def prune(self, tx: Tx, present: Collection[UUID]) -> None:
        """Forget positions of segments that cannot come any more; `present` are on our disk."""
        await positions.prune(await staging.begin(tx), self._node, present)

    async def positions(self, tx: Tx, asked: Collection[UUID]) -> dict[UUID, int]:
        """Where the database is in these segments; 0: it does not know the segment."""
        return await positions.known(await staging.begin(tx), asked)

    async def observe(self, tx: Tx, batch: Batch) -> None:
        for observer in self._observers:
            try:
                await observer(tx, batch)
            except Exception as error:
                if is_the_worlds(error):
                    raise
                raise ObserverFailed(in_a_line(error)) from error

    async def observe_or_stand_in(self, tx: Tx, batch: Batch) -> None:
        """For whoever has no smaller batch to try: sessions end, and people's commands do what
        they say, sooner without observers than not at all."""
        try:
            async with tx.begin_nested():
                await self.observe(tx, batch)
        except ObserverFailed as error:
            log.exception("observer_failed", error=in_a_line(error), groups=len(batch.groups))
            await self._stand_in(tx, batch)

    async def _stand_in(self, tx: Tx, batch: Batch) -> None:
        batch.stood_in = True
        for stand_in in self._stand_ins:
            try:
                async with tx.begin_nested():
                    await stand_in(tx, batch)
            except Exception as error:
                # A record counts whatever becomes of those who look at it.
                if is_the_worlds(error):
                    raise
                log.exception("stand_in_failed", error=in_a_line(error))

    async def _lock_positions(
        self, connection: asyncpg.Connection, portions: Sequence[Portion]
    ) -> None:
        segments = {portion.segment: portion.worker for portion in portions}
        assert len(segments) == len(portions), "a portion a segment"
        found = await positions.locked(connection, segments, self._node)
        if any(found[portion.segment] != portion.after_seq for portion in portions):
            raise Moved(found)

    async def _count(
        self,
        tx: Tx,
        connection: asyncpg.Connection,
        reading: Reading,
        *,
        is_stored: bool = False,
    ) -> Batch:
        marks, fresh = await nas_marks.note(connection, reading)
        made = rows.Rows()
        claiming = await self._fold(connection, reading.groups, marks, made)
        await self.find_owners(tx, claiming)
        for one in claiming:
            made.add(one)
        folded = made.folded
        heard_again = await rows.write(connection, made)
        if not is_stored:
            await staging.write(connection, "stage_record", reading.raw)
        await staging.write(connection, "stage_dead", reading.dead)
        batch = Batch(
            groups=folded,
            records=len(reading.raw),
            gigawords=reading.gigawords,
            heard_again=heard_again,
        )
        for dead in reading.dead:
            batch.dead[dead.reason] = batch.dead.get(dead.reason, 0) + 1
        for box, mark in fresh:
            left: nas_marks.Restart | None = nas_marks.Restart(box, mark)
            while left is not None:
                closing, left = await nas_marks.closing(connection, left, CLOSED_AT_ONCE_MAX)
                await self._close(connection, closing, batch)
                if left is not None and not is_stored:
                    batch.restarts.append(left)
                    break
        redialled = await closed_by_redial(connection, folded)
        if redialled:
            await self._close(connection, redialled, batch)
        return batch

    async def _fold(
        self,
        connection: asyncpg.Connection,
        groups: Mapping[bytes, Arrivals],
        marks: Mapping[nas_marks.Box, Sequence[Mark]],
        made: rows.Rows,
    ) -> list[Folded]:
        """Fold all groups into `made`, but for those that are returned: they lack an owner."""
        stored = await (_locked if self._is_contended else _read)(connection, groups)
        ids = await self._numbers(connection, sum(len(one.records) for one in groups.values()))
        claiming: list[Folded] = []
        needing: list[bytes] = []
        for name, arrivals in groups.items():
            box = arrivals.key[:3]
            found = fold(name, arrivals, stored.get(name), marks.get(box, ()), None, ids)
            if not isinstance(found, Folded):
                needing.append(name)
            elif found.claims():
                claiming.append(found)
            else:
                made.add(found)  # at once: what was just made is still in the processor's cache
        history = await _history(connection, needing)
        for name in needing:
            arrivals = groups[name]
            box = arrivals.key[:3]
            found = fold(name, arrivals, stored.get(name), marks.get(box, ()), history[name], ids)
            assert isinstance(found, Folded)
            claiming.append(found)
        return claiming

    async def _close(
        self,
        connection: asyncpg.Connection,
        closing: Mapping[bytes, tuple[SessionKey, Mark]],
        batch: Batch,
    ) -> None:
        stored = await _locked(connection, closing)
        ids = await self._numbers(connection, len(closing))
        found = {
            name: self._unclosed.close(name, closing[name], stored[name], None, ids)
            for name in closing
            if name in stored
        }
        history = await _history(
            connection, [name for name, one in found.items() if isinstance(one, NeedsHistory)]
        )
        for name, chunks in history.items():
            found[name] = self._unclosed.close(name, closing[name], stored[name], chunks, ids)
        done = [one for one in found.values() if isinstance(one, Folded)]
        left = [closing[name][0] for name, one in found.items() if one is None]
        if left:
            batch.unclosed += len(left)
            batch.doubted |= await doubt(connection, left)
        await staging.empty(connection)
        batch.heard_again |= await rows.write_groups(connection, done)
        batch.groups += done

    async def find_owners(self, tx: Tx, folded: Iterable[Folded]) -> None:
        """Ask whose the sessions are that nobody has yet: new ones, and those that told more."""
        asked: list[tuple[Claim, Folded, int]] = []
        for one in folded:
            for number in one.claims():
                about = one.group.about(one.changed[number])
                claim = Claim(one.key.tenant_id, about.subscriber_id, about.user_name)
                asked.append((claim, one, number))
        if not asked:
            return
        found = await self._owners(tx, {claim for claim, _, _ in asked})
        for claim, one, number in asked:
            one.subscribers[number] = found.get(claim, 0)

    async def _numbers(self, connection: asyncpg.Connection, enough: int) -> Iterator[int]:
        """Unused session numbers for so many records; what a failure wastes stays a gap."""
        ids = self._ids.setdefault(connection, [])
        short = 2 * enough + NUMBERS_SPARE - len(ids)  # a late record may split a session
        if short > 0:
            found = await connection.fetch(staging.SESSION_IDS, short)
            ids[:0] = [row[0] for row in reversed(found)]
        return iter(ids.pop, None)


async def _read(connection: asyncpg.Connection, names: Iterable[bytes]) -> dict[bytes, Stored]:
    found = await connection.fetch(staging.READ_GROUPS, list(names))
    return {
        key: Stored(state, abouts, sessions, (place, writer))
        for key, sessions, state, abouts, place, writer in found
    }


async def _locked(connection: asyncpg.Connection, names: Iterable[bytes]) -> dict[bytes, Stored]:
    found = await connection.fetch(staging.LOCK_GROUPS, sorted(names))
    return {key: Stored(state, abouts, sessions) for key, sessions, state, abouts in found}


async def _history(
    connection: asyncpg.Connection, names: Sequence[bytes]
) -> dict[bytes, dict[int, bytes]]:
    """The chunks of each group, by number."""
    history: dict[bytes, dict[int, bytes]] = {name: {} for name in names}
    if names:
        for row in await connection.fetch(staging.HISTORY, sorted(names)):
            history[row["key"]][row["number"]] = row["points"]
    return history
