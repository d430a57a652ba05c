"""An ONU as any OLT tells of it, and the values that OLTs have in common.

Pure.  Powers are dBm, distances metres, a serial is `HWTC1A2B3C4D` or, of EPON, a MAC
address.  What a box marks as not known, or what light cannot be, is None: a number that
looks like a measurement and is none sends a technician to the wrong house.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from nas_adapters import onu_serial
from nas_adapters.mac import normalise as normalise_mac
from nas_adapters.snmp_values import Oid, Value

Column = Mapping[Oid, Value]  # by what of the OID follows the column's own
Tables = Mapping[str, Column]  # by the names of `Olt.columns`

DBM_MIN: Final = -60.0
DBM_MAX: Final = 20.0
METRES_MAX: Final = 100_000


class State(StrEnum):
    """What an ONU does, as far as its OLT can tell."""

    ONLINE = "online"
    STARTING = "starting"  # seen, and not in service yet
    LOS = "loss of signal"  # the fibre
    DYING_GASP = "dying gasp"  # the power
    REFUSED = "refused"  # not who it should be
    DISABLED = "disabled"  # by us
    OFFLINE = "offline"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Onu:
    """One ONU on one port.  The line is (OLT, port, number); the serial is evidence of it."""

    port: str  # "0/1/0", as the OLT calls it
    number: int
    serial: str | None
    state: State
    rx_dbm: float | None = None  # what the ONU receives
    olt_rx_dbm: float | None = None  # what the OLT receives of it
    distance_m: int | None = None
    name: str = ""


class Olt(Protocol):
    """How one family of OLTs is read.  A module of this folder is one."""

    @property
    def name(self) -> str:
        """As a NAS's `snmp.olt` names it."""
        ...

    @property
    def columns(self) -> Mapping[str, Oid]:
        """What is walked, by the name that `decode` finds it under."""
        ...

    @property
    def tried(self) -> str:
        """On which device it was tried; empty: on none."""
        ...

    def port_of(self, index: Oid) -> int | None:
        """The interface whose name is the port's, if `decode` wants it under "ports"."""
        ...

    def decode(self, tables: Tables) -> list[Onu]:
        """The ONUs; nothing that an agent may send makes it raise."""
        ...


def indexes(*columns: Column, length: int | None = None) -> list[Oid]:
    """Every index of these columns, in order, of that many numbers."""
    found = {index for column in columns for index in column}
    return sorted(index for index in found if length in (None, len(index)))


def number(value: Value | None, *missing: int) -> int | None:
    """An INTEGER, or text of digits; None for those that stand for nothing."""
    if isinstance(value, bytes):
        words = value.decode("ascii", "replace").strip()
        value = int(words) if words.lstrip("-").isdecimal() and len(words) < 20 else None
    return None if not isinstance(value, int) or value in missing else value


def dbm(value: float | None) -> float | None:
    """A power that light in a fibre can have; rounded as no instrument knows better."""
    return round(value, 2) if value is not None and DBM_MIN <= value <= DBM_MAX else None


def dbm_text(value: Value | None) -> float | None:
    """``-21.3``, ``-21.3 dBm`` or ``0.01 mW(-21.3 dBm)``."""
    if not isinstance(value, bytes):
        return None
    words = value.decode("ascii", "replace").rpartition("(")[2].strip(" )\0").removesuffix("dBm")
    try:
        return dbm(float(words))
    except ValueError:
        return None


def metres(value: Value | None, *missing: int) -> int | None:
    found = number(value, *missing)
    return found if found is not None and 0 <= found <= METRES_MAX else None


def serial(*values: Value | None) -> str | None:
    """The first of these that is the serial of an ONU, in any spelling."""
    for value in values:
        if not isinstance(value, bytes):
            continue
        found = onu_serial.from_octets(value) if len(value) == 8 else None
        # ZTE puts the way it was proven before it ("1,ZTEGC0000001").
        written = value.decode("ascii", "replace").strip(" \0").rpartition(",")[2]
        found = found or onu_serial.normalise(written)
        if found is not None:
            return found
    return None


def mac(value: Value | None) -> str | None:
    """`02005e100001`, of six octets or of text."""
    if not isinstance(value, bytes):
        return None
    return value.hex() if len(value) == 6 else normalise_mac(value)


def words(value: Value | None) -> str:
    """A name as somebody typed it into the OLT."""
    if not isinstance(value, bytes):
        return ""
    text = value.decode("utf-8", "replace").strip(" \0")
    return "".join(char if char.isprintable() else " " for char in text)


def slashed(parts: Iterable[int]) -> str:
    return "/".join(map(str, parts))
