"""V-SOL GPON (V1600G and kin), rows by `pon.onu`.

Third-party code only.  Several projects agree that state 3 is "working" and every other
one is not; which of them is which differs, so they are all told as offline.  Powers are
text, on many builds with a unit.  The distance's table is from the same projects, and that
it counts metres is unconfirmed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from nas_adapters.olt.onu import (
    Onu,
    State,
    Tables,
    dbm_text,
    indexes,
    metres,
    number,
    serial,
    words,
)
from nas_adapters.snmp_values import Oid

_ROOT: Final[Oid] = (1, 3, 6, 1, 4, 1, 37950, 1, 1, 6, 1, 1)
_WORKING: Final = 3

name = "vsol"
tried = ""
columns: Mapping[str, Oid] = MappingProxyType(
    {
        "state": (*_ROOT, 1, 1, 5),
        "name": (*_ROOT, 2, 1, 3),
        "serial": (*_ROOT, 2, 1, 5),
        "rx": (*_ROOT, 3, 1, 7),
        "distance": (*_ROOT, 12, 1, 3),
    }
)


def port_of(index: Oid) -> int | None:
    del index
    return None  # the index says it


def decode(tables: Tables) -> list[Onu]:
    return [
        Onu(
            port=str(index[0]),
            number=index[1],
            serial=serial(tables["serial"].get(index)),
            state=_state(number(tables["state"].get(index))),
            rx_dbm=dbm_text(tables["rx"].get(index)),
            distance_m=metres(tables["distance"].get(index), -1),
            name=words(tables["name"].get(index)),
        )
        for index in indexes(tables["serial"], tables["state"], length=2)
    ]


def _state(raw: int | None) -> State:
    if raw == _WORKING:
        return State.ONLINE
    return State.OFFLINE if raw is not None and 0 <= raw <= 6 else State.UNKNOWN
