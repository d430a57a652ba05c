"""Who sent this, and has anybody touched it: the authenticators of RADIUS.

Request and Response Authenticator (RFC 2865 §3, RFC 2866 §3), Message-Authenticator
(RFC 3579 §3.2).  Always computed over the octets that came, never over attributes put
together again.  Sans-IO; comparisons take the same time whatever differs.
"""

from hmac import compare_digest

from core.radius.digest import md5
from core.radius.packet import Packet
from core.radius.types import (
    ACCESS_REQUEST,
    MESSAGE_AUTHENTICATOR,
    STATUS_SERVER,
)

_ZEROS = bytes(16)
_EMPTY_SIGNATURE = bytes((MESSAGE_AUTHENTICATOR, 18)) + _ZEROS
_SIGNATURE_HEADER = _EMPTY_SIGNATURE[:2]
_IPAD = bytes(octet ^ 0x36 for octet in range(256))
_OPAD = bytes(octet ^ 0x5C for octet in range(256))


class SharedSecret:
    """One shared secret, with the HMAC states that depend on it alone kept ready."""

    def __init__(self, octets: bytes) -> None:
        self.octets = octets
        key = (md5(octets).digest() if len(octets) > 64 else octets).ljust(64, b"\0")
        self._inner = md5(key.translate(_IPAD))
        self._outer = md5(key.translate(_OPAD))

    def __repr__(self) -> str:
        return "SharedSecret(…)"

    def _hmac(self, octets: bytes) -> bytes:
        inner = self._inner.copy()
        inner.update(octets)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.digest()

    def signs(self, packet: Packet) -> bool:
        """Whether the packet carries a Message-Authenticator of this secret.

        For the requests whose Authenticator field is random (Access-Request,
        Status-Server) it counts as it is; in the others it counts as zeros
        (RFC 5176 §3.4).
        """
        at = packet.message_authenticator_at
        if not at:
            return False
        octets = packet.octets
        if packet.code == ACCESS_REQUEST or packet.code == STATUS_SERVER:
            signed = octets[:at] + _ZEROS + octets[at + 16 :]
        else:
            signed = octets[:4] + _ZEROS + octets[20:at] + _ZEROS + octets[at + 16 :]
        return compare_digest(self._hmac(signed), octets[at : at + 16])

    def authenticates(self, packet: Packet) -> bool:
        """Whether the Request Authenticator of an Accounting-Request, CoA- or Disconnect-Request
        is that of this secret (RFC 2866 §3, RFC 5176 §2.3)."""
        octets = packet.octets
        expected = md5(octets[:4] + _ZEROS + octets[20:] + self.octets).digest()
        return compare_digest(expected, octets[4:20])

    def request(
        self, code: int, identifier: int, attributes: bytes, *, signed: bool = False
    ) -> bytes:
        """The octets of an Accounting-Request, CoA- or Disconnect-Request that `authenticates`
        believes (RFC 2866 §3, RFC 5176 §2.3); `signed`: with a Message-Authenticator, first, as
        in replies (RFC 5176 §3.4)."""
        length = 20 + len(attributes) + (18 if signed else 0)
        head = bytes((code, identifier, length >> 8, length & 0xFF))
        if signed:
            signature = self._hmac(head + _ZEROS + _EMPTY_SIGNATURE + attributes)
            attributes = _SIGNATURE_HEADER + signature + attributes
        return head + md5(head + _ZEROS + attributes + self.octets).digest() + attributes

    def reply(self, code: int, request: Packet, attributes: bytes, *, signed: bool = True) -> bytes:
        """The octets of a reply, Message-Authenticator first (draft-ietf-radext-deprecating-radius,
        against CVE-2024-3596), then the Response Authenticator over all of it."""
        length = 20 + len(attributes) + (18 if signed else 0)
        head = bytes((code, request.identifier, length >> 8, length & 0xFF))
        if signed:
            opening = head + request.authenticator
            signature = self._hmac(opening + _EMPTY_SIGNATURE + attributes)
            attributes = _SIGNATURE_HEADER + signature + attributes
        authenticator = md5(head + request.authenticator + attributes + self.octets).digest()
        return head + authenticator + attributes

    def authenticates_reply(self, reply: Packet, request_authenticator: bytes) -> bool:
        """Whether the Response Authenticator is that of this secret and request (RFC 2865 §3)."""
        octets = reply.octets
        expected = md5(octets[:4] + request_authenticator + octets[20:] + self.octets).digest()
        return compare_digest(expected, octets[4:20])

    def signs_reply(self, reply: Packet, request_authenticator: bytes) -> bool:
        """Whether a reply carries a Message-Authenticator of this secret and request (RFC 3579
        §3.2, RFC 5176 §3.4)."""
        at = reply.message_authenticator_at
        if not at:
            return False
        octets = reply.octets
        signed = octets[:4] + request_authenticator + octets[20:at] + _ZEROS + octets[at + 16 :]
        return compare_digest(self._hmac(signed), octets[at : at + 16])
