"""A process that the supervisor started: it gets its settings, says when it is ready, and ends.

Settings come as one line of JSON on standard input.  The pipe then stays open for as long
as the supervisor lives, so its end means: nobody minds you any more, leave.
"""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import structlog
import uvloop

from core import log as logging_setup
from core.config import Settings

Ready = Callable[[], None]
Stop = asyncio.Event
Main = Callable[[Settings, Ready, Stop], Awaitable[None]]


def run(main: Main) -> None:
    """Run `main` until SIGTERM or the supervisor's end; the exit status says how it went."""
    settings = Settings.model_validate_json(sys.stdin.readline())
    logging_setup.configure(settings.log.level, settings.log.format)
    uvloop.run(_run(main, settings))


async def _run(main: Main, settings: Settings) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, lambda: None)  # a terminal tells everyone; we wait
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    loop.add_reader(sys.stdin.fileno(), _supervisor_gone, loop, stop)
    await main(settings, _ready, stop)
    structlog.get_logger().debug("stopped")


def _ready() -> None:
    with contextlib.suppress(BrokenPipeError):  # the supervisor is gone: its pipe tells us to leave
        os.write(sys.stdout.fileno(), b"ready\n")


def _supervisor_gone(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    loop.remove_reader(sys.stdin.fileno())
    stop.set()
