"""By what a subscriber is found beside his name: his line, his ONU, his device.

A way is one text, the same where it is stored, replicated and asked for: ``mac 02005e100001``,
``circuit 7 OLT1 xpon 0/1/0/3:100``.  Names of a line are one NAS's (its id stands in front) or,
with 0, any NAS's: two boxes may both have an ``eth 0/1``.  Within a tenant each is one
subscriber's; of no other tenant's box can it be asked for.

Only whoever may come in without a password has ways at all (`of_access`), so what is found by
one needs no other permission.
"""

from typing import Final

from nas_adapters.identity import Line

PPPOE: Final = "pppoe"
HOTSPOT: Final = "hotspot"
GPON: Final = "gpon"
ACCESSES: Final = (PPPOE, HOTSPOT, GPON)

ANY_NAS: Final = 0
VALUE_MAX: Final = 253  # of characters; LMDB's keys end at 511
WAY_MAX: Final = 400

# What of a subscriber is which way, in the order of the search (`finding`).
OF_LINE: Final = ("line", "circuit_id", "remote_id")
OF_DEVICE: Final = ("onu_serial", "duid", "mac")
FIELDS: Final = OF_LINE + OF_DEVICE
# Which of them each access may have.
BY_ACCESS: Final = {PPPOE: (), HOTSPOT: ("mac",), GPON: FIELDS}

_PATH: Final = ("frame", "slot", "subslot", "port")


def on_line(field: str, nas_id: int, value: str) -> str:
    """The way of a name of a line."""
    return f"{field} {nas_id} {value}"


def by_device(field: str, value: str) -> str:
    """The way of a serial, a DUID or a MAC address."""
    return f"{field} {value}"


def of_access(access: str, nas_id: int, values: tuple[str | None, ...]) -> tuple[str, ...]:
    """The ways of a subscriber; `values` are those of `FIELDS`, in their order."""
    found = []
    for field, value in zip(FIELDS, values, strict=True):
        # A name that no request can have is nobody's: plain SQL may have put anything there.
        if value and value.isascii() and field in BY_ACCESS.get(access, ()):
            way = on_line(field, nas_id, value) if field in OF_LINE else by_device(field, value)
            if len(way) <= WAY_MAX:
                found.append(way)
    return tuple(found)


def place(line: Line) -> str | None:
    """Node, path and ONU of a line in one text, ``olt-1 0/1/3:12``; None if it names no port.

    However its circuit id goes on (VLAN, serial), it is the same line: so this is asked first.
    """
    if line.port is None:
        return None
    path = "/".join([_plain(part) for key in _PATH if (part := getattr(line, key)) is not None])
    node = "" if line.node is None else f"{line.node} "
    onu = "" if line.onu is None else f":{_plain(line.onu)}"
    return f"{node}{path}{onu}"


def shown(way: str) -> str:
    """A way in words: ``circuit_id OLT1 xpon 0/1/0/3:100``."""
    field, _, value = way.partition(" ")
    return f"{field} {value.partition(' ')[2]}" if field in OF_LINE else way


def _plain(part: str) -> str:
    """Numbers are compared as numbers: some boxes write 01."""
    return str(int(part)) if part.isdecimal() and part.isascii() else part
