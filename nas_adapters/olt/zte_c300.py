"""ZTE C300, C320 (older firmware), rows by `ponIfIndex.onuId`.

Third-party code only; one project checked its numbers on a device.  Other firmwares are
known to count the phases one higher, so look at an ONU that is on and one that is off.
Newer firmware has the tables of `zte_c600`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nas_adapters.olt.onu import (
    Column,
    Onu,
    State,
    Tables,
    dbm,
    indexes,
    metres,
    number,
    serial,
    words,
)
from nas_adapters.snmp_values import Oid

_ROOT: Final[Oid] = (1, 3, 6, 1, 4, 1, 3902, 1012, 3)
_NONE: Final = 65_535
_STATES: Final[Mapping[int, State]] = {
    0: State.STARTING,  # logging
    1: State.LOS,
    2: State.STARTING,  # syncMib
    3: State.ONLINE,  # working
    4: State.DYING_GASP,
    5: State.REFUSED,  # authFailed
    6: State.OFFLINE,
}

name = "zte_c300"
tried = ""
columns: Mapping[str, Oid] = MappingProxyType(
    {
        "serial": (*_ROOT, 28, 1, 1, 5),
        "name": (*_ROOT, 28, 1, 1, 2),
        "state": (*_ROOT, 28, 2, 1, 4),
        "distance": (*_ROOT, 11, 4, 1, 2),
        "rx": (*_ROOT, 50, 12, 1, 1, 10),
    }
)


def port_of(index: Oid) -> int | None:
    return index[0]


def decode(tables: Tables) -> list[Onu]:
    found = []
    for index in indexes(tables["serial"], tables["state"], length=2):
        state = number(tables["state"].get(index))
        found.append(
            Onu(
                port=words(tables["ports"].get(index[:1])) or str(index[0]),
                number=index[1],
                serial=serial(tables["serial"].get(index)),
                state=State.UNKNOWN if state is None else _STATES.get(state, State.UNKNOWN),
                rx_dbm=rx_dbm(tables["rx"], index),
                distance_m=metres(tables["distance"].get(index), -1),
                name=words(tables["name"].get(index)),
            )
        )
    return found


def rx_dbm(column: Column, index: Oid) -> float | None:
    """Steps of 0.002 dBm from -30, the upper half of 16 bits below it (unconfirmed)."""
    raw = number(column.get((*index, 1)), _NONE)
    if raw is None or not 0 <= raw < _NONE:
        return None
    return dbm((raw if raw <= 32_767 else raw - 65_536) * 0.002 - 30)
