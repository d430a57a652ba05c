"""A position is forgotten when its segment cannot come any more, and no sooner."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from accounting.drain import Drain
from accounting.ingest import Ingest
from accounting.segment import SegmentWriter
from accounting.spool_reader import segments
from core.clock import Clock
from core.db import NodeDatabase
from tests.accounting.ingesting import (
    INTERIM,
    NOON_S,
    START,
    packet,
    rows,
    segment_of,
    spooled,
    totals,
)
from tests.conftest import execute


@pytest_asyncio.fixture
async def database(fresh_database_url: str) -> AsyncIterator[NodeDatabase]:
    one = NodeDatabase(fresh_database_url)
    yield one
    await one.dispose()


class Disk:
    """A node's spool."""

    def __init__(self, node: str, root: Path, database: NodeDatabase) -> None:
        self.root = root / node
        self.root.mkdir()
        self._ingest = Ingest(node)
        self._database = database

    def spools(self, *octets: bytes) -> None:
        segment_of(self.root, [spooled(one, at) for at, one in enumerate(octets)])

    def begins(self, *octets: bytes) -> None:
        """A segment that its worker has not sealed, so it stays where it is."""
        directory = self.root / "1"
        directory.mkdir(exist_ok=True)
        self.writer = SegmentWriter(directory, "1", now_s=float(NOON_S), now_monotonic=0.0)
        self.writer.append([spooled(one, at) for at, one in enumerate(octets)])

    async def drain(self) -> Drain:
        drain = Drain(self.root, self._database, self._ingest, Clock())
        while await drain.step():
            pass
        await drain.step()
        return drain

    def present(self) -> set[str]:
        return {segment.id for segment in segments(self.root)}


async def kept(url: str, node: str) -> set[str]:
    found = await rows(url, "SELECT segment::text FROM spool_position WHERE node = $1", node)
    return {row["segment"] for row in found}


async def age(url: str, days: int) -> None:
    """All that is there is older now."""
    await execute(
        url, f"UPDATE spool_position SET updated_at = updated_at - interval '{days} days'"
    )


def reports(sid: str, *at_s: int) -> list[bytes]:
    return [packet(INTERIM, at, at, (at, at), sid=sid, station=b"") for at in at_s]


async def test_of_a_node_that_is_gone_the_others_forget_what_was_not_on_its_disk(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    url = fresh_database_url
    gone, other = (Disk(name, tmp_path, database) for name in ("gone", "other"))
    gone.begins(*reports("b", 300, 600))
    await gone.drain()
    await age(url, 3)
    gone.spools(packet(START, 0, sid="a", station=b""))
    drain = await gone.drain()
    [left] = gone.present()
    await age(url, 3)
    await drain.prune()  # the last that is heard of it
    assert len(await kept(url, "gone")) == 2
    counted = await totals(url)

    await age(url, 29)
    drain = await other.drain()
    await drain.prune()
    assert len(await kept(url, "gone")) == 2, "it may only be away"
    await age(url, 2)
    await drain.prune()
    assert await kept(url, "gone") == {left}
    await age(url, 4000)
    await drain.prune()
    assert await kept(url, "gone") == {left}

    # And it is switched on again after all.
    gone.writer.set_aside()
    await gone.drain()
    assert gone.present() == set()
    assert await totals(url) == counted
    [raw] = await rows(url, "SELECT count(*) FROM accounting_record")
    assert raw == {"count": 3}


async def test_a_node_that_lives_keeps_what_is_on_its_disk_and_forgets_the_rest_after_a_week(
    fresh_database_url: str, database: NodeDatabase, tmp_path: Path
) -> None:
    url = fresh_database_url
    node, other = (Disk(name, tmp_path, database) for name in ("node", "other"))
    node.spools(packet(START, 0, sid="a", station=b""))
    drain = await node.drain()
    node.begins(*reports("b", 300))
    await node.drain()
    await age(url, 8)
    await drain.prune()
    [left] = node.present()
    assert await kept(url, "node") == {left}
    await age(url, 29)
    await drain.prune()
    await age(url, 2)
    await (await other.drain()).prune()
    assert await kept(url, "node") == {left}
    node.writer.set_aside()
