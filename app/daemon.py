"""`turnpike serve`: the supervisor.  It owns the sockets and the private database, starts the
processes of its role, and minds them until it is told to stop.

It decides nothing about logins and holds no connection: small, so that it does not fail.
"""

import asyncio
import fcntl
import os
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import structlog
import uvloop

from aaa import pools_place
from aaa.directory import DamagedDirectory, is_filled
from app.database_keeper import DatabaseKeeper
from app.paths import Paths
from app.reload import reloadable
from app.sockets import shown, tcp_socket, udp_sockets
from app.supervised import Supervised
from core import log as logging_setup
from core.clock import Clock
from core.config import Settings
from core.errors import Conflict, Invalid, Refused
from core.keys import open_vault

log = structlog.get_logger()

STOP_WITHIN_S = 10.0
LOGIN = "login-"
# How long a directory that is filled already waits for the database before "ready".
DATABASE_GRACE_S = 4.0


def run(
    settings: Settings,
    role: str,
    reload: Callable[[], Settings],
    *,
    announce: Callable[[Mapping[str, str]], None] | None = None,
) -> int:
    """Serve until SIGTERM or SIGINT; the exit status.

    `reload` reads the configuration again, for SIGHUP.  `announce` is called with
    what the ready line says, HOST:PORT by name, once all of it answers.

    Raises:
        Refused: it cannot start, and why.
    """
    logging_setup.configure(settings.log.level, settings.log.format)
    paths = Paths(settings.data_dir)
    with _possession(paths):
        if settings.key_path.exists():
            open_vault(settings.key_path)  # says now if it cannot be read
        return uvloop.run(_Daemon(settings, paths, role, reload, announce).run())


class _Stopped(Exception):
    """Told to stop; ends the task group."""


class _Daemon:
    def __init__(
        self,
        settings: Settings,
        paths: Paths,
        role: str,
        reload: Callable[[], Settings],
        announce: Callable[[Mapping[str, str]], None] | None,
    ) -> None:
        self._settings = settings
        self._paths = paths
        self._logs_in = role in ("all", "login")
        # Who takes records on this disk must also carry them away; alone, for a node that
        # answers no more and whose spools are still full.
        self._ingests = self._logs_in or role == "ingest"
        self._works = role in ("all", "jobs")
        self._serves_web = role in ("all", "web")
        self._reload = reload
        self._announce = announce
        self._clock = Clock()
        self._auth: list[socket.socket] = []
        self._acct: list[socket.socket] = []
        self._web: socket.socket | None = None
        self._database_url: str | None = None  # of whichever database it became
        self._children: list[Supervised] = []
        self._stop = asyncio.Event()
        self._hangup = asyncio.Event()

    async def run(self) -> int:
        self._open_sockets()
        filled = self._prepare_directory()
        database = DatabaseKeeper(self._settings, self._paths)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._until_stopped())
                tasks.create_task(self._renew_on_hangup())
                opened = None
                if not self._settings.key_path.exists():
                    # The database says whether one may be made; without, nothing can be opened.
                    opened = await database.open(patient=filled)
                for child in self._servers():
                    self._keep(child, tasks)
                await self._bring_up(database, opened, filled, tasks)
        except* _Stopped:
            pass
        except* Refused as refusals:
            raise _first(refusals) from None
        finally:
            # Logins and receipts need none of the others, and so go on while those end.
            await _stopped(child for child in self._children if not child.name.startswith(LOGIN))
            await asyncio.to_thread(database.close)
            await _stopped(child for child in self._children if child.name.startswith(LOGIN))
            pools_place.settle(self._paths.addresses)
            for sock in (*self._auth, *self._acct, *([self._web] if self._web else [])):
                sock.close()
        log.info("stopped")
        return 0

    def _open_sockets(self) -> None:
        radius, web = self._settings.radius, self._settings.web
        if self._logs_in:
            self._auth, self._acct = (
                udp_sockets(
                    radius.host,
                    port,
                    radius.worker_count,
                    receive_buffer_octets=radius.receive_buffer_bytes,
                    setting=setting,
                )
                for port, setting in (
                    (radius.auth_port, "radius.auth_port"),
                    (radius.acct_port, "radius.acct_port"),
                )
            )
        if self._serves_web:
            self._web = tcp_socket(web.host, web.port, setting="web.port")

    def _prepare_directory(self) -> bool:
        """Make what the workers open; whether the directory was filled by an earlier run."""
        self._paths.status.mkdir(mode=0o700, exist_ok=True)
        for pattern in ("*.json", "*.new"):
            for old in self._paths.status.glob(pattern):
                old.unlink()
        # Not synced, so a power cut may leave it damaged; what is in it ends within a minute.
        shutil.rmtree(self._paths.live, ignore_errors=True)
        pools_place.prepare(self._paths.addresses)
        path, size = self._paths.directory, self._settings.directory.map_size_bytes
        try:
            return is_filled(path, map_size_octets=size)
        except DamagedDirectory as damage:
            # It is only a copy: the replicator fills a new one from the database.
            aside = path.with_name(f"{path.name}.damaged")
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)
            log.error("directory_damaged", error=str(damage), kept_as=str(aside))  # noqa: TRY400
            return is_filled(path, map_size_octets=size)

    def _servers(self) -> Iterator[Supervised]:
        for number, (auth, acct) in enumerate(zip(self._auth, self._acct, strict=True)):
            descriptors = (auth.fileno(), acct.fileno())
            arguments = ("login", str(number), *(str(each) for each in descriptors))
            yield Supervised(
                f"{LOGIN}{number}", arguments, self._settings, self._clock, descriptors
            )
        if self._web is not None:
            descriptor = self._web.fileno()
            arguments = ("web", str(descriptor), *(("login",) if self._logs_in else ()))
            yield Supervised("web", arguments, self._settings, self._clock, (descriptor,))

    def _keep(self, child: Supervised, tasks: asyncio.TaskGroup) -> None:
        self._children.append(child)
        tasks.create_task(child.keep())

    async def _bring_up(
        self,
        database: DatabaseKeeper,
        opened: Settings | None,
        filled: bool,
        tasks: asyncio.TaskGroup,
    ) -> None:
        """Start what needs the database once there is one, and say when all of it answers."""
        current = asyncio.Event()  # set when the directory is, as far as we can know
        tasks.create_task(self._say_ready(list(self._children), current))
        if filled:
            asyncio.get_running_loop().call_later(DATABASE_GRACE_S, current.set)
        if opened is None:
            opened = await database.open(patient=filled)
        self._database_url = opened.database_url
        tasks.create_task(database.keep())
        if self._ingests:
            self._keep(
                Supervised("ingest", ("ingest",), self._resolved(), self._clock, alone=True), tasks
            )
        if self._works:
            self._keep(Supervised("jobs", ("jobs",), self._resolved(), self._clock), tasks)
        if self._logs_in or self._works:  # what is enforced is what a login would get
            more = () if self._logs_in else ("no-addresses",)  # it would take some, for nobody
            replicator = Supervised(
                "replicator", ("replicator", *more), self._resolved(), self._clock, alone=True
            )
            self._keep(replicator, tasks)
            await replicator.ready.wait()
        current.set()

    def _resolved(self) -> Settings:
        """Settings for children: with the URL of the private cluster, once there is one."""
        return self._settings.model_copy(update={"database_url": self._database_url})

    async def _say_ready(self, servers: list[Supervised], current: asyncio.Event) -> None:
        for server in servers:
            await server.ready.wait()
        await current.wait()
        places = {}
        if self._auth:
            places["auth"] = shown(self._auth[0])
            places["acct"] = shown(self._acct[0])
        if self._web is not None:
            places["web"] = shown(self._web)
        if self._announce is not None:
            self._announce(places)
        line = "ready " + " ".join(f"{name}={place}" for name, place in places.items())
        sys.stdout.write(line + "\n")
        sys.stdout.flush()

    async def _until_stopped(self) -> None:
        await self._stop.wait()
        raise _Stopped

    async def _renew_on_hangup(self) -> None:
        while True:
            await self._hangup.wait()
            self._hangup.clear()
            try:
                fresh = self._reload()
            except Invalid as refused:
                log.error("reload_refused", reason=str(refused))  # noqa: TRY400 - no bug of ours
                continue
            self._settings, ignored = reloadable(self._settings, fresh)
            if ignored:
                log.warning("reload_needs_restart", settings=",".join(ignored))
            logging_setup.configure(self._settings.log.level, self._settings.log.format)
            resolved = self._resolved()
            kept = [child.name for child in self._children if not await child.renew(resolved)]
            if kept:
                log.error("reload_incomplete", keep_the_old_settings=",".join(kept))
            else:
                log.info("reloaded")


async def _stopped(children: Iterable[Supervised]) -> None:
    await asyncio.gather(*(child.stop(STOP_WITHIN_S) for child in children))


@contextmanager
def _possession(paths: Paths) -> Iterator[None]:
    """Hold the data directory, so that two daemons never write to one."""
    try:
        paths.data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        descriptor = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Invalid(f"{paths.data_dir}: {error.strerror}", field="data_dir") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(
                f"another turnpike serves from {paths.data_dir}: stop it, or set data_dir"
            ) from None
        yield
    finally:
        os.close(descriptor)


def _first(group: BaseExceptionGroup[Refused]) -> Refused:
    found = group.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found
