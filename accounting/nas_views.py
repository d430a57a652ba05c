"""What the rules need to know of each NAS, kept beside ingest and read again every few seconds.

Ingest reads packets in a thread and asks per record, so it asks a mapping in memory.  While
the database is away the old one stays: nothing is committed meanwhile either.  Nothing may
be counted before the first is there (`known`), or a swapped box would count as a plain one.

What records teach goes the other way: a box that was seen to send gigawords has counters
that do not wrap (domain: counters).  Written once per NAS, by the next reading after it.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final

import asyncpg
import structlog
from msgspec.structs import replace
from sqlalchemy import text

from accounting.batch import Batch
from accounting.records import NasView
from accounting.trouble import in_a_line, is_the_worlds
from core.db import NodeDatabase, raw

log = structlog.get_logger()

EVERY_S: Final = 2.0
TIMEOUT_S: Final = 10.0

_BEGIN: Final = "SET LOCAL statement_timeout = '5s'"
_NASES: Final = """
SELECT id, tenant_id, swap_octets, line_bps, sends_gigawords, swapped_at, octet_unit FROM nas
"""
# A row that `apply` is just writing is left for the next time.
_LEARNED: Final = """
UPDATE nas SET sends_gigawords = true
 WHERE id IN (SELECT id FROM nas WHERE id = ANY ($1::bigint[]) AND NOT sends_gigawords
                 FOR UPDATE SKIP LOCKED)
"""


class NasViews:
    """Call it for the views; `run` keeps them, `learn` is told of each batch."""

    def __init__(self, database: NodeDatabase, *, every_s: float = EVERY_S) -> None:
        self.known = asyncio.Event()
        self._database = database
        self._every_s = every_s
        self._views: Mapping[int, NasView] = {}
        self._learned: set[int] = set()

    def __call__(self) -> Mapping[int, NasView]:
        """The views by NAS; from any thread."""
        return self._views

    async def run(self) -> None:
        """Read again and again until cancelled."""
        is_told = False
        while True:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    await self.refresh()
                is_told = False
            except Exception as error:
                if not is_the_worlds(error):
                    raise
                if not is_told:
                    log.warning("nas_settings_not_read", error=in_a_line(error))
                is_told = True
            await asyncio.sleep(self._every_s)

    async def refresh(self) -> None:
        """Write what was learned, and read all."""
        learned = sorted(self._learned)
        async with self._database.transaction() as tx:
            # The transaction begins with a statement of SQLAlchemy's, and not before.
            await tx.execute(text(_BEGIN))
            connection = await raw(tx)
            if learned:
                await connection.execute(_LEARNED, learned)
            found = await views_in(connection)
        self._learned = {
            nas_id
            for nas_id in self._learned
            if nas_id in found and not found[nas_id].sends_gigawords
        }
        self._views = found
        self._assume(self._learned)
        self.known.set()

    async def learn(self, batch: Batch) -> None:
        """Remember which boxes of a committed batch sent gigawords."""
        new = batch.gigawords - self._learned
        if new:
            self._learned |= new
            self._assume(new)

    def _assume(self, nas_ids: Collection[int]) -> None:
        """Have them known as senders of gigawords from the next record on."""
        if nas_ids:
            self._views = {
                nas_id: replace(view, sends_gigawords=True) if nas_id in nas_ids else view
                for nas_id, view in self._views.items()
            }


async def views_in(connection: asyncpg.Connection, nas_id: int | None = None) -> dict[int, NasView]:
    """The views as the database has them, or that of one NAS if it is still there."""
    where, arguments = ("WHERE id = $1", [nas_id]) if nas_id is not None else ("", [])
    return {
        row["id"]: NasView(
            row["id"],
            row["tenant_id"],
            swap_octets=row["swap_octets"],
            line_bps=row["line_bps"],
            sends_gigawords=row["sends_gigawords"],
            swapped_at_s=tuple(int(at.timestamp()) for at in row["swapped_at"]),
            octet_unit=row["octet_unit"],
        )
        for row in await connection.fetch(f"{_NASES} {where}", *arguments)
    }
