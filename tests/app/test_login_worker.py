"""What a login worker may be made of."""

import subprocess
import sys
from pathlib import Path
from typing import cast

from structlog.testing import capture_logs

from aaa.session_ends import SessionEnds
from accounting.handler import AccountingHandler
from app.login_worker import AccountingPort
from core.radius.clients import Client
from core.radius.packet import Packet
from core.radius.responder import Source

ROOT = Path(__file__).parents[2]
LOADED = """
import sys
import app.login_worker
print(*sorted({"sqlalchemy", "asyncpg", "alembic", "pgqueuer", "aiohttp"} & sys.modules.keys()))
"""


def test_it_loads_nothing_that_talks_to_the_database() -> None:
    """A killed worker must be back in a moment, and there is one for each core."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []


class _Damaged:
    """As of a subscriber whose record in the directory cannot be decoded."""

    def saw(self, packet: Packet) -> None:
        raise ValueError("damaged")


class _Spool:
    def __init__(self) -> None:
        self.kept = 0

    def handle(self, packet: Packet, client: Client, source: Source, now: float) -> None:
        self.kept += 1


def test_a_packet_is_stored_and_answered_whatever_becomes_of_the_session_that_it_ends() -> None:
    spool = _Spool()
    port = AccountingPort(cast(AccountingHandler, spool), cast(SessionEnds, _Damaged()))
    with capture_logs() as told:
        for now in (100.0, 101.0, 161.0):
            port.handle(cast(Packet, None), cast(Client, None), ("192.0.2.1", 1646, b""), now)
    assert spool.kept == 3
    assert [line["event"] for line in told] == ["session_end_not_seen"] * 2
