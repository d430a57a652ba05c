"""Sessions and usage computed again from the raw packets, and what differs told or mended.

Both are projections of the packets, so a difference is a bug or somebody's hand in the
tables.  A check reads each page of groups in a snapshot of its own, in which a group and
its packets always agree, whatever ingest does meanwhile.  What differs is looked at again
with ingest's locks before anything is written: a session's row is brought to what the
packets give, and usage gets the signed difference as new rows, since what has been billed
stays as billed.

Page by page, each in a transaction: it can be stopped at any time and begun again, and a
second run has nothing to do.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from sqlalchemy import text

from accounting import rebuild_tables, rows, staging, usage_days
from accounting.batch import Batch
from accounting.corrections import Kept, Verdict, corrected, judge
from accounting.folded import Folded
from accounting.identity import SessionKey
from accounting.ingest import LOCK, Ingest
from accounting.points import Mark
from accounting.reading import digest
from accounting.rebuild_survey import PAGE, Scope, Survey, key_of, sum_usage, survey
from accounting.rederived import Told
from core.db import NodeDatabase, Tx, raw

RECORDS_MAX: Final = 20_000  # read at once: of one group there may be more
SUM_USAGE_EVERY: Final = 50  # pages

# Each group once: with the first of its sessions that is wanted.
_PAGE: Final = """
SELECT s.id, s.tenant_id, s.nas_id, s.nas_reported, s.acct_session_id, s.class_nonce
  FROM rebuild_wanted AS w JOIN session AS s ON s.id = w.session_id
 WHERE w.session_id > $1
   AND NOT EXISTS (
       SELECT FROM session AS o JOIN rebuild_wanted AS x ON x.session_id = o.id
        WHERE o.tenant_id = s.tenant_id AND o.acct_session_id = s.acct_session_id
          AND o.nas_id = s.nas_id AND o.nas_reported = s.nas_reported
          AND o.class_nonce = s.class_nonce AND o.id < s.id)
 ORDER BY w.session_id LIMIT $2
"""
# And those that were not among them, for want of a row.
_ORPHANED: Final = """
SELECT DISTINCT ON (w.name) w.*
  FROM rebuild_orphan AS w
 WHERE w.name > $1
   AND (w.session_id IS NOT NULL
        OR w.received_at >= coalesce($3, w.received_at) AND w.received_at < coalesce($4, 1e12))
   AND NOT EXISTS (
       SELECT FROM session AS o JOIN rebuild_wanted AS x ON x.session_id = o.id
        WHERE o.tenant_id = w.tenant_id AND o.acct_session_id = w.acct_session_id
          AND o.nas_id = w.nas_id AND o.nas_reported = w.nas_reported
          AND o.class_nonce = w.class_nonce)
 ORDER BY w.name LIMIT $2
"""
_SNAPSHOT: Final = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_LINEAGE: Final = """
UPDATE accounting_record AS r SET session_id = u.session_id
  FROM unnest($1::float8[], $2::uuid[], $3::bigint[], $4::bigint[])
       AS u (received_at, segment, seq, session_id)
 WHERE r.received_at = to_timestamp(u.received_at) AND r.segment = u.segment AND r.seq = u.seq
"""


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    sessions: int = 0
    records: int = 0
    differing: int = 0  # groups
    skipped: int = 0  # groups
    corrected: int = 0  # groups
    stood_in: int = 0  # groups: whoever watches ingest failed at them, and works them out anew


@dataclass(slots=True)
class _Read:
    """Groups as they are in one transaction."""

    kept: dict[bytes, Kept]
    told: dict[SessionKey, Told]
    verdicts: dict[bytes, Verdict] = field(default_factory=dict)


class Rebuild:
    """One run.  `database` has a single connection, which keeps the temporary tables."""

    def __init__(self, database: NodeDatabase, ingest: Ingest) -> None:
        """`ingest` knows owners and observers; it drains nothing."""
        self.tally = Tally()
        self._database = database
        self._ingest = ingest

    async def run(self, scope: Scope, *, mend: bool) -> AsyncGenerator[Verdict, None]:
        """The groups that differ, as they are mended, and those that had to be skipped."""
        found = await survey(self._database, scope)
        pages = 0
        async for keys in self._pages(scope):
            pages += 1
            if pages % SUM_USAGE_EVERY == 0:
                await sum_usage(self._database, found)
            async for verdict in self._page(keys, found, is_part=scope.is_part, mend=mend):
                yield verdict

    # --- which groups

    async def _pages(self, scope: Scope) -> AsyncIterator[dict[bytes, SessionKey]]:
        last = -1
        while page := await self._fetch(_PAGE, last, PAGE):
            last = page[-1]["id"]
            keys = [key_of(row) for row in page]
            yield {digest(key): key for key in keys}
        name = b""
        start = None if scope.start is None else scope.start.timestamp()
        end = None if scope.end is None else scope.end.timestamp()
        while page := await self._fetch(_ORPHANED, name, PAGE, start, end):
            name = page[-1]["name"]
            yield {row["name"]: key_of(row) for row in page}

    async def _fetch(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        async with self._database.transaction() as tx:
            await tx.execute(text(rebuild_tables.SETTINGS))
            found: list[asyncpg.Record] = await (await raw(tx)).fetch(query, *arguments)
        return found

    async def _page(
        self, keys: Mapping[bytes, SessionKey], found: Survey, *, is_part: bool, mend: bool
    ) -> AsyncIterator[Verdict]:
        for names in await self._parts(keys):
            part = {name: keys[name] for name in names}
            async with self._database.transaction() as tx:
                await tx.execute(text(_SNAPSHOT))
                await tx.execute(text(rebuild_tables.SETTINGS))
                read = await self._read(await raw(tx), part, found, is_part=is_part)
            for verdict in read.verdicts.values():
                self.tally.sessions += verdict.generations
                self.tally.records += verdict.told.records
            differing = {name for name, one in read.verdicts.items() if one.differences}
            if differing and mend:
                async with self._database.transaction() as tx:
                    again = {name: keys[name] for name in sorted(differing)}
                    read.verdicts.update(await self._mend(tx, again, found, is_part=is_part))
            for verdict in read.verdicts.values():
                self.tally.differing += bool(verdict.differences)
                self.tally.skipped += bool(verdict.skipped)
                if verdict.differences or verdict.skipped:
                    yield verdict

    async def _parts(self, keys: Mapping[bytes, SessionKey]) -> Iterator[list[bytes]]:
        """The names in parts of so many records that memory holds them."""
        async with self._database.transaction() as tx:
            await tx.execute(text(rebuild_tables.SETTINGS))
            connection = await raw(tx)
            kept = await rebuild_tables.kept_of(connection, keys)
            ids = await rebuild_tables.session_ids_of(connection, kept)
            counts = await rebuild_tables.record_counts(
                connection, [one for each in ids.values() for one in each]
            )
        return _parted({name: sum(counts.get(one, 0) for one in ids[name]) for name in keys})

    # --- one transaction

    async def _read(
        self,
        connection: asyncpg.Connection,
        keys: Mapping[bytes, SessionKey],
        found: Survey,
        *,
        is_part: bool,
        locked: bool = False,
    ) -> _Read:
        kept = await rebuild_tables.kept_of(connection, keys, locked=locked)
        ids = await rebuild_tables.session_ids_of(connection, kept)
        of = await rebuild_tables.told_of(
            connection, list(kept.values()), [one for each in ids.values() for one in each]
        )
        marks = await rebuild_tables.marks_of(connection, kept.values())
        await rebuild_tables.add_details(connection, kept, of, found.summed_to)
        read = _Read(kept, of)
        for name, one in kept.items():
            box = one.key[:3]
            box_marks: Collection[Mark] = {*marks[box], *found.marks.get(box, ())}
            read.verdicts[name] = judge(
                one, of[one.key], sorted(box_marks), found.whole_since_s, is_part=is_part
            )
        return read

    async def _mend(
        self, tx: Tx, keys: Mapping[bytes, SessionKey], found: Survey, *, is_part: bool
    ) -> dict[bytes, Verdict]:
        connection = await staging.begin(tx)
        # Usage that was lost is in the sums of its days, and would be there twice.  Before the
        # lock, since who sums may keep us waiting for the mark, and ingest must not wait with us.
        await usage_days.resum(tx, {key.tenant_id for key in keys.values()})
        await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
        read = await self._read(connection, keys, found, is_part=is_part, locked=True)
        differing = {name: one for name, one in read.verdicts.items() if one.differences}
        enough = sum(one.generations + len(read.kept[name].rows) for name, one in differing.items())
        numbers = iter(await connection.fetch(staging.SESSION_IDS, enough + len(differing)))
        spare = (row[0] for row in numbers)
        folded = [corrected(read.kept[name], one, spare) for name, one in differing.items()]
        if folded:
            await self._write(tx, connection, folded)
            await _claim(connection, folded, differing)
        self.tally.corrected += len(folded)
        return read.verdicts

    async def _write(self, tx: Tx, connection: asyncpg.Connection, folded: list[Folded]) -> None:
        await self._ingest.find_owners(tx, folded)
        heard_again = await rows.write_groups(connection, folded)
        batch = Batch(groups=folded, heard_again=heard_again)
        await self._ingest.observe_or_stand_in(tx, batch)
        redialled = await rows.closed_by_redial(connection, folded)
        batches = [batch]
        if redialled:
            batches.append(await self._ingest.sweep(tx, redialled))
        self.tally.stood_in += sum(len(one.groups) for one in batches if one.stood_in)


def _parted(counts: Mapping[bytes, int]) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    records = 0
    for name, count in counts.items():
        if part and records + count > RECORDS_MAX:
            yield part
            part, records = [], 0
        part.append(name)
        records += count
    if part:
        yield part


async def _claim(
    connection: asyncpg.Connection, folded: list[Folded], verdicts: Mapping[bytes, Verdict]
) -> None:
    """Raw records that named no session name theirs from now on."""
    found: list[tuple[float, object, int, int]] = []
    for one in folded:
        verdict = verdicts[one.name]
        assert verdict.rederived is not None
        generations = verdict.rederived.derived.generations
        for record, at_s in verdict.told.unclaimed:
            number = max((g.number for g in generations if g.started_s <= at_s), default=0)
            place = (record.received_at_s, record.segment, record.seq)
            found.append((*place, one.session_ids[number]))
    if found:
        await connection.execute(_LINEAGE, *map(list, zip(*found, strict=True)))
