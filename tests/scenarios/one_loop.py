"""A whole node on one event loop, by a clock that may be put ahead: a quarter of an hour of a
node's life passes in seconds.

Its parts are those of the processes, with real sockets, a real spool and a real database;
what a process is, and that it may die, is for others to try.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aaa import live_feed
from aaa.access import Access, AccessSettings
from aaa.decisions import DecisionLog
from aaa.directory import Directory, DirectoryWriter, open_environment
from aaa.live import Live
from aaa.rendering import Renderer
from aaa.replicator import Replicator
from aaa.session_ends import SessionEnds
from aaa.throttle import Throttle
from accounting.drain import Drain
from accounting.handler import AccountingHandler
from accounting.nas_views import NasViews
from accounting.spool_writer import DiskSpool
from accounting.sweep import Sweeper
from app import counting
from app.login_worker import AccountingPort
from app.paths import Paths
from core.clock import Clock
from core.db import NodeDatabase
from core.keys import open_vault
from core.radius.dedup import DuplicateCache
from core.radius.responder import Later, Port, Responder
from core.radius.server import RadiusServer
from core.udp import Endpoint, bind
from dictionaries import loader
from nas_adapters.profile import ServiceProfile

STEP_S = 60  # the sweeper's; less than what counts as a machine that slept
RESERVATION_S = 60


class Ahead(Clock):
    """The real clocks, and as much ahead of them as the test has put them."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.unix_s(), UTC)

    def unix_s(self) -> float:
        return super().unix_s() + self.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_s


class _Turn:
    """As that of a login worker."""

    def __init__(self, access: Access, auth: Responder, acct: Responder) -> None:
        self._access, self._auth, self._acct = access, auth, acct

    def begin(self) -> None:
        if self._access.refresh():
            self._auth.clients = self._access.nases.clients
            self._acct.clients = self._access.nases.accounting_clients

    def end(self) -> None:
        self._access.end_turn()


class OneLoop:
    """`auth` and `acct` are where it listens."""

    def __init__(self, paths: Paths, key: str, url: str) -> None:
        self.clock = clock = Ahead()
        self._database = NodeDatabase(url, connections_max=4)
        # One environment for both halves: LMDB forbids a process to open it twice.
        environment = open_environment(paths.directory, map_size_octets=1 << 24, readonly=False)
        writer = DirectoryWriter(environment)
        directory, live = Directory(environment), Live(paths.live)
        dictionary = loader.load()
        self._replicator = Replicator(self._database, writer, dictionary, clock)
        ingest = counting.ingest("one", clock)
        self._views = NasViews(self._database)
        self._drain = Drain(
            paths.spool,
            self._database,
            ingest,
            clock,
            views=self._views,
            published=(self._views.learn,),
        )
        self.sweeper = Sweeper(
            "one",
            self._database,
            ingest,
            clock,
            self._drain.progress,
            doubted=live_feed.sessions_changed,
        )
        access = Access(
            directory,
            live,
            Renderer(dictionary, ServiceProfile()),
            Throttle(guesses_max=10, window_s=60, lock_s=30),
            DecisionLog(paths.decisions, rate_max=1_000, file_octets_max=1 << 20),
            open_vault(paths.data_dir / key, make=False),
            open_vault(paths.data_dir / key, b"eap-state", make=False),
            clock,
            os.urandom,
            AccessSettings(0.0, RESERVATION_S, 600),
        )
        self._spool: DiskSpool[Later] = DiskSpool(paths.spool, "0", clock)
        records = AccountingHandler(self._spool, access.nases.tenant_of, clock)
        self._sockets = [bind("127.0.0.1", 0, receive_buffer_octets=1 << 20) for _ in range(2)]
        auth = Responder(Port.AUTH, access, DuplicateCache())
        ends = SessionEnds(directory, live, clock)
        acct = Responder(Port.ACCT, AccountingPort(records, ends), DuplicateCache())
        turn = _Turn(access, auth, acct)
        self._servers = [
            RadiusServer(Endpoint(sock), responder, clock, turn=turn)
            for sock, responder in zip(self._sockets, (auth, acct), strict=True)
        ]
        records.start(self._servers[1])
        self.auth, self.acct = (sock.getsockname() for sock in self._sockets)

    async def pass_time(self, seconds: int) -> None:
        """A minute after the other, as a node that hears, counts and sweeps in each."""
        for begun_s in range(0, seconds, STEP_S):
            self.clock.ahead_s += min(STEP_S, seconds - begun_s)
            await self.counted()
            await self.sweeper.tell()
            await self.sweeper.step()
        await self.known()

    async def counted(self) -> None:
        """Wait until all that was acknowledged by now is in the database."""
        asked_at = self.clock.unix_s()
        async with asyncio.timeout(30.0):
            while self._drain.progress.drained_at < asked_at:  # noqa: ASYNC110 - tells nobody
                await asyncio.sleep(0.01)

    async def known(self) -> None:
        """Wait until logins know what is in the database by now."""
        committed_at = self.clock.unix_s()
        async with asyncio.timeout(30.0):
            while self._replicator.progress.caught_up_at < committed_at:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._views.run())
            tasks.create_task(self._replicator.run())
            await self._views.known.wait()
            tasks.create_task(self._drain.run())

    async def close(self) -> None:
        await self._spool.stop()
        for server, sock in zip(self._servers, self._sockets, strict=True):
            server.close()
            sock.close()
        await self._database.dispose()


@asynccontextmanager
async def one_loop(paths: Paths, key: str, url: str) -> AsyncIterator[OneLoop]:
    """It runs, and knows what the database holds."""
    one = OneLoop(paths, key, url)
    running = asyncio.create_task(one.run())
    try:
        await one.known()
        await one.counted()
        await one.sweeper.tell()
        yield one
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait([running])
        await one.close()
    if not running.cancelled():
        running.result()
