"""Huawei MA5600T, MA5800 (HUAWEI-XPON-MIB), rows by `ifIndex.ontId`.

Third-party code only, with the MIB's object names.  The interface's name ("GPON 0/1/0")
tells the port; the formula of its index serves where there is none.  What many projects
show as the ONT's transmit power is what the *OLT* receives.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nas_adapters.olt.onu import (
    Onu,
    State,
    Tables,
    dbm,
    indexes,
    metres,
    number,
    serial,
    slashed,
    words,
)
from nas_adapters.snmp_values import Oid

_ROOT: Final[Oid] = (1, 3, 6, 1, 4, 1, 2011, 6, 128, 1, 1, 2)
_NONE: Final = 2**31 - 1
_GPON: Final = 0xFA000000
_STATES: Final[Mapping[int, State]] = {1: State.ONLINE, 2: State.OFFLINE}

name = "huawei"
tried = ""
columns: Mapping[str, Oid] = MappingProxyType(
    {
        "serial": (*_ROOT, 43, 1, 3),
        "name": (*_ROOT, 43, 1, 9),
        "state": (*_ROOT, 46, 1, 15),
        "distance": (*_ROOT, 46, 1, 20),
        "rx": (*_ROOT, 51, 1, 4),
        "olt_rx": (*_ROOT, 51, 1, 6),
    }
)


def port_of(index: Oid) -> int | None:
    return index[0]


def decode(tables: Tables) -> list[Onu]:
    found = []
    for index in indexes(tables["serial"], tables["state"], length=2):
        rx = number(tables["rx"].get(index), _NONE)
        olt_rx = number(tables["olt_rx"].get(index), _NONE)
        state = number(tables["state"].get(index))
        found.append(
            Onu(
                port=_port(index[0], words(tables["ports"].get(index[:1]))),
                number=index[1],
                serial=serial(tables["serial"].get(index)),
                state=_STATES.get(state or 0, State.UNKNOWN),
                rx_dbm=dbm(None if rx is None else rx / 100),
                olt_rx_dbm=dbm(None if olt_rx is None else (olt_rx - 10_000) / 100),
                distance_m=metres(tables["distance"].get(index), -1),
                name=words(tables["name"].get(index)),
            )
        )
    return found


def _port(if_index: int, if_name: str) -> str:
    """`0/1/0`: 0xFA000000, frame from bit 19, slot from bit 13, port from bit 8."""
    named = if_name.upper().removeprefix("GPON").strip()
    if named:
        return named
    bits = if_index - _GPON
    if not 0 <= bits < 2**25:
        return str(if_index)
    return slashed((bits >> 19, bits >> 13 & 0x3F, bits >> 8 & 0x1F))
