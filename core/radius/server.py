"""The shell around a `Responder`: one socket, one timer, and nothing to decide.

It drains the socket, sends what the responder answers, wakes up for delayed replies, and
measures.  A request that makes the handler fail is logged and left unanswered, so that
the NAS asks again; the next one is served.

While more comes than can be served (fault P15), what waits in the socket moves to a
`Ration`, which sees to it that everybody gets a share.  Otherwise there is none: it costs
the ordinary turn a look at how many datagrams it found.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Protocol

import structlog

from core.clock import Clock
from core.radius.complaints import Complaints
from core.radius.holdback import Holdback
from core.radius.ration import Ration
from core.radius.responder import Later, Reply, Responder
from core.udp import AT_ONCE, Address, Endpoint

log = structlog.get_logger()

# Replies leave by the handful: the first wakes the peer, and the rest find it awake, which
# saves a third of the kernel's work; more at once would leave the peer without any to do.
REPLIES_AT_ONCE = 16
# How long a server that stops waits for answers that depend on others, such as a disk.
LATER_WITHIN_S = 2.0
# So many full turns in a row, and a receive buffer filled so far, are an overload.
FULL_TURNS = 4
OVERLOADED_AT = 0.25
# Receiving what has to be refused may cost this much of the time that serving takes.
REFUSING_SHARE = 0.2


class Turn(Protocol):
    """What surrounds a batch of datagrams: take and drop a snapshot, flush what gathered."""

    def begin(self) -> None: ...

    def end(self) -> None: ...


def tell(complaints: Complaints, now: float) -> None:
    """Log what may be said now.  Every batch tries; so must somebody when no more come."""
    complaint = complaints.due(now)
    if complaint is None:
        return
    whose = {"nas": complaint.nas} if complaint.nas else {}
    log.warning(
        complaint.reason.replace("-", "_"),
        **whose,
        source=complaint.source,
        count=complaint.count,
    )


class RadiusServer:
    """Serves one socket on the running loop until `close`."""

    def __init__(
        self,
        endpoint: Endpoint,
        responder: Responder,
        clock: Clock,
        *,
        turn: Turn,
    ) -> None:
        self.responder = responder
        self._endpoint = endpoint
        self._clock = clock
        self._turn = turn
        self._timer: asyncio.TimerHandle | None = None
        self._settled = asyncio.Event()  # nobody waits for a later answer any more
        self._full_turns = 0
        self._ration: Ration | None = None  # while overloaded
        self._holdback: Holdback | None = None  # likewise, and while we receive
        self._emptied = asyncio.Event()  # nothing waits in it
        self._served_s = 0.0  # what the last turn took while overloaded
        self._is_receiving = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(endpoint.sock.fileno(), self._readable)

    def stop_receiving(self) -> None:
        """Leave what comes from now on in the socket, for a successor; delayed replies go on."""
        self._is_receiving = False
        self._let_all_in()
        self._loop.remove_reader(self._endpoint.sock.fileno())

    async def drained(self) -> None:
        """Wait until the last delayed reply is out, and, for a while, what comes later."""
        if self._ration is not None:
            self._emptied.clear()
            await self._emptied.wait()  # soon: nothing waits there for longer than its patience
        while (due := self.responder.next_due) is not None:
            await asyncio.sleep(max(0.0, due - self._clock.monotonic()) + 0.001)
            self._send_due()
        if self.responder.later:
            self._settled.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(LATER_WITHIN_S):
                    await self._settled.wait()

    def complete(self, laters: Iterable[Later], reply: Reply) -> None:
        """Answer requests that a handler put off, all alike."""
        responder, now = self.responder, self._clock.monotonic()
        replies: list[tuple[bytes, Address]] = []
        for later in laters:
            octets = responder.complete(later, reply)
            if octets is not None:
                replies.append((octets, later.source))
            later.client.counters.took(now - later.since)
        self._send(replies)
        self._note_settled()

    def abandon(self, laters: Iterable[Later]) -> None:
        """Leave them unanswered: whoever asks again is decided afresh."""
        for later in laters:
            self.responder.abandon(later)
        self._note_settled()

    def _note_settled(self) -> None:
        if not self.responder.later:
            self._settled.set()

    def close(self) -> None:
        """Stop serving; the socket stays open, because it may belong to somebody else."""
        self.stop_receiving()
        self._ration = None
        if self._timer is not None:
            self._timer.cancel()

    def _readable(self) -> None:
        try:
            waiting = self._endpoint.receive()
        except OSError as error:  # e.g. an interface went away; the socket itself lives on
            log.warning("receive_failed", error=str(error))
            return
        if len(waiting) < AT_ONCE:
            self._full_turns = 0
        else:
            self._full_turns += 1
            if self._full_turns >= FULL_TURNS:
                self._full_turns = 0
                if self._endpoint.filled() >= OVERLOADED_AT:
                    self._begin_rationing()
        self._serve(waiting)

    def _begin_rationing(self) -> None:
        """From here on a turn follows the other, without waiting for the socket."""
        self._ration = Ration(self.responder.is_known)
        self._holdback = Holdback(self._clock.monotonic())
        self._served_s = 0.0
        self._loop.remove_reader(self._endpoint.sock.fileno())
        self._loop.call_soon(self._ration_turn, self._ration)

    def _ration_turn(self, ration: Ration) -> None:
        """Receive as much as we may, serve a portion of what waits, and come again."""
        if self._ration is not ration:  # closed meanwhile
            return
        is_emptied = not self._is_receiving
        try:
            if self._is_receiving:
                is_emptied = self._receive_into(ration, self._clock.monotonic())
            now = self._clock.monotonic()
            portion, shed = ration.portion(AT_ONCE, now), ration.shed()
            self._serve(portion)
            self._served_s = self._clock.monotonic() - now
            for host, count in shed.items():
                self.responder.shed(host, count)
            self._hold_back(portion, shed, now)
        finally:  # whatever happens to this turn, there is a next one
            if ration or not is_emptied:
                self._loop.call_soon(self._ration_turn, ration)
            else:
                self._end_rationing()

    def _hold_back(
        self, served: list[tuple[bytes, Address]], shed: dict[str, int], now: float
    ) -> None:
        if self._holdback is not None:
            self._holdback.note(served, shed)
            parts = self._holdback.parts(now)
            if parts is not None:
                self._endpoint.hold_back(parts)

    def _let_all_in(self) -> None:
        if self._holdback is not None:
            self._holdback = None
            self._endpoint.hold_back({})

    def _end_rationing(self) -> None:
        self._ration = None
        self._let_all_in()
        self._emptied.set()
        if self._is_receiving:
            self._loop.add_reader(self._endpoint.sock.fileno(), self._readable)

    def _receive_into(self, ration: Ration, now: float) -> bool:
        """Whether that was all there is."""
        until = now + self._served_s * REFUSING_SHARE
        while True:
            try:
                received = self._endpoint.receive()
            except OSError as error:
                log.warning("receive_failed", error=str(error))
                return True
            for datagram, source in ration.take(received, now):
                self.responder.respond(datagram, source, now)
            if len(received) < AT_ONCE:
                return True
            now = self._clock.monotonic()
            if now >= until:
                return False

    def _serve(self, waiting: list[tuple[bytes, Address]]) -> None:
        responder, monotonic = self.responder, self._clock.monotonic
        replies: list[tuple[bytes, Address]] = []
        began = monotonic()
        self._turn.begin()
        for datagram, source in waiting:
            try:
                octets = responder.respond(datagram, source, began)
            except Exception:
                # A bug must cost one request, not the server; silence makes the NAS retry.
                log.exception("request_failed", source=source[0])
                continue
            if octets is not None:
                replies.append((octets, source))
                if len(replies) >= REPLIES_AT_ONCE:
                    self._send(replies)
            ended = monotonic()
            if responder.served is not None:
                responder.served.counters.took(ended - began)
            began = ended
        self._send(replies)
        self._turn.end()
        if responder.next_due is not None and self._timer is None:
            self._arm()
        if responder.complaints:
            tell(responder.complaints, began)

    def _arm(self) -> None:
        due = self.responder.next_due
        self._timer = (
            None
            if due is None
            else self._loop.call_later(max(0.0, due - self._clock.monotonic()), self._timer_fired)
        )

    def _timer_fired(self) -> None:
        self._send_due()
        self._arm()

    def _send_due(self) -> None:
        self._send(self.responder.due(self._clock.monotonic()))

    def _send(self, replies: list[tuple[bytes, Address]]) -> None:
        if replies:
            self._endpoint.send(replies)
            replies.clear()
