"""`turnpike serve` and `turnpike demo`: from options to a running daemon."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from app import cli_output as output
from app import daemon, instance
from app.apply import Applied, apply
from app.cli_context import CLOCK, settings_of
from app.demo import BUSY, DOCUMENT, PASSWORD, SECRET, invitation, reachable
from app.demo_traffic import DemoTraffic
from app.manifest import parse
from app.manifest_file import reply_check
from app.simulator.simulation import Server
from core.config import Settings
from dictionaries.loader import load as load_dictionary


def serve(config: Path | None, data_dir: Path | None, workers: int | None, role: str) -> int:
    """Serve until SIGTERM or SIGINT; the exit status."""

    def settings() -> Settings:
        return settings_of(config, data_dir, radius={"workers": workers})

    return daemon.run(settings(), role, settings)


def demo(config: Path | None, data_dir: Path | None, workers: int | None) -> int:
    """Apply the demo ISP, say how to try it, and serve."""

    def settings() -> Settings:
        return settings_of(config, data_dir, radius={"workers": workers})

    chosen = settings()
    # The cluster stays up between applying and serving, which saves a stop and a start.
    with instance.database_url(chosen, create=True) as url:
        applied = asyncio.run(_apply_demo(chosen, url, CLOCK.now()))
        output.tell(applied.tenant, applied.lines, dry_run=False)
        return daemon.run(chosen, "all", settings, announce=_announce)


async def _apply_demo(settings: Settings, url: str, now: datetime) -> Applied:
    manifest = parse(DOCUMENT, reply_check(load_dictionary()))
    async with instance.opened(settings, url, upgrade=True) as database:
        vault = await instance.vault(settings, database)
        return await apply(database, vault, manifest, now=now)


def _announce(places: Mapping[str, str]) -> None:
    """Where it is and how to try it, once it answers; and its subscribers come online."""
    output.say(invitation(places["auth"], places["web"]))
    host, _, auth_port = reachable(places["auth"]).rpartition(":")
    _, _, acct_port = reachable(places["acct"]).rpartition(":")
    server = Server(host, int(auth_port), int(acct_port))
    DemoTraffic(server, SECRET, PASSWORD, BUSY).start()
