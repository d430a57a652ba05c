"""Which of a subscriber's own attributes (`reply` in a manifest) an Access-Accept may hold.

Judged by the octets, because an attribute can have several names.  Knows no dictionary.
"""

from collections.abc import Iterator
from typing import Final

from core.radius.types import CLASS, MICROSOFT, REPLY_MESSAGE, VENDOR_SPECIFIC

# RFC 2865 §5.44, RFC 2866 §5.13, RFC 2869 §5.19, RFC 3162 §3, RFC 3579 §3.3, RFC 5176 §3.6.
_NOT_IN_AN_ACCEPT: Final = frozenset(
    (
        *(2, 3, 60, 70, 73, 79, 80),  # proofs and challenges
        *(4, 5, 30, 31, 32, 61, 77, 87, 94, 95),  # where the NAS says who asks and from where
        *(24, 33, 75, 76),  # State, Proxy-State, Password-Retry, Prompt
        *range(40, 56),  # accounting, Event-Timestamp among it
        *(68, 86),  # accounting of tunnels
        101,  # Error-Cause
    )
)
# A manifest has keys of their own for these, which know expiry and walled garden.
_SET_FROM_ELSEWHERE: Final = frozenset(
    (
        *(8, 97, 123),  # static_ipv4, static_ipv6_prefix, delegated_ipv6
        27,  # session_timeout_s, expires_at
        85,  # interim_s
    )
)
# Of RFC 2548: proofs, keys and what the methods answer.
_MICROSOFTS_OWN: Final = frozenset((*range(1, 9), 11, 12, 16, 17, *range(19, 22), *range(23, 28)))
# Words, and what comes back in accounting; all else could lead out of a walled garden.
_IN_A_GARDEN: Final = frozenset((REPLY_MESSAGE, CLASS))


def is_allowed(octets: bytes) -> bool:
    """Whether all of these encoded attributes may be among a subscriber's own."""
    return all(_is_allowed(each) for each in _each(octets))


def allowed_in_a_garden(octets: bytes) -> bytes:
    """Those that a confined subscriber keeps."""
    return b"".join([each for each in _each(octets) if each[0] in _IN_A_GARDEN])


def _is_allowed(one: bytes) -> bool:
    number = one[0]
    if number == VENDOR_SPECIFIC and int.from_bytes(one[2:6], "big") == MICROSOFT:
        return one[6] not in _MICROSOFTS_OWN
    return number not in _NOT_IN_AN_ACCEPT and number not in _SET_FROM_ELSEWHERE


def _each(octets: bytes) -> Iterator[bytes]:
    """Ours, so their lengths are right."""
    at = 0
    while at < len(octets):
        end = at + octets[at + 1]
        yield octets[at:end]
        at = end
