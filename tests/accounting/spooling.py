"""Records to spool, and a caller who remembers what was said of each."""

import asyncio
from collections.abc import Callable, Sequence

from accounting.spool import Record


def record(number: int, size: int = 200) -> Record:
    """One that can be told from all others."""
    return Record(1e9 + number, 7, 11, "192.0.2.1", 1646, b"%08d" % number + bytes(size - 8))


def number_of(packet: bytes) -> int:
    return int(packet[:8])


class Caller:
    """Gives `settled` to a spool."""

    def __init__(self) -> None:
        self.durable: list[int] = []
        self.refused: list[int] = []
        self.calls = 0

    def settled(self, numbers: Sequence[int], is_durable: bool) -> None:
        self.calls += 1
        (self.durable if is_durable else self.refused).extend(numbers)

    async def told(self, durable: int) -> None:
        """Wait until so many are durable."""
        await until(lambda: len(self.durable) >= durable)
        assert len(self.durable) == durable


async def until(happened: Callable[[], object], within_s: float = 5.0) -> None:
    """Wait for it, and fail if it does not happen."""
    async with asyncio.timeout(within_s):
        while not happened():  # noqa: ASYNC110 - it may happen in a thread or another process
            await asyncio.sleep(0.005)
