"""One child process kept alive: started, watched, started again, replaced without a gap.

Knows nothing of what the child does.  The child gets its settings on standard input, says
"ready" on standard output, and ends when its input does (`app.child`).
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process

import structlog

from core.clock import Clock
from core.config import Settings

log = structlog.get_logger()

READY_WITHIN_S = 30.0
ALONE_ENDS_WITHIN_S = 5.0
ALONE_PROVES_WITHIN_S = 2.0
STEADY_AFTER_S = 5.0  # one that lived so long is started again at once
RETRY_S_MAX = 5.0
REFUSED = 78  # EX_CONFIG of sysexits.h: trying again will not help
KEY_REFUSED = 79  # of our own: neither will it here, and it is the key


# -P: the code that is installed, whatever lies in the folder we happen to be started from.
_COMMAND = (sys.executable, "-P", "-m", "app.children")


class Supervised:
    """`arguments` go to ``python -m app.children``; `descriptors` stay open across restarts.

    Of one that is `alone` never two run at the same time, because it writes what a second
    would write over.
    """

    def __init__(
        self,
        name: str,
        arguments: tuple[str, ...],
        settings: Settings,
        clock: Clock,
        descriptors: tuple[int, ...] = (),
        *,
        alone: bool = False,
    ) -> None:
        self.name = name
        self.ready = asyncio.Event()
        self.restarts = 0
        self._arguments = arguments
        self._settings = settings
        self._clock = clock
        self._descriptors = descriptors
        self._alone = alone
        self._process: Process | None = None
        self._announcing: asyncio.Task[bool] | None = None
        self._changing = asyncio.Lock()  # held while the process is started or replaced

    async def keep(self) -> None:
        """Run it, and again whenever it ends, until cancelled."""
        wait_s = 0.0
        while True:
            started_at = self._clock.monotonic()
            try:
                process = await self._running()
            except OSError as error:  # no memory, no descriptor, no process left: that passes
                log.error("child_not_started", child=self.name, error=str(error))  # noqa: TRY400
                wait_s = min(wait_s * 2 + 0.1, RETRY_S_MAX)
                await asyncio.sleep(wait_s)
                continue
            status = await process.wait()
            if self._process is not process:
                continue  # replaced on purpose: watch the successor
            self._process = None
            self.restarts += 1
            log.warning("child_ended", child=self.name, status=status)
            lived_s = self._clock.monotonic() - started_at
            wait_s = 0.0 if lived_s > STEADY_AFTER_S else min(wait_s * 2 + 0.1, RETRY_S_MAX)
            await asyncio.sleep(wait_s)

    async def renew(self, settings: Settings) -> bool:
        """Replace it by one with other settings; whether they are in force.

        Both serve for a moment, so no request is lost; one that must be `alone` makes room
        first.  A successor that cannot live with the settings leaves the old ones in force.
        """
        async with self._changing:
            if self._process is None:
                self._settings = settings  # between two lives: the next one has them
                return True
            try:
                done = await (self._succeed if self._alone else self._overlap)(settings)
            except OSError as error:
                log.error("child_not_started", child=self.name, error=str(error))  # noqa: TRY400
                done = False
            if done:
                self._settings = settings
            else:
                log.error("child_not_renewed", child=self.name)
            return done

    async def _overlap(self, settings: Settings) -> bool:
        fresh = await self._spawn(settings)
        announced = False
        try:
            async with asyncio.timeout(READY_WITHIN_S):
                announced = await self._announced(fresh)
        except TimeoutError:
            pass
        finally:
            if not announced:
                _signal(fresh, signal.SIGKILL)
        if not announced:
            await fresh.wait()
            return False
        old, self._process = self._process, fresh
        if old is not None:
            _signal(old, signal.SIGTERM)
        return True

    async def _succeed(self, settings: Settings) -> bool:
        """The old one ends before the new one begins; "ready" may take it long, so only an
        early end counts as a failure."""
        old, self._process = self._process, None
        if old is not None:
            await self._end(old, ALONE_ENDS_WITHIN_S)
        self._begin(await self._spawn(settings))
        assert self._announcing is not None
        done, _ = await asyncio.wait({self._announcing}, timeout=ALONE_PROVES_WITHIN_S)
        return not done or self._announcing.result()

    async def stop(self, within_s: float) -> None:
        """Let it finish what it began, then make sure that it is gone.  `keep` must have ended."""
        if self._process is not None:
            await self._end(self._process, within_s)

    async def _end(self, process: Process, within_s: float) -> None:
        _signal(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(within_s):
                await process.wait()
        except TimeoutError:
            log.error("child_killed", child=self.name)  # noqa: TRY400 - no bug of ours
            _signal(process, signal.SIGKILL)
            await process.wait()

    async def _running(self) -> Process:
        """The process, started if there is none."""
        async with self._changing:
            if self._process is None:
                self._begin(await self._spawn(self._settings))
            assert self._process is not None
            return self._process

    def _begin(self, process: Process) -> None:
        self._process = process
        self._announcing = asyncio.create_task(self._announced(process))

    async def _spawn(self, settings: Settings) -> Process:
        process = await asyncio.create_subprocess_exec(
            *_COMMAND,
            *self._arguments,
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=self._descriptors,
        )
        assert process.stdin is not None
        with contextlib.suppress(ConnectionError):  # it died already: `keep` will see
            process.stdin.write(settings.model_dump_json().encode() + b"\n")
            await process.stdin.drain()
        return process

    async def _announced(self, process: Process) -> bool:
        assert process.stdout is not None
        # No time limit here: a first fill of the directory takes what it takes.
        if await process.stdout.readline() == b"ready\n":
            self.ready.set()
            return True
        return False


def _signal(process: Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(number)


async def run_once(arguments: tuple[str, ...], settings: Settings) -> int:
    """Run a child that ends by itself; its exit status."""
    process = await asyncio.create_subprocess_exec(
        *_COMMAND, *arguments, stdin=PIPE, stdout=DEVNULL
    )
    try:
        await process.communicate(settings.model_dump_json().encode() + b"\n")
    finally:
        if process.returncode is None:  # we are told to stop, and so is it
            _signal(process, signal.SIGKILL)
    assert process.returncode is not None
    return process.returncode
