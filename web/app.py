"""The web application: which address leads where.  Pages talk to services and own no rule."""

from pathlib import Path

from aiohttp import web

from core.clock import Clock
from web.health import HealthPage
from web.metrics import MetricsPage

BODY_OCTETS_MAX = 1 << 20


def make_app(status_directory: Path, clock: Clock, *, logs_in: bool) -> web.Application:
    """The application of one node; `logs_in`: it answers logins, and its health is theirs."""
    app = web.Application(client_max_size=BODY_OCTETS_MAX)
    app.router.add_get("/healthz", HealthPage(status_directory, clock, logs_in=logs_in).get)
    app.router.add_get("/metrics", MetricsPage(status_directory, clock).get)
    return app
