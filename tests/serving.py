"""Turnpike as an operator runs it: `turnpike serve` in a directory of its own, on free ports.

For tests of what only whole processes show.  `turnpike_process` makes an instance of a
test's own; the fixture `isp` of tests/conftest.py is one that all tests of a run share,
with the manifest below, because a PostgreSQL takes seconds to make.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aaa.status import ReplicatorStatus, WorkerStatus
from app.paths import Paths
from core import status

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("turnpike")
READY = re.compile(
    r"^ready auth=127\.0\.0\.1:(?P<auth>\d+) acct=127\.0\.0\.1:(?P<acct>\d+)"
    r" web=127\.0\.0\.1:(?P<web>\d+)$",
    re.MULTILINE,
)
STOP_WITHIN_S = 20.0

Manifest = Mapping[str, object]


class DidNot(Exception):
    """What was waited for did not come; the text shows the last words of the log."""


@dataclass(slots=True)
class Turnpike:
    """One instance in `data_dir`.  Its ports are chosen at the first start and stay.

    `settings` are environment variables without the prefix: ``{"RADIUS__WORKERS": "1"}``.
    """

    data_dir: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    ports: dict[str, int] = field(
        default_factory=lambda: {"auth": 0, "acct": 0, "web": 0}  # 0: the system chooses
    )
    _process: subprocess.Popen[bytes] | None = None

    @property
    def paths(self) -> Paths:
        return Paths(self.data_dir)

    @property
    def log_file(self) -> Path:
        """Standard output and error of every start, one after the other."""
        return self.data_dir.with_suffix(".log")

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The supervisor."""
        assert self._process is not None, "it is not serving"
        return self._process

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def auth(self) -> tuple[str, int]:
        return ("127.0.0.1", self.ports["auth"])

    @property
    def acct(self) -> tuple[str, int]:
        return ("127.0.0.1", self.ports["acct"])

    @property
    def environment(self) -> dict[str, str]:
        """What its programs run in: nothing of the machine's own Turnpike, this checkout's code."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TURNPIKE_") and name != "DATABASE_URL"
        }
        chosen = {
            "DATA_DIR": str(self.data_dir),
            "RADIUS__HOST": "127.0.0.1",
            "RADIUS__WORKERS": "2",
            "RADIUS__AUTH_PORT": str(self.ports["auth"]),
            "RADIUS__ACCT_PORT": str(self.ports["acct"]),
            "WEB__PORT": str(self.ports["web"]),
            **self.settings,
        }
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            **{f"TURNPIKE_{name}": value for name, value in chosen.items()},
        }

    def launch(self, *arguments: str) -> None:
        """Start `turnpike serve` and do not wait."""
        assert self._process is None, "it is serving already"
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [str(PROGRAM), "serve", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.data_dir.parent,
            )

    def start(self, *arguments: str, within_s: float = 60.0) -> float:
        """Start it and wait for the line "ready"; the seconds that it took."""
        began_at, before = time.monotonic(), len(self.log)
        self.launch(*arguments)
        self.await_ready(since=before, within_s=within_s)
        return time.monotonic() - began_at

    def await_ready(self, *, since: int = 0, within_s: float = 60.0) -> None:
        """Wait for "ready" in the log from its character `since` on, and learn the ports."""
        eventually(
            lambda: READY.search(self.log, since) or self.process.poll() is not None,
            within_s,
            lambda: f"no ready line:\n{self.log[-3000:]}",
        )
        found = READY.search(self.log, since)
        if found is None:
            raise DidNot(f"ended with {self.process.returncode}:\n{self.log[-3000:]}")
        self.ports = {name: int(port) for name, port in found.groupdict().items()}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal the supervisor and wait for its end; the exit status.  Not serving: 0."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        if process.poll() is None:
            process.send_signal(number)
        try:
            return process.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise DidNot(
                f"it did not end within {STOP_WITHIN_S:.0f} s:\n{self.log[-3000:]}"
            ) from None

    def command(self, *arguments: str, stdin: str = "") -> str:
        """Standard output of a `turnpike` command for this instance; it must succeed."""
        done = subprocess.run(
            [str(PROGRAM), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=self.environment,
            cwd=self.data_dir.parent,
        )
        if done.returncode:
            raise DidNot(
                f"turnpike {' '.join(arguments)}: {done.returncode}\n{done.stderr[-3000:]}"
            )
        return done.stdout

    def apply(self, manifest: Manifest) -> str:
        """Apply a manifest and, while serving, wait until it is in force; what was printed."""
        told = self.command("apply", "-", stdin=json.dumps(manifest))
        if self._process is not None:
            self.settle()
        return told

    def settle(self, within_s: float = 10.0) -> None:
        """Wait until the replicator has read all that is committed by now."""
        committed_at = time.time()

        def caught_up() -> bool:
            found = status.read(self.paths.status, "replicator", ReplicatorStatus)
            return any(said.caught_up_at > committed_at for said, _ in found.values())

        eventually(caught_up, within_s, lambda: f"not replicated:\n{self.log[-3000:]}")

    def worker_pids(self) -> dict[str, int]:
        """worker-N -> process id, as the login workers say it themselves."""
        found = status.read(self.paths.status, "worker-*", WorkerStatus)
        return {name: said.pid for name, (said, _) in found.items()}

    def workers(self) -> list[WorkerStatus]:
        """What each login worker said last; they speak once a second."""
        found = status.read(self.paths.status, "worker-*", WorkerStatus)
        return [said for said, _ in found.values()]


@contextmanager
def turnpike_process(
    manifest: Manifest | None = None, *, serve: bool = True, **settings: str
) -> Iterator[Turnpike]:
    """A new instance, serving and with `manifest` in force; gone afterwards, PostgreSQL too.

    `settings` are environment variables without their prefix, for example
    ``RADIUS__REJECT_DELAY_S="0.2"``.  With `serve=False` it is neither started nor filled.
    """
    # Not under pytest's own directory: that is closed to the user PostgreSQL runs as.
    directory = Path(tempfile.mkdtemp(prefix="turnpike-serving-"))
    directory.chmod(0o755)
    turnpike = Turnpike(directory / "var", settings)
    try:
        if serve:
            turnpike.start()
            if manifest is not None:
                turnpike.apply(manifest)
        yield turnpike
    finally:
        turnpike.stop()
        _end_postgres(turnpike.paths.postgres / "data" / "postmaster.pid")
        shutil.rmtree(directory)


def _end_postgres(pid_file: Path) -> None:
    """A supervisor that was killed leaves its PostgreSQL behind; nobody else will end it."""
    if not pid_file.exists():
        return
    os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGINT)
    eventually(lambda: not pid_file.exists(), STOP_WITHIN_S)


def eventually(
    true: Callable[[], object], within_s: float, otherwise: Callable[[], str] = lambda: "not so"
) -> None:
    """Wait until `true` is.

    Raises:
        DidNot: it was not within that time; `otherwise` says what was missed.
    """
    deadline = time.monotonic() + within_s
    while not true():
        if time.monotonic() > deadline:
            raise DidNot(f"within {within_s:.1f} s: {otherwise()}")
        time.sleep(0.01)


SECRET = "serving-nas-secret"
PASSWORD = "serving-passw0rd"

# One subscriber, a NAS of every vendor.  Tests that need others apply a manifest of their own,
# with names and addresses that nobody else uses.
ISP: Manifest = {
    "tenant": "test-isp",
    "nas": [
        {"name": name, "address": f"127.0.0.{host}", "secret": SECRET, **more}
        for host, name, more in (
            (1, "local", {"vendor": "generic"}),
            (2, "bng-mikrotik", {"vendor": "mikrotik"}),
            (3, "bng-cisco", {"vendor": "cisco"}),
            (4, "bng-huawei", {"vendor": "huawei_bng"}),
            (5, "bng-accel", {"vendor": "accel_ppp"}),
            (6, "bng-generic", {"vendor": "generic"}),
            (7, "old-box", {"require_message_authenticator": False}),
        )
    ],
    "plan": [
        {
            "code": "home",
            "download": "50M",
            "upload": "20M",
            "session_limit": 0,
            "session_timeout_s": 86400,
            "interim_s": 300,
            "address_pool": "pool-a",
        }
    ],
    "subscriber": [{"username": "alice", "password": PASSWORD, "plan": "home"}],
}
