"""The demo's NAS: a simulated MikroTik on which its subscribers are online.

It logs them in and reports what they transfer, answers CoA and Disconnect, and meanwhile
reports the day that went before in a minute.  In a thread with sockets of its own, so that
it is a NAS like any other to the server.
"""

import asyncio
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import structlog

from app.demo_day import DAY_S, HABITS, INTERIM_S, UPLOAD_PART, DemoSession, moments
from app.simulator import mikrotik
from app.simulator.events import USER_REQUEST, Happened, What
from app.simulator.habits import Habits
from app.simulator.personality import Box
from app.simulator.service import Service
from app.simulator.session import Session, Subscriber
from app.simulator.simulated import SimulatedNas
from app.simulator.simulation import Server, Simulation
from core.clock import Clock

log = structlog.get_logger()

REPLAY_S: Final = 60.0
# Of the day: a NAS's clock is believed for 24 hours, and the replay takes some of them.
HISTORY_S: Final = DAY_S - 1_800
COMES_AND_GOES: Final = Habits(session_s=3 * 3600, pause_s=120.0)
RAMP_S: Final = 5.0
NAME: Final = "demo-router"


@dataclass(slots=True)
class DemoTraffic:
    """`coa_port` is where the server looks for the NAS."""

    server: Server
    secret: str
    password: str
    usernames: list[str]
    coa_port: int | None = None
    clock: Clock = field(default_factory=Clock)

    def start(self) -> None:
        """Begin, in the background, until the process ends."""
        work = partial(asyncio.run, self.run())
        threading.Thread(target=work, name="demo-traffic", daemon=True).start()

    async def run(self, replay_s: float = REPLAY_S) -> None:
        """Be that NAS until cancelled."""
        now = self.clock.unix_s()
        # Another seed each time: the sessions of today's second start are not those of its first.
        async with Simulation(self.server, self.secret, seed=int(now), watch=_watch) as sim:
            nas = await self._nas(sim)
            for place, username in enumerate(self.usernames):
                subscriber = _subscriber(username, self.password, place)
                after_s = RAMP_S * place / len(self.usernames)
                nas.core.plan(now + after_s, partial(_dial, nas, subscriber))
            nas.move()
            await self._tell_the_day(nas, int(now), replay_s)
            log.info("demo_day_told", subscribers=len(self.usernames))
            await asyncio.Event().wait()

    async def _nas(self, sim: Simulation) -> SimulatedNas:
        box = Box(NAME)
        try:
            return await sim.add(box, mikrotik.PPPOE, coa_port=self.coa_port, habits=COMES_AND_GOES)
        except OSError as taken:
            log.warning("demo_coa_port_taken", error=str(taken))
            return await sim.add(box, mikrotik.PPPOE, coa_port=0, habits=COMES_AND_GOES)

    async def _tell_the_day(self, nas: SimulatedNas, now_s: int, replay_s: float) -> None:
        """The sessions that were over when the demo began, each report in its turn."""
        first_s, began_at = now_s - HISTORY_S, self.clock.monotonic()
        open_ones: dict[str, Session] = {}
        for moment in moments(self.usernames, first_s, now_s):
            if moment.session.ends_s > now_s:
                continue
            due_s = (moment.at_s - first_s) * replay_s / HISTORY_S
            await asyncio.sleep(max(0.0, due_s - (self.clock.monotonic() - began_at)))
            name = moment.session.acct_session_id
            session = open_ones.setdefault(name, _session(moment.session))
            _, session.input_octets, session.output_octets = moment.session.counters(moment.at_s)
            nas.core.report(session, moment.kind, moment.at_s)
            nas.move()


def _subscriber(username: str, password: str, place: int) -> Subscriber:
    down_bps = HABITS[username.partition("-")[0]][1] * 8 // INTERIM_S
    station = f"02:00:5E:20:00:{place:02X}"
    up_bps = down_bps // UPLOAD_PART
    return Subscriber(
        username, password, station, download_bps=down_bps, upload_bps=up_bps, redials=True
    )


def _session(told: DemoSession) -> Session:
    """One that is over, as the NAS would remember it."""
    return Session(
        Subscriber(told.username, "", told.station),
        told.acct_session_id,
        told.address,
        f"100.64.0.{told.address}",
        Service(),
        frozenset(),
        began_s=told.began_s,
        counted_at_s=told.ends_s,
        ended_s=told.ends_s,
        cause=USER_REQUEST,
    )


def _dial(nas: SimulatedNas, subscriber: Subscriber, at_s: float) -> None:
    nas.core.dial(subscriber, at_s)


def _watch(nas: SimulatedNas, happened: Happened) -> None:
    if happened.what is What.UNACKNOWLEDGED and happened.session is not None:
        log.warning("demo_record_not_taken", nas=nas.name, user=happened.session.username)
