"""One simulated NAS on the net: the state machine, its three sockets and one timer.

A dull shell around `nas`, `asker` and `coa`, and what tests drive: `dial`, `report`,
`hang_up`, `reboot`, `faults`.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Final

from app.simulator import coa, events
from app.simulator.asker import Asker, Kind
from app.simulator.events import Attempt, Happened, Record, What
from app.simulator.faults import Faults
from app.simulator.nas import Nas
from app.simulator.pace import Pace
from app.simulator.session import Session, Subscriber
from app.simulator.sockets import Address, Socket

LOOKS_EVERY_S: Final = 1.0  # at the latest: the simulation's time may be pushed on
ANSWER_WITHIN_S: Final = 30.0
_OUTCOMES: Final = frozenset(
    (
        What.ACCEPTED,
        What.REJECTED,
        What.UNUSABLE,
        What.LOGIN_UNANSWERED,
        What.ACKNOWLEDGED,
        What.UNACKNOWLEDGED,
    )
)


class NotOnline(Exception):
    """A dial that did not come to a session.  `what` tells how, `detail` the server's words."""

    def __init__(self, what: What, detail: str) -> None:
        super().__init__(f"{what}: {detail}" if detail else str(what))
        self.what = what
        self.detail = detail


class SimulatedNas:
    """Made by `Simulation.add`, which opens and closes it."""

    def __init__(
        self, nas: Nas, pace: Pace, seed: int, watch: Callable[["SimulatedNas", Happened], None]
    ) -> None:
        made = nas.personality
        self.core = nas
        self._pace = pace
        self._watch = watch
        self._chance = random.Random(f"{seed}/{nas.box.name}/network")  # noqa: S311 - repeatable
        self._askers = {
            Kind.LOGIN: Asker(nas.secret, made.resend_after_s, made.login_sends),
            Kind.RECORD: Asker(nas.secret, made.resend_after_s, made.record_sends),
        }
        self._sockets: dict[Kind, Socket] = {}
        self._coa: Socket | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._outcomes: dict[object, asyncio.Future[Happened]] = {}

    async def open(self, servers: dict[Kind, Address], coa_port: int | None) -> None:
        """Bind; a `coa_port` of 0 takes any free one, None the make's own.

        Raises:
            OSError: the address is not ours, or the port is taken.
        """
        host = self.core.box.address
        port = self.core.personality.coa_port if coa_port is None else coa_port
        for kind, server in servers.items():
            self._sockets[kind] = await Socket.open(
                self._hear(kind), self._faults, self._chance, local=(host, 0), remote=server
            )
        self._coa = await Socket.open(
            self._hear_coa, self._faults, self._chance, local=(host, port)
        )

    def close(self) -> None:
        """No more packets, no more timers."""
        if self._timer is not None:
            self._timer.cancel()
        for socket in (*self._sockets.values(), *([self._coa] if self._coa else ())):
            socket.close()
        for outcome in self._outcomes.values():
            outcome.cancel()

    @property
    def name(self) -> str:
        return self.core.box.name

    @property
    def coa_address(self) -> Address:
        """Where it listens for CoA and Disconnect."""
        assert self._coa is not None, "it is not open"
        return self._coa.address

    @property
    def faults(self) -> Faults:
        return self.core.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self.core.faults = faults

    @property
    def sessions(self) -> list[Session]:
        """Those online, counted up to now."""
        now = self._pace.now()
        for session in self.core.sessions.values():
            session.count(now)
        return list(self.core.sessions.values())

    @property
    def is_idle(self) -> bool:
        """Whether every question was answered or given up."""
        return not self.pending

    @property
    def pending(self) -> int:
        """Questions on their way or waiting for it."""
        return sum(asker.pending for asker in self._askers.values())

    @property
    def unbelieved(self) -> int:
        """Replies that were not authentic, or that nobody waited for any more."""
        return sum(asker.unbelieved for asker in self._askers.values())

    async def dial(self, subscriber: Subscriber, within_s: float = ANSWER_WITHIN_S) -> Session:
        """Log in.

        Raises:
            NotOnline: refused, unanswered, or with an Accept that is none for this box.
        """
        attempt = self.core.dial(subscriber, self._pace.now())
        happened = await self._outcome(attempt, within_s)
        if happened.what is not What.ACCEPTED or happened.session is None:
            raise NotOnline(happened.what, happened.detail)
        return happened.session

    async def report(self, session: Session, within_s: float = ANSWER_WITHIN_S) -> bool:
        """Send an Interim now; whether it was acknowledged."""
        record = self.core.report(session, events.INTERIM, self._pace.now())
        return (await self._outcome(record, within_s)).what is What.ACKNOWLEDGED

    def hang_up(self, session: Session) -> None:
        """The subscriber leaves: a Stop."""
        self.core.end(session, events.USER_REQUEST, self._pace.now())
        self.move()

    def reboot(self, *, says_so: bool | None = None) -> None:
        """Power off and on; `says_so`: with Accounting-On, None: as its make does."""
        self.core.reboot(self._pace.now(), says_so=says_so)
        self.move()

    def stop(self) -> None:
        """Everybody leaves, and nobody comes again."""
        self.core.stop(self._pace.now())
        self.move()

    def move(self) -> None:
        """Do what is due, send what is to be sent, and set the timer."""
        real, now = self._pace.monotonic(), self._pace.now()
        for kind, asker in self._askers.items():
            sent, given_up = asker.tick(real)
            self._send(kind, sent)
            for question in given_up:
                self.core.unanswered(question, now)
        self.core.tick(now)
        for question in self.core.take_questions():
            self._send(question.kind, self._askers[question.kind].ask(question, real))
        for happened in self.core.take_events():
            self._settle(happened)
            self._watch(self, happened)
        self._arm(real)

    def _arm(self, real: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        waits = [LOOKS_EVERY_S]
        waits += [
            due - real for asker in self._askers.values() if (due := asker.due_s()) is not None
        ]
        due_s = self.core.due_s()
        if due_s is not None:
            waits.append(self._pace.wait_s(due_s))
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0.001, min(waits)), self.move)

    def _hear(self, kind: Kind) -> Callable[[bytes, Address], None]:
        def hear(datagram: bytes, _: Address) -> None:
            answer, sent = self._askers[kind].receive(datagram, self._pace.monotonic())
            self._send(kind, sent)
            if answer is not None:
                self.core.answered(answer, self._pace.now())
            self.move()

        return hear

    def _hear_coa(self, datagram: bytes, whom: Address) -> None:
        assert self._coa is not None
        answer = coa.asked(self.core, datagram, self._pace.now())
        if answer is not None:
            self._coa.send(answer, whom)
        self.move()

    def _send(self, kind: Kind, datagrams: list[bytes]) -> None:
        for datagram in datagrams:
            self._sockets[kind].send(datagram)

    def _faults(self) -> Faults:
        return self.core.faults

    async def _outcome(self, about: Attempt | Record, within_s: float) -> Happened:
        outcome: asyncio.Future[Happened] = asyncio.get_running_loop().create_future()
        self._outcomes[about] = outcome
        self.move()
        try:
            async with asyncio.timeout(within_s):
                return await outcome
        finally:
            del self._outcomes[about]

    def _settle(self, happened: Happened) -> None:
        if happened.what in _OUTCOMES:
            outcome = self._outcomes.get(happened.record or happened.attempt)
            if outcome is not None and not outcome.done():
                outcome.set_result(happened)
