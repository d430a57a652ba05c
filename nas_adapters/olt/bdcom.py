"""BDCOM, GPON and EPON: each ONU is an interface, so rows go by its ifIndex.

Third-party code only.  Sources disagree where the serial is: what has its form is taken,
from whichever column.  State 3 is online in both families; 4 and 5 are GPON's, from one
project.  Distances are tenths of a metre in GPON's table and metres in EPON's.

Never write here: neighbours of these columns restart ONUs (`10.3.2.1.4`) or switch them
off, under names that other firmware uses for reading.
"""

import re
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
    mac,
    metres,
    number,
    serial,
    words,
)
from nas_adapters.snmp_values import Oid

_GPON: Final[Oid] = (1, 3, 6, 1, 4, 1, 3320, 10, 3)
_EPON: Final[Oid] = (1, 3, 6, 1, 4, 1, 3320, 101, 10)
_NAME: Final = re.compile(r"[GE]PON\s*(\d+(?:/\d+)*):(\d+)", re.IGNORECASE)
_NONE: Final = (-32_768, -65_535, 2**31 - 1)
_GPON_STATES: Final[Mapping[int, State]] = {
    0: State.OFFLINE,
    1: State.OFFLINE,
    2: State.DISABLED,
    3: State.ONLINE,
    4: State.LOS,
    5: State.DYING_GASP,
}
_EPON_STATES: Final[Mapping[int, State]] = {
    raw: State.ONLINE if raw == 3 else State.OFFLINE for raw in range(7)
}

name = "bdcom"
tried = ""
columns: Mapping[str, Oid] = MappingProxyType(
    {
        "serial": (*_GPON, 3, 1, 2),
        "serial_b": (*_GPON, 1, 1, 4),
        "serial_c": (*_GPON, 3, 1, 5),
        "state": (*_GPON, 3, 1, 4),
        "distance": (*_GPON, 1, 1, 33),
        "rx": (*_GPON, 4, 1, 2),
        "epon_mac": (*_EPON, 1, 1, 3),
        "epon_state": (*_EPON, 1, 1, 26),
        "epon_distance": (*_EPON, 1, 1, 27),
        "epon_rx": (*_EPON, 5, 1, 5),
    }
)


def port_of(index: Oid) -> int | None:
    return index[0]


def decode(tables: Tables) -> list[Onu]:
    found = [_gpon(tables, index) for index in indexes(tables["state"], length=1)]
    found += [
        _epon(tables, index)
        for index in indexes(tables["epon_mac"], tables["epon_state"], length=1)
    ]
    return found


def _gpon(tables: Tables, index: Oid) -> Onu:
    distance = number(tables["distance"].get(index), *_NONE)
    port, onu = _place(tables, index)
    return Onu(
        port=port,
        number=onu,
        serial=serial(*(tables[name].get(index) for name in ("serial", "serial_b", "serial_c"))),
        state=_state(tables["state"], index, _GPON_STATES),
        rx_dbm=_tenths(tables["rx"], index),
        distance_m=metres(None if distance is None else distance // 10),
    )


def _epon(tables: Tables, index: Oid) -> Onu:
    port, onu = _place(tables, index)
    return Onu(
        port=port,
        number=onu,
        serial=mac(tables["epon_mac"].get(index)),
        state=_state(tables["epon_state"], index, _EPON_STATES),
        rx_dbm=_tenths(tables["epon_rx"], index),
        distance_m=metres(tables["epon_distance"].get(index), *_NONE),
    )


def _place(tables: Tables, index: Oid) -> tuple[str, int]:
    """`0/1` and 3 of an interface called `GPON0/1:3`."""
    match = _NAME.search(words(tables["ports"].get(index)))
    return (match[1], int(match[2])) if match else ("", index[0])


def _state(column: Column, index: Oid, states: Mapping[int, State]) -> State:
    raw = number(column.get(index))
    return State.UNKNOWN if raw is None else states.get(raw, State.UNKNOWN)


def _tenths(column: Column, index: Oid) -> float | None:
    raw = number(column.get(index), *_NONE)
    return dbm(None if raw is None else raw / 10)
