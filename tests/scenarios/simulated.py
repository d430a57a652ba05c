"""Simulated boxes beside a serving Turnpike whose enforcement reaches them by itself.

Asynchronous, so that boxes answer while commands run.  Nothing here asks how long a thing
takes: what is promised comes within `PATIENCE_S` on the slowest machine, or never.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from aaa.enforcement_status import CoaStatus, EnforcementStatus
from app.simulator.events import Happened, What
from app.simulator.faults import NONE, Faults
from app.simulator.habits import Habits
from app.simulator.makes import MAKES
from app.simulator.personality import Box
from app.simulator.session import Session
from app.simulator.simulated import SimulatedNas
from app.simulator.simulation import Server, Simulation
from core import status
from core.db import connect
from tests.scenarios.flows import private_url
from tests.serving import SECRET, Turnpike

PATIENCE_S: Final = 90.0
LOOK_S: Final = 0.2
EAGER: Final = Habits(pause_s=0.2, reject_pause_s=0.2)
VENDORS: Final = {
    "mikrotik-pppoe": "mikrotik",
    "mikrotik-hotspot": "mikrotik",
    "huawei": "huawei_bng",
    "cisco": "cisco",
    "accel-ppp": "accel_ppp",
    "ipoe": "generic",
}


class Boxes:
    """The house, and the NASes that a test has put beside it."""

    def __init__(self, house: Turnpike) -> None:
        self.house = house
        self.asked: Counter[str] = Counter()  # CoA and Disconnect, copies too, by NAS
        self.sim = Simulation(
            Server("127.0.0.1", house.auth[1], house.acct[1]), SECRET, watch=self._note
        )
        self._nases: list[dict[str, object]] = []

    async def add(
        self, name: str, make: str, address: str, faults: Faults = NONE, **more: object
    ) -> SimulatedNas:
        """A box, and what the manifest will say of it."""
        nas = await self.sim.add(
            Box(name, address),
            replace(MAKES[make], resend_after_s=0.5),
            coa_port=0,
            faults=faults,
            habits=EAGER,
        )
        told: dict[str, object] = {
            "name": name,
            "address": address,
            "secret": SECRET,
            "vendor": VENDORS[make],
            "coa_port": nas.coa_address[1],
            "require_message_authenticator": MAKES[make].signs_requests,
        }
        self._nases.append(told | more)
        return nas

    async def apply(
        self, plans: Sequence[dict[str, object]], people: Sequence[dict[str, object]]
    ) -> None:
        manifest = {
            "tenant": "test-isp",
            "nas": self._nases,
            "plan": list(plans),
            "subscriber": list(people),
        }
        await asyncio.to_thread(self.house.apply, manifest)

    async def command(self, *arguments: str) -> str:
        return await asyncio.to_thread(self.house.command, *arguments)

    async def listed(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command lists."""
        found: list[dict[str, Any]] = json.loads(await self.command(*arguments, "--json"))
        return found

    async def until(self, true: Callable[[], object], within_s: float = PATIENCE_S) -> None:
        """Wait until something is so of the simulation."""
        try:
            await self.sim.until(true, within_s)
        except TimeoutError:
            raise AssertionError(
                f"not within {within_s:.0f} s:\n{self.house.log[-3000:]}"
            ) from None

    async def known(self, session: Session) -> int:
        """Wait until the books have this session open; its number there."""
        rows = await self.eventually(  # two boxes may well use one Acct-Session-Id
            "SELECT id FROM session"
            " WHERE acct_session_id = $1 AND username = $2 AND stopped_at IS NULL",
            session.acct_session_id,
            session.username,
            so=bool,
        )
        number: int = rows[0]["id"]
        return number

    async def eventually(
        self, query: str, *values: object, so: Callable[[list[Any]], object]
    ) -> list[Any]:
        """Ask again and again until the answer is such a one."""
        connection = await connect(private_url(self.house), None)
        rows: list[Any] = []
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    rows = await connection.fetch(query, *values)
                    if so(rows):
                        return rows
                    await asyncio.sleep(LOOK_S)
        except TimeoutError:
            raise AssertionError(f"{rows}:\n{self.house.log[-3000:]}") from None
        finally:
            await connection.close()

    async def becomes(self, session_id: int, *states: str) -> dict[str, Any]:
        """Wait until enforcement has come so far with a session; what it says of it."""
        [row] = await self.eventually(
            "SELECT * FROM enforcement WHERE session_id = $1",
            session_id,
            so=lambda rows: rows and rows[0]["state"] in states,
        )
        return dict(row)

    async def execute(self, *statements: str, about: object) -> None:
        """As the owner, in one transaction; `about` is each one's $1."""
        connection = await connect(private_url(self.house), None)
        try:
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement, about)
        finally:
            await connection.close()

    def coa(self, nas: SimulatedNas) -> CoaStatus:
        """What the jobs process says of its requests to this box; it speaks once a second."""
        found = status.read(self.house.paths.status, "enforcement", EnforcementStatus)
        [one] = [one for told, _ in found.values() for one in told.coa if one.nas == nas.name]
        return one

    def _note(self, nas: SimulatedNas, happened: Happened) -> None:
        if happened.what in (What.ACKED, What.NAKED, What.IGNORED):
            self.asked[nas.name] += 1


@asynccontextmanager
async def boxes(house: Turnpike) -> AsyncIterator[Boxes]:
    one = Boxes(house)
    async with one.sim:
        yield one
