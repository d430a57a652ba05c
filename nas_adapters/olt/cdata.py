"""C-Data GPON, OEM tables (enterprise 17409), one number a row.

Third-party code only, checked live by its project.  The index is 0x480000 and, of a port
from 1 on, 4096 for each port before it, and the ONU.  "Last down cause" is history and no
state, and is not read.  C-Data's official tree is another (34592), and firmware mixes both.
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
    words,
)
from nas_adapters.snmp_values import Oid

_ROOT: Final[Oid] = (1, 3, 6, 1, 4, 1, 17409, 2, 8, 4)
_BASE: Final = 0x480000
_STATES: Final[Mapping[int, State]] = {1: State.ONLINE, 2: State.OFFLINE}

name = "cdata"
tried = ""
columns: Mapping[str, Oid] = MappingProxyType(
    {
        "name": (*_ROOT, 1, 1, 2),
        "serial": (*_ROOT, 1, 1, 3),
        "state": (*_ROOT, 1, 1, 7),
        "distance": (*_ROOT, 1, 1, 9),
        "rx": (*_ROOT, 4, 1, 4),
    }
)


def port_of(index: Oid) -> int | None:
    del index
    return None  # the index says it


def decode(tables: Tables) -> list[Onu]:
    found = []
    for index in indexes(tables["serial"], tables["state"], length=1):
        port, onu = divmod(index[0] - _BASE, 4096)
        rx = number(tables["rx"].get((*index, 0, 0)), -1, -3000)
        found.append(
            Onu(
                port=str(port + 1) if port >= 0 else "",
                number=onu if port >= 0 else index[0],
                serial=serial(tables["serial"].get(index)),
                state=_STATES.get(number(tables["state"].get(index)) or 0, State.UNKNOWN),
                rx_dbm=dbm(None if rx is None else rx / 100),
                distance_m=metres(tables["distance"].get(index), -1),
                name=words(tables["name"].get(index)),
            )
        )
    return found
