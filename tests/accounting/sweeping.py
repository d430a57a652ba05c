"""A node whose clock is set by the test, with the sweeper that judges by it."""

from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

from accounting.batch import Batch
from accounting.drain import Progress
from accounting.sweep import Sweeper, Swept
from core.clock import Clock
from core.db import Tx
from tests.accounting.ingesting import NAS, NOON_S, Node


class Hand(Clock):
    """Seconds after noon, moved by hand."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.unix_s(), UTC)

    def unix_s(self) -> float:
        return NOON_S + self.at_s

    def monotonic(self) -> float:
        return self.at_s


class Sweeping:
    """`sweep` is a minute's work; `alive` lets time pass as on a node that hears and counts."""

    def __init__(self, url: str, node: str = "a") -> None:
        self.node = Node(url, name=node)
        self.clock = Hand()
        self.progress = Progress(is_connected=True)
        self.doubted: list[int] = []
        self.published: list[Batch] = []
        self.is_refusing = False
        self.name = node
        self.start()

    def start(self) -> None:
        """As after a restart."""
        self.sweeper = Sweeper(
            self.name,
            self.node.database,
            self.node.ingest,
            self.clock,
            self.progress,
            published=[self._publish],
            doubted=self._doubt,
            is_refusing=lambda: self.is_refusing,
        )

    async def _publish(self, batch: Batch) -> None:
        self.published.append(batch)

    async def _doubt(self, tx: Tx, sessions: Collection[int]) -> None:
        self.doubted += sessions

    async def alive(self, until_s: float) -> None:
        """Told every 80 seconds, up to that many seconds after noon."""
        while True:
            self.progress.drained_at = self.clock.unix_s()
            await self.sweeper.tell()
            if self.clock.at_s >= until_s:
                return
            self.clock.at_s = min(self.clock.at_s + 80, until_s)

    async def sweep(self, at_s: float) -> Swept | None:
        await self.alive(at_s)
        return await self.sweeper.step()

    async def tell(self, root: Path, *packets: tuple[float, bytes], nas_id: int = NAS) -> Batch:
        return await self.node.tell(root, *packets, nas_id=nas_id)

    async def close(self) -> None:
        await self.node.database.dispose()
