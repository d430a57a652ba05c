"""Tells boxes to change or end sessions: the client of RFC 5176, one a process.

    async with CoaClient(dictionary, clock) as client:
        result = await client.send(target, vendor.disconnect(session))

Knows NASes by the targets it is given, and neither sessions nor what they should have.
What comes back unproven is counted and otherwise as if it had not come.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from types import MappingProxyType, TracebackType
from typing import Final, Self

from asyncio_dgram import TransportClosed

from core.clock import Clock
from core.radius.codec import CodecError
from core.radius.exchange import JITTER_MAX, RetryPolicy
from dictionaries.definitions import Dictionary
from nas_adapters.base import Step
from nas_adapters.coa_lane import LATE_S, Lane, Shared
from nas_adapters.coa_packets import encode
from nas_adapters.coa_sockets import Sockets, Way
from nas_adapters.coa_values import (
    Acked,
    CoaCounters,
    CoaResult,
    CoaTarget,
    Ignored,
    Naked,
    Silent,
    Unsendable,
)

__all__ = [
    "Acked",
    "CoaClient",
    "CoaClosed",
    "CoaCounters",
    "CoaResult",
    "CoaTarget",
    "Ignored",
    "Naked",
    "RetryPolicy",
    "Silent",
    "Unsendable",
]

POLICY: Final = RetryPolicy()
_ANY: Final = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104, to send from


class CoaClosed(Exception):
    """The process ends; what was on its way may or may not have been done."""


def _jitter() -> float:
    return random.uniform(-JITTER_MAX, JITTER_MAX)  # noqa: S311, no secret hangs on it


class _NoWay(ValueError):
    """The target is no place that a datagram could go to; `str()` says why."""


def _way(target: CoaTarget) -> tuple[Way, str]:
    """How the NAS is reached, and its address as the kernel will name it."""
    address = _address(target.address)
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    if not 0 < target.port < 65_536:
        raise _NoWay(f"there is no port {target.port}")
    if target.source_address is None:
        return (family, _ANY[family]), str(address)
    source = _address(target.source_address)
    if source.version != address.version:
        raise _NoWay(f"{address} cannot be reached from {source}: IPv{address.version} only")
    return (family, str(source)), str(address)


def _address(text: str) -> IPv4Address | IPv6Address:
    try:
        address = ip_address(text)
    except ValueError:
        raise _NoWay(f"{text!r} is no IP address") from None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise _NoWay(f"{text!r}: without a zone, please")
        return address.ipv4_mapped or address
    return address


class CoaClient:
    """Belongs to one event loop; `async with` opens and closes it."""

    def __init__(
        self,
        dictionary: Dictionary,
        clock: Clock,
        *,
        policy: RetryPolicy = POLICY,
        jitter: Callable[[], float] = _jitter,
    ) -> None:
        self._dictionary = dictionary
        self._clock = clock
        self._policy = policy
        self._jitter = jitter
        self._tasks = asyncio.TaskGroup()
        self._sockets = Sockets(self._tasks, self._received)
        self._shared = Shared(dictionary, clock, policy, jitter, self._sockets)
        # By all that decides where a datagram of the NAS arrives: the way, its address and port.
        self._lanes: dict[tuple[Way, str, int], Lane] = {}
        self._hosts: dict[tuple[Way, str], Lane] = {}  # one of each host, to count on
        self._sweep_at = float("-inf")
        self._counters: dict[tuple[int, str], CoaCounters] = {}
        self._is_closed = False
        self._asking = 0
        self._is_quiet = asyncio.Event()
        self._is_quiet.set()
        self.strangers = 0  # datagrams from where nothing was asked

    @property
    def counters(self) -> Mapping[tuple[int, str], CoaCounters]:
        """By tenant and name of the NAS, or its address where the target has no name."""
        return MappingProxyType(self._counters)

    @property
    def socket_errors(self) -> int:
        return self._sockets.errors

    async def send(self, target: CoaTarget, step: Step) -> CoaResult:
        """Ask once, with copies where no answer comes.  It takes at most as long as the policy
        says, after the NAS's other requests have had their turns.

        Cancelled, it may have been done all the same.

        Raises:
            CoaClosed: the client was closed meanwhile, or finishes.
        """
        if self._is_closed:
            raise CoaClosed
        counters = self._counters_of(target)
        counters.requests += 1
        self._asking += 1
        self._is_quiet.clear()
        try:
            attributes = encode(self._dictionary, step)
            way, host = _way(target)
            return await self._lane(way, host, target, counters).ask(target, step.verb, attributes)
        except asyncio.CancelledError:
            counters.cancelled += 1
            raise
        except (CodecError, _NoWay) as error:
            counters.unsendable += 1
            return Unsendable(str(error))
        except TransportClosed:
            raise CoaClosed from None
        except OSError as error:
            counters.unsendable += 1
            return Unsendable(f"cannot send from {target.source_address or 'here'}: {error}")
        finally:
            self._asking -= 1
            if not self._asking:
                self._is_quiet.set()

    async def finish(self, within_s: float) -> bool:
        """Take no more requests, and wait for those that were; whether all came to an end."""
        self._is_closed = True
        try:
            async with asyncio.timeout(within_s):
                await self._is_quiet.wait()
        except TimeoutError:
            return False
        return True

    def _counters_of(self, target: CoaTarget) -> CoaCounters:
        key = (target.tenant_id, target.nas or target.address)
        counters = self._counters.get(key)
        if counters is None:
            counters = self._counters[key] = CoaCounters()
        return counters

    def _lane(self, way: Way, host: str, target: CoaTarget, counters: CoaCounters) -> Lane:
        now = self._clock.monotonic()
        if now >= self._sweep_at:
            self._sweep_at = now + LATE_S
            self._lanes = {key: lane for key, lane in self._lanes.items() if not lane.is_idle(now)}
            self._hosts = {(way, host): lane for (way, host, _), lane in self._lanes.items()}
        key = (way, host, target.port)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(self._shared, way, (host, target.port), counters)
            self._hosts[way, host] = lane
        lane.counters = counters
        return lane

    def _received(self, octets: bytes, host: str, port: int, way: Way, index: int) -> None:
        host = str(ip_address(host))
        lane = self._lanes.get((way, host, port))
        if lane is not None:
            lane.received(octets, index)
        elif (lane := self._hosts.get((way, host))) is not None:
            lane.counters.ignore(Ignored.PORT)
        else:
            self.strangers += 1

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_closed = True
        for lane in self._lanes.values():
            lane.abandon(CoaClosed())
        self._sockets.close()
        await self._tasks.__aexit__(None, None, None)  # an error of the caller's stays as it is
