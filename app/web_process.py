"""The web process: serves the application on the socket that the supervisor opened."""

import socket

from aiohttp import web

from app.child import Ready, Stop
from app.paths import Paths
from core.clock import Clock
from core.config import Settings
from web.app import make_app

DRAIN_S = 3.0


async def run(settings: Settings, descriptor: int, logs_in: bool, ready: Ready, stop: Stop) -> None:
    """Serve until `stop`; `descriptor` is the listening socket, `logs_in` says whether this
    instance has login workers."""
    runner = web.AppRunner(
        make_app(Paths(settings.data_dir).status, Clock(), logs_in=logs_in),
        access_log=None,
        keepalive_timeout=15.0,
        shutdown_timeout=DRAIN_S,
    )
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=descriptor)).start()
    ready()
    await stop.wait()
    await runner.cleanup()
