"""Who is asking, as far as the request tells: the kind of access, and every name of the line.

Evidence only.  Which subscriber that is, and whether the password holds, others decide.  A
struct of msgspec, because one is made at each login.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import msgspec


class Kind(StrEnum):
    """How the subscriber, or somebody else, comes in."""

    PPPOE = "pppoe"
    HOTSPOT = "hotspot"  # by name or voucher code
    MAC = "mac"  # the device's address is its name
    IPOE = "ipoe"  # by the line: Option 82, ONU, DUID
    WIFI = "wifi"  # EAP
    ADMIN = "admin"  # somebody at the box itself
    SERVICE = "service"  # the box fetches a service template
    LOGIN = "login"  # a name and a password, and nothing that tells more


class Line(msgspec.Struct, frozen=True, gc=False):
    """What a NAS's pattern found in the name of a line; None is not told."""

    node: str | None = None
    frame: str | None = None
    slot: str | None = None
    subslot: str | None = None
    port: str | None = None
    onu: str | None = None
    sn: str | None = None
    svlan: int | None = None
    cvlan: int | None = None


class Identity(msgspec.Struct, frozen=True, gc=False):
    """What a request says of who is asking; None where it says nothing."""

    kind: Kind
    login: bytes = b""  # User-Name, exactly
    mac: str | None = None  # 12 hex digits
    # Printable ASCII as it is, other octets as 0x and hexadecimal.
    circuit_id: str | None = None
    remote_id: str | None = None
    onu_serial: str | None = None  # HWTC1A2B3C4D
    svlan: int | None = None
    cvlan: int | None = None
    line: Line | None = None  # what a pattern found
    unread: str | None = None  # a name of the line that its pattern does not fit: for the log
    duid: str | None = None  # hex digits


@dataclass(frozen=True, slots=True, eq=False)
class Patterns:
    """How one NAS writes the names of lines: expressions with the groups that `Line` has.

    Made once for each NAS: two of the same content are two, and hashed at no cost.
    """

    nas: str = ""  # named in what is wrong
    circuit_id: re.Pattern[str] | None = None
    remote_id: re.Pattern[str] | None = None
    nas_port_id: re.Pattern[str] | None = None
    user_name: re.Pattern[str] | None = None

    @property
    def needs_no_line(self) -> bool:
        """Whether there is nothing to read but circuit and remote id."""
        return self.nas_port_id is None and self.user_name is None


NO_PATTERNS: Final = Patterns()
