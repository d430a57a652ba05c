"""The requests to one NAS: their turns, their copies, and which of them a datagram answers.

A driver of `core.radius.exchange`.  Time comes from the clock of its client; octets are
made and judged by `coa_packets`.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from core.clock import Clock
from core.radius.authenticity import SharedSecret
from core.radius.exchange import Exchange, RetryPolicy
from core.radius.packet import Malformed, parse
from core.secret import Secret
from dictionaries.definitions import Dictionary
from nas_adapters.base import Verb
from nas_adapters.coa_identifiers import A_SOCKET, SOCKETS_MAX, Identifiers
from nas_adapters.coa_packets import Reply, Sealed, read, seal
from nas_adapters.coa_sockets import Sockets, Way
from nas_adapters.coa_turns import Pace, Turns
from nas_adapters.coa_values import (
    Acked,
    CoaCounters,
    CoaResult,
    CoaTarget,
    Ignored,
    Naked,
    Silent,
)

IN_FLIGHT_MAX: Final = SOCKETS_MAX * A_SOCKET // 2
LATE_S: Final = 30.0  # RFC 5080 §2.2.2: as long as a NAS may keep a request and its answer


@dataclass(slots=True)
class _Pending:
    """One request that was sent, until nothing can answer it any more."""

    sealed: Sealed
    answer: asyncio.Future[tuple[Reply, float]]  # and when it came
    ignored: Ignored | None = None
    given_up: bool = False


@dataclass(frozen=True, slots=True)
class Shared:
    """What all lanes of a client have in common."""

    dictionary: Dictionary
    clock: Clock
    policy: RetryPolicy
    jitter: Callable[[], float]
    sockets: Sockets


class Lane:
    """One NAS at one address and port, asked from one source address."""

    def __init__(self, shared: Shared, way: Way, to: tuple[str, int], counters: CoaCounters):
        self._shared = shared
        self._way = way
        self._to = to
        self.counters = counters
        self._turns = Turns()
        self._pace = Pace()
        self._identifiers = Identifiers()
        self._pending: dict[int, _Pending] = {}
        self._secret: tuple[Secret, SharedSecret] | None = None
        self._busy_until = float("-inf")

    def is_idle(self, now: float) -> bool:
        """Nothing is on its way, waits, or can still be answered."""
        return not (self._turns.running or self._turns.waiting) and now >= self._busy_until

    async def ask(self, target: CoaTarget, verb: Verb, attributes: bytes) -> CoaResult:
        """Send and wait for the answer, or for silence.

        Raises:
            OSError: there can be no socket with this source address.
        """
        counters, clock = self.counters, self._shared.clock
        counters.waiting += 1
        try:
            await self._turns.take(min(target.in_flight, IN_FLIGHT_MAX))
        finally:
            counters.waiting -= 1
        counters.in_flight += 1
        try:
            wait_s = self._pace.wait_s(clock.monotonic(), target.per_s)
            if wait_s:
                await asyncio.sleep(wait_s)
            number = await self._number()
            sealed = seal(
                self._shared_secret(target.secret),
                verb,
                number % A_SOCKET,
                attributes,
                event_timestamp_s=int(clock.unix_s()) if target.sends_event_timestamp else None,
                signed=target.sends_message_authenticator,
            )
            return await self._exchange(number, sealed)
        finally:
            counters.in_flight -= 1
            self._turns.give_back()

    def received(self, datagram: bytes, index: int) -> None:
        """A datagram from the NAS's address and port, on the `index`-th socket."""
        try:
            packet = parse(datagram)
        except Malformed:
            self.counters.ignore(Ignored.MALFORMED)
            return
        pending = self._pending.get(index * A_SOCKET + packet.identifier)
        if pending is None:
            self.counters.ignore(Ignored.IDENTIFIER)
            return
        reply = read(self._shared.dictionary, pending.sealed, packet)
        if isinstance(reply, Ignored):
            pending.ignored = reply
            self.counters.ignore(reply)
        elif pending.given_up:
            self.counters.ignore(Ignored.LATE)
        elif pending.answer.done():
            self.counters.ignore(Ignored.DUPLICATE)
        else:
            pending.answer.set_result((reply, self._shared.clock.monotonic()))

    def abandon(self, error: Exception) -> None:
        """Raise `error` in all that wait for an answer."""
        for pending in self._pending.values():
            if not pending.given_up and not pending.answer.done():
                pending.answer.set_exception(error)

    async def _exchange(self, number: int, sealed: Sealed) -> CoaResult:
        shared, counters = self._shared, self.counters
        monotonic = shared.clock.monotonic
        answer = asyncio.get_running_loop().create_future()
        pending = self._pending[number] = _Pending(sealed, answer)
        began = monotonic()
        exchange = Exchange(shared.policy, began, shared.jitter())
        may_be_answered_until = None
        try:
            while True:
                # Beforehand, because who is cancelled in mid-send may have sent it.
                may_be_answered_until = monotonic() + LATE_S
                await shared.sockets.send(self._way, number // A_SOCKET, sealed.octets, self._to)
                counters.sends += 1
                now = monotonic()
                await asyncio.wait((answer,), timeout=max(0.0, exchange.resend_at - now))
                if answer.done():
                    reply, came_at = answer.result()
                    if exchange.sends == 1:
                        may_be_answered_until = None
                    return self._result(reply, came_at - began)
                if not exchange.should_resend(monotonic(), shared.jitter()):
                    counters.silent += 1
                    return Silent(exchange.sends, pending.ignored)
                counters.resends += 1
        except OSError:
            may_be_answered_until = None  # there is no socket, so it never left
            raise
        finally:
            pending.given_up = not answer.done()
            self._identifiers.give_back(number, may_be_answered_until)
            self._busy_until = monotonic() + LATE_S

    def _result(self, reply: Reply, rtt_s: float) -> Acked | Naked:
        self.counters.rtt_sum_s += rtt_s
        if reply.is_ack:
            self.counters.acks += 1
            return Acked(reply.attributes, rtt_s)
        self.counters.nak(reply.error_cause)
        return Naked(reply.error_cause, rtt_s, reply.message)

    async def _number(self) -> int:
        while True:
            now = self._shared.clock.monotonic()
            number = self._identifiers.take(now)
            if number is not None:
                return number
            cool_at = self._identifiers.next_cool_at
            assert cool_at is not None, "there are more identifiers than turns"
            await asyncio.sleep(max(0.0, cool_at - now))

    def _shared_secret(self, secret: Secret) -> SharedSecret:
        if self._secret is None or self._secret[0] != secret:
            self._secret = secret, SharedSecret(secret.octets)
        return self._secret[1]
