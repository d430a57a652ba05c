"""What every agent tells of itself and its interfaces (RFC 3418, RFC 2863).

Pure but for the two functions that ask.  Counters are the 64-bit ones: a 32-bit counter of
a port with 10 Gbit/s turns over in 3.4 seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nas_adapters.snmp import Agent
from nas_adapters.snmp_values import Oid, Value

_SYSTEM: Final[Oid] = (1, 3, 6, 1, 2, 1, 1)
_DESCR: Final[Oid] = (*_SYSTEM, 1, 0)
_UPTIME: Final[Oid] = (*_SYSTEM, 3, 0)
_NAME: Final[Oid] = (*_SYSTEM, 5, 0)
_IF: Final[Oid] = (1, 3, 6, 1, 2, 1, 2, 2, 1)
_IFX: Final[Oid] = (1, 3, 6, 1, 2, 1, 31, 1, 1, 1)
_STATES: Final[Mapping[int, str]] = {
    1: "up",
    2: "down",
    3: "testing",
    4: "unknown",
    5: "dormant",
    6: "not present",
    7: "lower layer down",
}
# By name: in which table, and under which number.
_COLUMNS: Final[Mapping[str, Oid]] = {
    "descr": (*_IF, 2),
    "state": (*_IF, 8),
    "name": (*_IFX, 1),
    "in": (*_IFX, 6),
    "out": (*_IFX, 10),
    "mbps": (*_IFX, 15),
    "alias": (*_IFX, 18),
}


@dataclass(frozen=True, slots=True)
class System:
    """Who answers there."""

    name: str
    description: str
    uptime_s: float | None


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface; octets are the interface's own, in is what it received."""

    index: int
    name: str
    alias: str
    state: str
    speed_bps: int | None
    in_octets: int | None  # None: an agent without 64-bit counters
    out_octets: int | None


async def system(agent: Agent) -> System:
    """One request: the cheapest proof that an agent is there."""
    found = await agent.get((_DESCR, _UPTIME, _NAME))
    ticks = found.get(_UPTIME)
    return System(
        name=text(found.get(_NAME)),
        description=text(found.get(_DESCR)),
        uptime_s=ticks / 100 if isinstance(ticks, int) else None,
    )


async def interfaces(agent: Agent) -> list[Interface]:
    """Every interface by its index."""
    columns = {
        name: {rest[0]: value for rest, value in await agent.walk(oid) if len(rest) == 1}
        for name, oid in _COLUMNS.items()
    }
    indexes = sorted({index for column in columns.values() for index in column})
    return [_interface(index, columns) for index in indexes]


def text(value: Value | None) -> str:
    """An OCTET STRING as text; agents send all kinds of octets."""
    if not isinstance(value, bytes):
        return ""
    return "".join(c if c.isprintable() else " " for c in value.decode("utf-8", "replace")).strip()


def _interface(index: int, columns: Mapping[str, Mapping[int, Value]]) -> Interface:
    def number(column: str) -> int | None:
        value = columns[column].get(index)
        return value if isinstance(value, int) else None

    mbps = number("mbps")
    state = number("state")
    return Interface(
        index=index,
        name=text(columns["name"].get(index)) or text(columns["descr"].get(index)),
        alias=text(columns["alias"].get(index)),
        state=_STATES.get(state or 0, "unknown"),
        speed_bps=None if mbps is None else mbps * 1_000_000,
        in_octets=number("in"),
        out_octets=number("out"),
    )
