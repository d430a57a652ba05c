"""Attributes as a NAS writes and reads them: by number, without any dictionary.

The simulator is the other side of the server, so it shares neither the server's
dictionaries nor its vendors: what both got wrong in the same way would look right.  A key
is the number of a standard attribute, or a vendor's id and that vendor's number.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Network
from typing import Final, TypeAlias

from core.radius.packet import Packet, attribute, vendor_attribute
from core.radius.types import VENDOR_SPECIFIC

Key: TypeAlias = int | tuple[int, int]

# Those that `core.radius.types` has no use for.
FRAMED_PROTOCOL: Final = 7
FRAMED_IP_NETMASK: Final = 9
FILTER_ID: Final = 11
FRAMED_ROUTE: Final = 22
IDLE_TIMEOUT: Final = 28
ACCT_DELAY_TIME: Final = 41
ACCT_INPUT_OCTETS: Final = 42
ACCT_OUTPUT_OCTETS: Final = 43
ACCT_AUTHENTIC: Final = 45
ACCT_SESSION_TIME: Final = 46
ACCT_INPUT_PACKETS: Final = 47
ACCT_OUTPUT_PACKETS: Final = 48
ACCT_TERMINATE_CAUSE: Final = 49
ACCT_INPUT_GIGAWORDS: Final = 52
ACCT_OUTPUT_GIGAWORDS: Final = 53
EVENT_TIMESTAMP: Final = 55
PORT_LIMIT: Final = 62
FRAMED_POOL: Final = 88
FRAMED_IPV6_PREFIX: Final = 97
DELEGATED_IPV6_PREFIX: Final = 123

ADSL_FORUM: Final = 3561  # RFC 4679
WISPR: Final = 14122


def number(key: Key, value: int) -> bytes:
    """A 32-bit integer; what does not fit is the caller's mistake."""
    return octets(key, value.to_bytes(4, "big"))


def text(key: Key, value: str) -> bytes:
    return octets(key, value.encode())


def address(key: Key, value: str) -> bytes:
    return octets(key, IPv4Address(value).packed)


def prefix(key: Key, value: str) -> bytes:
    """An IPv6 prefix: reserved, length, and the octets that it needs (RFC 3162 §2.3)."""
    network = IPv6Network(value)
    size = -(-network.prefixlen // 8)
    return octets(key, bytes((0, network.prefixlen)) + network.network_address.packed[:size])


def octets(key: Key, value: bytes) -> bytes:
    """One attribute; an empty value is left out, because RFC 2865 §5 knows none."""
    if not value:
        return b""
    if isinstance(key, int):
        return attribute(key, value)
    return vendor_attribute(*key, value)


class Fields:
    """What a packet says, for whoever looks things up by key."""

    def __init__(self, attributes: Iterable[tuple[int, bytes]]) -> None:
        self._values: dict[Key, list[bytes]] = {}
        for found, value in attributes:
            if found != VENDOR_SPECIFIC:
                self._values.setdefault(found, []).append(value)
                continue
            vendor, at = int.from_bytes(value[:4], "big"), 4
            while at + 2 <= len(value) and value[at + 1] >= 2:
                end = at + value[at + 1]
                self._values.setdefault((vendor, value[at]), []).append(value[at + 2 : end])
                at = end

    def __contains__(self, key: Key) -> bool:
        return key in self._values

    @property
    def keys(self) -> frozenset[Key]:
        return frozenset(self._values)

    def all(self, key: Key) -> list[bytes]:
        """Every value, in the packet's order."""
        return self._values.get(key, [])

    def texts(self, key: Key) -> list[str]:
        return [value.decode(errors="replace") for value in self.all(key)]

    def text(self, key: Key) -> str | None:
        """The last one: where a box takes one value and is given several, the last one stays."""
        values = self.texts(key)
        return values[-1] if values else None

    def number(self, key: Key) -> int | None:
        """The last one, or None where it is absent or of another size."""
        values = self.all(key)
        return int.from_bytes(values[-1], "big") if values and len(values[-1]) == 4 else None

    def address(self, key: Key) -> str | None:
        values = self.all(key)
        return str(IPv4Address(values[-1])) if values and len(values[-1]) == 4 else None

    def prefix(self, key: Key) -> str | None:
        values = self.all(key)
        if not values or not 2 <= len(values[-1]) <= 18 or values[-1][1] > 128:
            return None
        padded = values[-1][2:].ljust(16, b"\0")
        return str(IPv6Network((padded, values[-1][1]), strict=False))


def fields(packet: Packet) -> Fields:
    return Fields(packet.attributes())
