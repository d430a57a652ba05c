"""A RADIUS packet as it lies on the wire: a header and a list of raw attributes (RFC 2865 §3, §5).

Framing only.  What a value means is `codec`'s business, whether the sender may be
believed is `authenticity`'s.  Values stay octets until somebody needs them, because
most attributes of most packets are never looked at.

Sans-IO, and bounded: every turn of the loop consumes at least two octets.
"""

from core.radius.types import (
    MESSAGE_AUTHENTICATOR,
    PACKET_LENGTH_MAX,
    PACKET_LENGTH_MIN,
    VENDOR_SPECIFIC,
)


class Malformed(Exception):
    """Not a RADIUS packet: silence (RFC 2865 §3).  `str()` is the reason, for a counter."""


class Packet:
    """One packet, parsed.  Order among attributes of one type is kept (RFC 2865 §5)."""

    __slots__ = (
        "_more",
        "authenticator",
        "code",
        "first",
        "identifier",
        "message_authenticator_at",
        "octets",
    )

    def __init__(
        self,
        octets: bytes,
        first: dict[int, bytes],
        more: list[tuple[int, bytes]],
        message_authenticator_at: int,
    ) -> None:
        self.octets = octets  # exactly `Length` octets: padding is gone
        self.code = octets[0]
        self.identifier = octets[1]
        self.authenticator = octets[4:20]
        self.message_authenticator_at = message_authenticator_at  # of its value; 0 = absent
        self.first = first  # number -> the first value of this type, raw
        self._more = more

    def get(self, number: int) -> bytes | None:
        """The first value of this type, raw, or None."""
        return self.first.get(number)

    def has(self, number: int) -> bool:
        return number in self.first

    def all(self, number: int) -> list[bytes]:
        """Every value of this type, in packet order."""
        value = self.first.get(number)
        if value is None:
            return []
        if not self._more:
            return [value]
        return [value, *[v for n, v in self._more if n == number]]

    def attributes(self) -> list[tuple[int, bytes]]:
        """Every attribute, raw, in packet order."""
        octets = self.octets
        found = []
        at, length = PACKET_LENGTH_MIN, len(octets)
        while at < length:  # `parse` has seen to it that the lengths add up
            end = at + octets[at + 1]
            found.append((octets[at], octets[at + 2 : end]))
            at = end
        return found

    def vendor(self, vendor: int, number: int) -> bytes | None:
        """The first value of a vendor's attribute in the recommended format (RFC 2865 §5.26)."""
        for value in self.all(VENDOR_SPECIFIC):
            at, end = 4, len(value)
            if end < 6 or int.from_bytes(value[:4], "big") != vendor:
                continue
            while at + 2 <= end:
                size = value[at + 1]
                if size < 2 or at + size > end:
                    break  # not in that format after all: unknown, not malformed
                if value[at] == number:
                    return value[at + 2 : at + size]
                at += size
        return None


def parse(datagram: bytes) -> Packet:
    """Read the framing of one datagram.

    Raises:
        Malformed: lengths that do not add up, or more than one or an ill-sized
            Message-Authenticator (RFC 3579 §3.2).
    """
    size = len(datagram)
    if size < PACKET_LENGTH_MIN:
        raise Malformed("short")
    length = datagram[2] << 8 | datagram[3]
    if length < PACKET_LENGTH_MIN or length > PACKET_LENGTH_MAX or length > size:
        raise Malformed("length")
    if length < size:
        datagram = datagram[:length]  # octets past Length are padding
    first: dict[int, bytes] = {}
    more: list[tuple[int, bytes]] = []
    message_authenticator_at = 0
    at = PACKET_LENGTH_MIN
    while at + 2 <= length:
        number = datagram[at]
        end = at + datagram[at + 1]
        if end < at + 2 or end > length:
            raise Malformed("attribute-length")
        if number == MESSAGE_AUTHENTICATOR:
            if message_authenticator_at or end != at + 18:
                raise Malformed("message-authenticator")
            message_authenticator_at = at + 2
        if number in first:
            more.append((number, datagram[at + 2 : end]))
        else:
            first[number] = datagram[at + 2 : end]
        at = end
    if at != length:
        raise Malformed("attribute-length")
    return Packet(datagram, first, more, message_authenticator_at)


def attribute(number: int, value: bytes) -> bytes:
    """One attribute on the wire; at most 253 octets of value fit."""
    assert 0 < number < 256
    assert len(value) <= 253
    return bytes((number, len(value) + 2)) + value


def vendor_attribute(vendor: int, number: int, value: bytes) -> bytes:
    """One Vendor-Specific attribute holding one of the vendor's own (RFC 2865 §5.26)."""
    assert len(value) <= 247
    inner = vendor.to_bytes(4, "big") + bytes((number, len(value) + 2)) + value
    return bytes((VENDOR_SPECIFIC, len(inner) + 2)) + inner
