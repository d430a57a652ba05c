"""A rebuild, for tests: what a check finds, and what a mending run leaves."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accounting.corrections import Difference, Verdict
from accounting.ingest import Ingest
from accounting.rebuild import Rebuild, Tally
from accounting.rebuild_survey import Scope
from core.db import NodeDatabase

ALL = Scope()


@asynccontextmanager
async def rebuilding(url: str) -> AsyncIterator[Rebuild]:
    database = NodeDatabase(url, connections_max=1)
    yield Rebuild(database, Ingest("rebuild"))
    await database.dispose()


async def run(url: str, scope: Scope = ALL, *, mend: bool) -> tuple[list[Verdict], Tally]:
    async with rebuilding(url) as rebuild:
        found = [verdict async for verdict in rebuild.run(scope, mend=mend)]
        return found, rebuild.tally


async def differences(url: str, scope: Scope = ALL) -> list[tuple[str, str, object, object]]:
    """(Acct-Session-Id, field, stored, derived) of each that a check finds."""
    found, _ = await run(url, scope, mend=False)
    return [
        (verdict.key.acct_session_id, name_of(one), one.stored, one.derived)
        for verdict in found
        for one in verdict.differences
    ]


def name_of(one: Difference) -> str:
    if one.begins_s is None:
        return one.field
    return f"usage {one.begins_s} {one.confidence} {one.field}"
