"""The replicator's process: the directory kept current, decisions shipped, changes pruned."""

import asyncio
import fcntl
import os
from datetime import timedelta

import lmdb
import msgspec
import structlog

from aaa.directory import DirectoryWriter, open_environment
from aaa.pools_keeper import PoolKeeper
from aaa.pools_state import PoolStatus
from aaa.pools_store import AddressStore
from aaa.replicator import Progress, Replicator
from aaa.shipping import DecisionShipper
from aaa.status import ReplicatorStatus
from app.child import Ready, Stop
from app.node_name import node_name
from app.paths import Paths
from core import status
from core.changes import prune
from core.clock import Clock
from core.config import Settings
from core.db import NodeDatabase
from dictionaries import loader

log = structlog.get_logger()

STATUS_EVERY_S = 1.0
OPEN_AGAIN_S = 60.0
NICENESS = 10
LOCK_EVERY_S = 0.05
PRUNE_EVERY_S = 3600.0
CHANGES_KEPT = timedelta(days=7)  # a node that was away for longer reads everything again


async def run(
    settings: Settings, ready: Ready, stop: Stop, *, gives_addresses: bool = True
) -> None:
    """Replicate until `stop`; ready once the directory holds what the database holds.

    A node that answers no logins takes no addresses to give.
    """
    assert settings.database_url is not None, "the supervisor resolves it"
    # A bulk change must not take the processor from logins; it may be a moment later itself.
    os.nice(NICENESS)
    clock = Clock()
    paths = Paths(settings.data_dir)
    if not await _writes_alone(paths, stop):
        return
    database = NodeDatabase(settings.database_url)
    shipper = DecisionShipper(
        paths.decisions, database, clock, keep_days=settings.decisions.keep_days
    )
    pruner = _Pruner(database, clock)
    addresses = _Addresses(paths, database, clock)
    replicator = Replicator(
        database,
        DirectoryWriter(
            open_environment(
                paths.directory,
                map_size_octets=settings.directory.map_size_bytes,
                readonly=False,
            )
        ),
        loader.load(),
        clock,
        errands=(*([addresses.keep] if gives_addresses else []), shipper.ship, pruner.prune),
        stock=addresses.keep if gives_addresses else None,
    )
    started_at = clock.unix_s()
    reporter = status.Reporter(paths.status, "replicator")
    following = asyncio.create_task(replicator.run())
    telling = asyncio.create_task(_tell(replicator.progress, ready))
    try:
        while not stop.is_set() and not following.done():
            progress = replicator.progress
            reporter.tell(
                ReplicatorStatus(
                    pid=os.getpid(),
                    started_at=started_at,
                    connected=progress.connected,
                    caught_up_at=progress.caught_up_at,
                    applied=progress.applied,
                    rebuilds=progress.rebuilds,
                    subscribers=progress.subscribers,
                    decisions_shipped=shipper.shipped,
                    pools=addresses.status(),
                )
            )
            try:
                async with asyncio.timeout(STATUS_EVERY_S):
                    await stop.wait()
            except TimeoutError:
                continue
    finally:
        telling.cancel()
        following.cancel()
        await asyncio.wait([following, telling])
        await database.dispose()
    if not following.cancelled():
        following.result()  # it ends by itself only with a bug; the supervisor starts us again


async def _writes_alone(paths: Paths, stop: Stop) -> bool:
    """Wait until no other replicator writes the directory; False: told to stop meanwhile.

    The one of a supervisor that was killed may still finish, and would write an older row
    over a newer.  Kept for the life of the process.
    """
    descriptor = os.open(paths.replicator_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    while not stop.is_set():
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await asyncio.sleep(LOCK_EVERY_S)
        else:
            return True
    return False


async def _tell(progress: Progress, ready: Ready) -> None:
    """Say "ready" when the directory first holds what the database holds."""
    await progress.current.wait()
    ready()


class _Addresses:
    """The keeper of pools, once its store can be opened: a full disk stops no replication."""

    def __init__(self, paths: Paths, database: NodeDatabase, clock: Clock) -> None:
        self._paths = paths
        self._database = database
        self._clock = clock
        self._keeper: PoolKeeper | None = None
        self._retry_at = 0.0
        self._one_at_a_time = asyncio.Lock()

    async def keep(self) -> None:
        async with self._one_at_a_time:
            await self._keep()

    async def _keep(self) -> None:
        if self._keeper is None and self._clock.monotonic() >= self._retry_at:
            self._retry_at = self._clock.monotonic() + OPEN_AGAIN_S
            try:
                store = AddressStore(self._paths.addresses)
            except (OSError, lmdb.Error) as error:
                log.error("addresses_unusable", error=str(error))  # noqa: TRY400 - of the disk
                return
            name = node_name(self._paths.node_name)
            self._keeper = PoolKeeper(name, store, self._database, self._clock)
        if self._keeper is not None:
            await self._keeper.keep()

    def status(self) -> list[PoolStatus]:
        if self._keeper is None:
            return []
        try:
            return self._keeper.status()
        except (lmdb.Error, msgspec.DecodeError):
            return []  # the keeper says so


class _Pruner:
    """Forgets changes that every node has long read."""

    def __init__(self, database: NodeDatabase, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._next_at = 0.0

    async def prune(self) -> None:
        now = self._clock.monotonic()
        if now < self._next_at:
            return
        async with self._database.transaction() as tx:
            await prune(tx, self._clock.now() - CHANGES_KEPT)
        self._next_at = now + PRUNE_EVERY_S
