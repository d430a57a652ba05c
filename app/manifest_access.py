"""What a manifest says of how a subscriber comes in: by name, or by his line, ONU or device.

Every spelling is brought to the one that logins ask for, and what cannot be read is refused
here, by the subscriber's name and the value: at a login it would only be "unknown".
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from aaa import ways
from app import manifest_values as values
from app.manifest_table import Table
from core.errors import Invalid
from nas_adapters import duid, mac, onu_serial
from nas_adapters.identity import Line

KEYS: Final = ("access", "line_nas", *ways.FIELDS)
_PARTS: Final = ("node", "frame", "slot", "subslot", "port", "onu")
_ONLY: Final = {
    ways.PPPOE: 'only with access = "hotspot" or "gpon"; to bind a name with its password to a'
    " device, write bind_mac",
    ways.HOTSPOT: 'only with access = "gpon"',
}


class Access(NamedTuple):
    """In the order of a `SubscriberSpec`."""

    access: str
    line_nas: str | None
    line: str | None
    circuit_id: str | None
    remote_id: str | None
    onu_serial: str | None
    duid: str | None
    mac: str | None


def access(table: Table) -> Access:
    """``access``, and by what he is found beside his name."""
    kind = table.take("access", values.one_of(*ways.ACCESSES), ways.PPPOE)
    inner = table.inner("line")
    found = Access(
        access=kind,
        line_nas=table.take("line_nas", values.name, None),
        line=_line(inner) if inner else None,
        circuit_id=table.take("circuit_id", _line_name, None),
        remote_id=table.take("remote_id", _line_name, None),
        onu_serial=table.take("onu_serial", _read(onu_serial.normalise, _SERIAL), None),
        duid=table.take("duid", _read(duid.normalise, _DUID), None),
        mac=table.take("mac", mac_address, None),
    )
    for field in ways.FIELDS:
        if getattr(found, field) is not None and field not in ways.BY_ACCESS[kind]:
            raise table.wrong(field, _ONLY[kind])
    if kind == ways.GPON and all(getattr(found, field) is None for field in ways.FIELDS):
        keys = ", ".join(ways.FIELDS)
        raise table.wrong("access", f"nothing tells which line is his: add one of {keys}")
    if found.line_nas is not None and not any(getattr(found, each) for each in ways.OF_LINE):
        raise table.wrong("line_nas", f"goes with one of {', '.join(ways.OF_LINE)}")
    return found


def mac_address(value: object) -> str:
    """Twelve hex digits, of any notation."""
    found = mac.normalise(values.string(value))
    if found is None:
        raise Invalid("no MAC address: write it as 02:00:5e:10:00:01")
    return found


_SERIAL: Final = "no serial of an ONU: write it as HWTC1A2B3C4D, or as 16 hexadecimal digits"
_DUID: Final = "no DUID of DHCPv6: write it as 00:03:00:01:02:00:5e:10:00:01"


def _read(normalise: Callable[[str], str | None], remedy: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        found = normalise(values.string(value))
        if found is None:
            raise Invalid(remedy)
        return found

    return parse


def _line_name(value: object) -> str:
    """An Agent-Circuit-Id or -Remote-Id as a request tells it (`nas_adapters.option82`)."""
    name = values.string(value)
    if not 1 <= len(name) <= ways.VALUE_MAX or not name.isascii() or not name.isprintable():
        raise Invalid(
            f"write 1 to {ways.VALUE_MAX} characters of ASCII, other octets as 0x and hexadecimal"
        )
    return name.lower() if _is_hexadecimal(name) else name


def _is_hexadecimal(name: str) -> bool:
    return name[:2] in ("0x", "0X") and all(each in "0123456789abcdefABCDEF" for each in name[2:])


def _line(table: Table) -> str:
    """``line = { node = "olt-1", frame = 0, slot = 1, port = 3, onu = 12 }``."""
    table.only(*_PARTS)
    found = ways.place(
        Line(
            node=table.take("node", _part, None),
            frame=table.take("frame", _part, None),
            slot=table.take("slot", _part, None),
            subslot=table.take("subslot", _part, None),
            port=table.need("port", _part),
            onu=table.take("onu", _part, None),
        )
    )
    assert found is not None, "it has a port"
    if len(found) > ways.VALUE_MAX:
        raise Invalid(f"{table.path}: longer than {ways.VALUE_MAX} characters")
    return found


def _part(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= values.UINT32_MAX:
        return str(value)
    text = values.string(value) if isinstance(value, str) else ""
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise Invalid("write a number, or a name of ASCII without a space, as the pattern finds it")
    return text
