"""The private PostgreSQL cluster, for when no DATABASE_URL is given.

A directory of ours holds the data, a log and a unix socket that only its owner can reach;
there is no TCP.  Several processes may use it at once (a command beside `serve`): whoever
comes first starts it, whoever leaves last stops it, and one that was killed is forgotten.
A server left running by a killed process is adopted at the next start.

PostgreSQL does not run as root: started by root, it runs as `postgres`, else `nobody`.

Everything here blocks.  On an event loop use `running`, or `asyncio.to_thread`.
"""

import asyncio
import fcntl
import hashlib
import os
import pwd
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from core import postgres_binaries, postgres_pidfile
from core.errors import Refused
from core.postgres_binaries import Binaries

DATABASE = "turnpike"
SUPERUSER = "turnpike"
SOCKET_NAME = ".s.PGSQL.5432"
SOCKET_PATH_OCTETS_MAX = 99  # the kernel allows 107, other systems 103
START_TIMEOUT_S = 300  # recovery after a crash may replay much WAL
STOP_TIMEOUT_S = 60
POLL_S = 0.05
LOG_OCTETS_MAX = 8 << 20  # at a start; the log of one run has no limit
STILL_IN_USE_RETRIES = 20

CONFIGURATION = """
# Written by Turnpike when it made this cluster; yours to tune.
shared_buffers = 128MB
max_connections = 50
timezone = UTC
log_timezone = UTC
log_checkpoints = off
# After a checkpoint a page is logged whole when it is first written.  Under load the default
# of 1 GB would make one every few seconds, and half of the log would be whole pages.
max_wal_size = 4GB
checkpoint_timeout = 15min
"""
UNSAFE = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
# Before it recovers from a crash, PostgreSQL syncs every file of the cluster, one by one, which
# takes seconds for some thousand; here it syncs the file system.  Older kernels (man syncfs) do
# not tell of a write that failed, older PostgreSQLs do not offer it.
QUICK_RECOVERY = "recovery_init_sync_method=syncfs"
QUICK_RECOVERY_MAJOR_MIN = 14
QUICK_RECOVERY_KERNEL_MIN = (5, 8)


class CannotRun(Refused):
    """The private cluster cannot be made or started here; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class _OsUser:
    """Who runs the server; ids are None when that is ourselves."""

    name: str
    uid: int | None = None
    gid: int | None = None


class Cluster:
    """A private cluster in `directory`, which it owns whole.

    `durable=False` gives up fsync, for tests; `bin_dir` names the programs to use.
    """

    def __init__(
        self, directory: Path, *, bin_dir: Path | None = None, durable: bool = True
    ) -> None:
        self._directory = directory.absolute()
        self._data = self._directory / "data"
        self._log = self._directory / "postgres.log"
        self._bin_dir = bin_dir
        self._durable = durable
        self._in_use: int | None = None  # descriptor of the shared lock while we use it

    def start(self) -> str:
        """The URL of a running server with the database in it; starts, makes or adopts one.

        Raises:
            Refused: no fitting PostgreSQL here, or the directory cannot be used.
        """
        if not {'"', "$", "`", "\\", "\n"}.isdisjoint(str(self._directory)):
            raise CannotRun(f"{self._directory} has characters that PostgreSQL's pg_ctl mangles")
        user = self._make_directory()
        with self._turn():
            binaries = postgres_binaries.find(self._cluster_major(), self._bin_dir)
            if user.uid is not None:
                self._check_reachable(binaries, user)
            if not self._data.exists():
                self._initialise(binaries, user)
            socket_dir = self._start_server(binaries, user)
            if self._in_use is None:
                self._in_use = self._open_lock("users.lock")
                fcntl.flock(self._in_use, fcntl.LOCK_SH)
        return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(socket_dir)}"

    def stop(self) -> None:
        """Stop using it, and stop the server unless another process still uses it."""
        if self._in_use is None:
            return
        with self._turn():
            try:
                fcntl.flock(self._in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pass  # somebody else stays, and will be the last
            else:
                self._stop_server()
            finally:
                os.close(self._in_use)
                self._in_use = None

    def is_running(self) -> bool:
        """Whether the server's process lives and accepts connections."""
        postmaster = postgres_pidfile.read(self._data)
        return postmaster is not None and postmaster.status == "ready"

    # The directory and who owns it.

    def _make_directory(self) -> _OsUser:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() != 0:
            if self._directory.stat().st_uid != os.geteuid():
                owner = _name_of(self._directory.stat().st_uid)
                raise CannotRun(f"{self._directory} belongs to {owner}: run this as {owner}")
            return _OsUser(_name_of(os.geteuid()))
        uid = self._directory.stat().st_uid
        if uid == 0:
            if any(self._directory.iterdir()):
                raise CannotRun(
                    f"{self._directory} belongs to root, as whom PostgreSQL refuses to run: "
                    f"chown -R {_unprivileged().pw_name} {self._directory}"
                )
            entry = _unprivileged()
            os.chown(self._directory, entry.pw_uid, entry.pw_gid)
            self._directory.chmod(0o700)
            uid = entry.pw_uid
        return _OsUser(_name_of(uid), uid, self._directory.stat().st_gid)

    def _check_reachable(self, binaries: Binaries, user: _OsUser) -> None:
        """Ask as `user` itself, so that groups and ACLs count as the kernel counts them."""
        for path in (self._directory, binaries.directory):
            parents = [str(parent) for parent in reversed(path.parents)]
            script = 'for d; do test -x "$d" || { printf %s "$d"; exit 1; }; done'
            closed = self._run(user, "/bin/sh", "-c", script, "sh", *parents, cwd="/").stdout
            if closed:
                raise CannotRun(
                    f"the user {user.name}, as whom PostgreSQL runs, may not enter {closed}, and "
                    f"needs {path}: chmod o+x {closed}, or choose a data directory elsewhere, "
                    "or do not run as root"
                )

    def _cluster_major(self) -> int | None:
        version = self._data / "PG_VERSION"
        return int(version.read_text()) if version.exists() else None

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """One process at a time starts or stops."""
        descriptor = self._open_lock("start.lock")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _open_lock(self, name: str) -> int:
        descriptor = os.open(self._directory / name, os.O_RDWR | os.O_CREAT, 0o600)
        owner = self._directory.stat()
        if os.geteuid() == 0:  # the owner of the directory may come without root next time
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    # The server.

    def _initialise(self, binaries: Binaries, user: _OsUser) -> None:
        """Make the cluster beside its place and move it there whole: killed half-way, it is not."""
        fresh = self._directory / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        command = [binaries.program("initdb"), "-D", str(fresh), "-U", SUPERUSER]
        command += ["-A", "trust", "-E", "UTF8", "--data-checksums"]
        # Sorted by code point everywhere; never by ICU, whose order changes with its version.
        if binaries.major >= 17:
            command += ["--locale-provider=builtin", "--locale=C.UTF-8"]
        else:
            command += ["--locale-provider=libc", "--locale=C", "--lc-ctype=C.UTF-8"]
        if not self._durable:
            command += ["--no-sync"]
        self._run_or_refuse(user, *command)
        with (fresh / "postgresql.conf").open("a") as file:
            file.write(CONFIGURATION)
        self._run_or_refuse(
            user,
            *(binaries.program("postgres"), "--single", "-D", str(fresh), "postgres"),
            given=f"CREATE DATABASE {DATABASE};\n",
        )
        fresh.rename(self._data)
        _sync(self._directory)

    def _start_server(self, binaries: Binaries, user: _OsUser) -> str:
        """The socket directory of the running server, which may have been running before."""
        for _ in range(int(START_TIMEOUT_S / POLL_S)):
            postmaster = postgres_pidfile.read(self._data)
            if postmaster is None:
                break
            if postmaster.status == "ready":
                return postmaster.socket_dir
            time.sleep(POLL_S)  # it starts for somebody else, or is stopping
        if self._log.exists() and self._log.stat().st_size > LOG_OCTETS_MAX:
            self._log.replace(self._log.with_suffix(".log.1"))
        socket_dir = self._socket_dir(user)
        # No other server uses this directory; what lies there is a dead one's, and would be
        # believed if its process number lives on in somebody else.
        Path(socket_dir, SOCKET_NAME + ".lock").unlink(missing_ok=True)
        settings = ["listen_addresses=", f"unix_socket_directories={socket_dir}"]
        settings += ["unix_socket_permissions=0700", *(() if self._durable else UNSAFE)]
        if binaries.major >= QUICK_RECOVERY_MAJOR_MIN and _kernel() >= QUICK_RECOVERY_KERNEL_MIN:
            settings.append(QUICK_RECOVERY)
        options = " ".join(f"-c '{setting}'" for setting in settings)
        command = [binaries.program("pg_ctl"), "start", "-w", "-t", str(START_TIMEOUT_S)]
        command += ["-D", str(self._data), "-l", str(self._log), "-o", options]
        for _ in range(STILL_IN_USE_RETRIES):
            before = self._log.stat().st_size if self._log.exists() else 0
            if self._run(user, *command).returncode == 0:
                return socket_dir
            with self._log.open("rb") as log:
                log.seek(before)
                said = log.read().decode(errors="replace").strip()
            if "pre-existing shared memory block" not in said:
                break
            postgres_pidfile.end_orphans(self._data)
            time.sleep(POLL_S)
        raise CannotRun(f"PostgreSQL does not start; it says (in {self._log}):\n{said}")

    def _stop_server(self) -> None:
        if postgres_pidfile.read(self._data) is None:
            return
        user = self._make_directory()
        pg_ctl = postgres_binaries.find(self._cluster_major(), self._bin_dir).program("pg_ctl")
        stop = [pg_ctl, "stop", "-w", "-t", str(STOP_TIMEOUT_S), "-D", str(self._data), "-m"]
        if (
            self._run(user, *stop, "fast").returncode != 0
            and postgres_pidfile.read(self._data) is not None
        ):
            # Something hangs.  Nothing committed is lost: the next start recovers from WAL.
            self._run_or_refuse(user, *stop, "immediate")

    def _socket_dir(self, user: _OsUser) -> str:
        own = self._directory / "run"
        fits = len(os.fsencode(own / SOCKET_NAME)) <= SOCKET_PATH_OCTETS_MAX
        if fits and {",", "'"}.isdisjoint(str(own)):
            place = own
        else:
            digest = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:16]
            place = Path(tempfile.gettempdir()) / f"turnpike-{digest}"
        uid = os.geteuid() if user.uid is None else user.uid
        try:
            place.mkdir(mode=0o700)
        except FileExistsError:
            # In a directory that all may write, somebody else could have been there first.
            status = place.lstat()
            if status.st_uid != uid or not place.is_dir() or place.is_symlink():
                raise CannotRun(f"{place} is in the way of the socket: remove it") from None
            place.chmod(0o700)
        else:
            if user.uid is not None and user.gid is not None:
                os.chown(place, user.uid, user.gid)
        return str(place)

    def _run_or_refuse(self, user: _OsUser, *command: str, given: str = "") -> None:
        done = self._run(user, *command, given=given)
        if done.returncode != 0:
            raise CannotRun(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}".strip())

    def _run(
        self, user: _OsUser, *command: str, given: str = "", cwd: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        # PGDATA, PGHOST and the like speak of another server.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        return subprocess.run(  # noqa: S603  our own arguments, and no shell but where it says so
            command,
            input=given,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd or self._directory,
            env=environment | {"LC_ALL": "C"},
            umask=0o077,
            user=user.uid,
            group=user.gid,
            extra_groups=None if user.uid is None else [],
        )


@asynccontextmanager
async def running(
    directory: Path, *, bin_dir: Path | None = None, durable: bool = True
) -> AsyncIterator[str]:
    """The URL of the private cluster in `directory`, for as long as the block lasts."""
    cluster = Cluster(directory, bin_dir=bin_dir, durable=durable)
    url = await asyncio.to_thread(cluster.start)
    try:
        yield url
    finally:
        await asyncio.to_thread(cluster.stop)


def _sync(directory: Path) -> None:
    """Make a rename in `directory` last, should the power go."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _kernel() -> tuple[int, ...]:
    """The version of the Linux that we run on; empty on anything else."""
    system = os.uname()
    found = re.match(r"Linux (\d+)\.(\d+)", f"{system.sysname} {system.release}")
    return () if found is None else (int(found[1]), int(found[2]))


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise CannotRun("PostgreSQL does not run as root, and there is no user postgres or nobody")


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)  # a container may run as a number without a name
