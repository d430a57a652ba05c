"""A way to a PostgreSQL that may stop to carry anything, and tells neither side (fault D3).

A firewall that has forgotten its connections looks like this, and a host that is off the
net: no refusal and no end, only silence.  What was open then stays silent for good.
"""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final
from urllib.parse import parse_qs, urlsplit

CHUNK: Final = 65_536


class Passage:
    """TCP on 127.0.0.1 to a private cluster's socket; begin and end it with `passage`."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._to = parse_qs(parts.query)["host"][0] + "/.s.PGSQL.5432"
        self._from = f"{parts.scheme}://{parts.username}@127.0.0.1:{{}}{parts.path}"
        self._is_open = True
        self._ways: set[_Way] = set()
        self._stopped = asyncio.Event()
        self.url = ""

    def fall_silent(self) -> None:
        """From now on nothing is carried, and nothing refused."""
        self._is_open = False
        for way in self._ways:
            way.is_silent = True

    def open(self) -> None:
        """New connections get through again."""
        self._is_open = True

    async def serve(self, listening: threading.Event) -> None:
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.url = self._from.format(server.sockets[0].getsockname()[1])
        listening.set()
        await self._stopped.wait()
        server.close()
        for way in list(self._ways):
            way.task.cancel()
        await asyncio.gather(*(way.task for way in self._ways), return_exceptions=True)

    def stop(self) -> None:
        self._stopped.set()

    async def _carry(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        way = _Way(task, is_silent=not self._is_open)
        self._ways.add(way)
        far, to_far = await asyncio.open_unix_connection(self._to)
        try:
            with suppress(OSError, asyncio.CancelledError):
                async with asyncio.TaskGroup() as both:
                    both.create_task(way.pump(near, to_far))
                    both.create_task(way.pump(far, to_near))
        finally:
            self._ways.discard(way)
            to_near.close()
            to_far.close()


class _Way:
    """One connection."""

    def __init__(self, task: asyncio.Task[None], *, is_silent: bool) -> None:
        self.task = task
        self.is_silent = is_silent

    async def pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while True:
            octets = await source.read(CHUNK)
            if self.is_silent:
                await asyncio.Event().wait()
            if not octets:
                raise ConnectionResetError  # the other direction ends with this one
            sink.write(octets)
            await sink.drain()


@contextmanager
def passage(url: str) -> Iterator[Passage]:
    """A way to the private cluster of `url`, in a thread of its own."""
    one = Passage(url)
    loop = asyncio.new_event_loop()
    listening = threading.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(one.serve(listening)))
    thread.start()
    listening.wait()
    try:
        yield one
    finally:
        loop.call_soon_threadsafe(one.stop)
        thread.join()
        loop.close()
