"""Simulated NASes against one server, for tests to drive and for `turnpike simulate` to run.

    async with Simulation(Server("127.0.0.1", 1812, 1813), secret="...") as sim:
        nas = await sim.add(Box("bng-1", "127.0.0.2"), mikrotik.PPPOE, coa_port=0)
        session = await sim.dial(Subscriber("alice", "her password"))
        sim.advance(300)                # simulated: interims become due, octets pass
        await sim.settled()             # every question answered
        session.rates, session.is_walled, session.output_octets

A seed makes the same events and the same attributes again.  What it cannot repeat: the
times (they are the clock's), Identifiers and the authenticators made from them (they
follow the order in which answers come), and what the server says.
"""

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import NamedTuple, Self

from app.simulator.asker import Kind
from app.simulator.events import Happened
from app.simulator.faults import NONE, Faults
from app.simulator.habits import Habits
from app.simulator.nas import Nas
from app.simulator.pace import Pace
from app.simulator.personality import Box, Personality
from app.simulator.session import Session, Subscriber
from app.simulator.simulated import ANSWER_WITHIN_S, NotOnline, SimulatedNas
from app.simulator.tally import Tally
from core.clock import Clock

__all__ = ["Faults", "NotOnline", "Server", "Simulation"]


class Server(NamedTuple):
    """Who is asked."""

    host: str
    auth_port: int = 1812
    acct_port: int = 1813


class Simulation:
    """Several NASes.  `watch` is called with every event, if given."""

    def __init__(
        self,
        server: Server,
        secret: str,
        *,
        seed: int = 1,
        pace: Pace | None = None,
        watch: Callable[[SimulatedNas, Happened], None] | None = None,
    ) -> None:
        self.server = server
        self.pace = pace or Pace(Clock())
        self.tally = Tally()
        self.nases: list[SimulatedNas] = []
        self._secret = secret
        self._seed = seed
        self._watch = watch
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for nas in self.nases:
            nas.close()
        await asyncio.sleep(0)  # transports close in the next turn

    async def add(
        self,
        box: Box,
        personality: Personality,
        *,
        secret: str | None = None,
        coa_port: int | None = None,
        faults: Faults = NONE,
        habits: Habits | None = None,
    ) -> SimulatedNas:
        """A NAS, online from now on.  A `coa_port` of 0 takes any free one, None the make's.

        Raises:
            OSError: its address is not one of this machine's, or its CoA port is taken.
        """
        core = Nas(
            box,
            personality,
            secret or self._secret,
            seed=self._seed,
            pool=f"100.{64 + len(self.nases) % 64}.0.0",
            habits=habits,
        )
        nas = SimulatedNas(core, self.pace, self._seed, self._note)
        nas.faults = faults
        host = self.server.host
        await nas.open(
            {
                Kind.LOGIN: (host, self.server.auth_port),
                Kind.RECORD: (host, self.server.acct_port),
            },
            coa_port,
        )
        self.nases.append(nas)
        nas.move()
        return nas

    async def dial(
        self,
        subscriber: Subscriber,
        nas: SimulatedNas | None = None,
        within_s: float = ANSWER_WITHIN_S,
    ) -> Session:
        """Log in at `nas`, or at the first one.

        Raises:
            NotOnline: refused, unanswered, or with an Accept that is none for this box.
        """
        return await (nas or self.nases[0]).dial(subscriber, within_s)

    def online(self, username: str | None = None) -> list[Session]:
        """The sessions of all NASes, or those of one subscriber; counted up to now."""
        return [
            session
            for nas in self.nases
            for session in nas.sessions
            if username in (None, session.username)
        ]

    def advance(self, seconds: float) -> None:
        """Let the simulation's time jump: what becomes due is done at its own time.

        Event-Timestamps jump as well; a server believes those of some minutes ahead only.
        """
        self.pace.advance(seconds)
        for nas in self.nases:
            nas.move()

    async def until(
        self, true: Callable[[], object], within_s: float | None = ANSWER_WITHIN_S
    ) -> None:
        """Wait until something is so; looked at after every event.

        Raises:
            TimeoutError: it was not, within that time.
        """
        async with asyncio.timeout(within_s):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    async def settled(self, within_s: float | None = ANSWER_WITHIN_S) -> None:
        """Wait until every question was answered or given up.

        Raises:
            TimeoutError: some were not, within that time.
        """
        await self.until(lambda: all(nas.is_idle for nas in self.nases), within_s)

    def _note(self, nas: SimulatedNas, happened: Happened) -> None:
        self.tally.note(nas.name, happened)
        self._changed.set()
        if self._watch is not None:
            self._watch(nas, happened)
