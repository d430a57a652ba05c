"""ZTE C600, C610, C650, and C300, C320 on newer firmware; rows by `ponIfIndex.onuId`.

Third-party code only, by one project that checked it on live devices.  The phases are not
those of `zte_c300`.  The bytes of the interface's index are 0x11, rack, slot, port.
No table of distances is known.
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
    number,
    serial,
    slashed,
    words,
)
from nas_adapters.olt.zte_c300 import rx_dbm
from nas_adapters.snmp_values import Oid

_ROOT: Final[Oid] = (1, 3, 6, 1, 4, 1, 3902, 1082, 500)
_NONE: Final = -80_000
_DISABLED: Final = 2
_STATES: Final[Mapping[int, State]] = {
    2: State.LOS,
    4: State.ONLINE,
    5: State.DYING_GASP,
    7: State.OFFLINE,
}

name = "zte_c600"
tried = ""
columns: Mapping[str, Oid] = MappingProxyType(
    {
        "serial": (*_ROOT, 20, 2, 1, 2, 1, 3),
        "registered": (*_ROOT, 10, 2, 3, 3, 1, 6),  # also of ONUs that were never on
        "name": (*_ROOT, 10, 2, 3, 3, 1, 2),
        "admin": (*_ROOT, 10, 2, 3, 8, 1, 1),
        "state": (*_ROOT, 10, 2, 3, 8, 1, 4),
        "rx": (*_ROOT, 20, 2, 2, 2, 1, 10),
        "olt_rx": (*_ROOT, 1, 2, 4, 2, 1, 2),
    }
)


def port_of(index: Oid) -> int | None:
    del index
    return None  # the index says it


def decode(tables: Tables) -> list[Onu]:
    found = []
    for index in indexes(tables["serial"], tables["registered"], tables["state"], length=2):
        olt_rx = number(tables["olt_rx"].get(index), _NONE)
        found.append(
            Onu(
                port=slashed((index[0] >> 16 & 0xFF, index[0] >> 8 & 0xFF, index[0] & 0xFF)),
                number=index[1],
                serial=serial(tables["serial"].get(index), tables["registered"].get(index)),
                state=_state(tables, index),
                rx_dbm=rx_dbm(tables["rx"], index),
                olt_rx_dbm=dbm(None if olt_rx is None else olt_rx / 1000),
                name=words(tables["name"].get(index)),
            )
        )
    return found


def _state(tables: Tables, index: Oid) -> State:
    if number(tables["admin"].get(index)) == _DISABLED:
        return State.DISABLED
    return _STATES.get(number(tables["state"].get(index)) or 0, State.UNKNOWN)
