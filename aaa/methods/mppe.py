"""Keys for the link, from an MS-CHAP login (RFC 2548 §2.4, RFC 3079), as attributes.

Sent with every such Accept: whether the link is encrypted, the NAS decides.
"""

from collections.abc import Callable
from hashlib import sha1

from core.radius.hiding import hide_user_password, salt_encrypt
from core.radius.packet import vendor_attribute
from core.radius.types import (
    MICROSOFT,
    MS_CHAP_MPPE_KEYS,
    MS_MPPE_ENCRYPTION_POLICY,
    MS_MPPE_ENCRYPTION_TYPES,
    MS_MPPE_RECV_KEY,
    MS_MPPE_SEND_KEY,
)

KEY_OCTETS = 16

_POLICY = vendor_attribute(MICROSOFT, MS_MPPE_ENCRYPTION_POLICY, b"\0\0\0\1")  # allowed
_RC4_40_OR_128 = _POLICY + vendor_attribute(MICROSOFT, MS_MPPE_ENCRYPTION_TYPES, b"\0\0\0\6")
_RC4_128 = _POLICY + vendor_attribute(MICROSOFT, MS_MPPE_ENCRYPTION_TYPES, b"\0\0\0\4")

# RFC 3079 §3.4
_MASTER = b"This is the MPPE Master Key"
_CLIENT_SENDS = (
    b"\0" * 40
    + b"On the client side, this is the send key; on the server side, it is the receive key."
    + b"\xf2" * 40
)
_SERVER_SENDS = (
    b"\0" * 40
    + b"On the client side, this is the receive key; on the server side, it is the send key."
    + b"\xf2" * 40
)

# A salted key always has as many octets, so what precedes it in its attribute is constant.
_SALTED_OCTETS = 34
_SEND_KEY = vendor_attribute(MICROSOFT, MS_MPPE_SEND_KEY, bytes(_SALTED_OCTETS))[:-_SALTED_OCTETS]
_RECV_KEY = vendor_attribute(MICROSOFT, MS_MPPE_RECV_KEY, bytes(_SALTED_OCTETS))[:-_SALTED_OCTETS]


def start_keys(nt_hash_hash: bytes, nt_response: bytes) -> tuple[bytes, bytes]:
    """What the NAS sends with and what it receives with (RFC 3079 §3.4, 128 bits)."""
    master = sha1(nt_hash_hash + nt_response + _MASTER).digest()[:16]  # noqa: S324 - RFC 3079 §3.4
    return (
        sha1(master + _SERVER_SENDS).digest()[:KEY_OCTETS],  # noqa: S324 - RFC 3079 §3.4
        sha1(master + _CLIENT_SENDS).digest()[:KEY_OCTETS],  # noqa: S324 - RFC 3079 §3.4
    )


def v2_attributes(
    nt_hash_hash: bytes,
    nt_response: bytes,
    secret: bytes,
    authenticator: bytes,
    random: Callable[[int], bytes],
) -> bytes:
    """MS-MPPE-Send-Key and -Recv-Key (RFC 2548 §2.4.2, §2.4.3) and what they may be used for."""
    send, receive = start_keys(nt_hash_hash, nt_response)
    chance = random(2)
    high, low = chance[0] | 0x80, chance[1]  # RFC 2548 §2.4.2: the highest bit of a salt is set
    return (
        _RC4_40_OR_128
        + _SEND_KEY
        + salt_encrypt(send, secret, authenticator, bytes((high, low)))
        + _RECV_KEY
        + salt_encrypt(receive, secret, authenticator, bytes((high, low ^ 1)))
    )


def v1_attributes(nt_hash_hash: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """MS-CHAP-MPPE-Keys (RFC 2548 §2.4.1): LM-Key, NT-Key, 8 octets of padding.

    The LM-Key would serve encryption with 40 bits alone.  We keep no LM hash and leave it
    zero, so 40 bits are not offered.
    """
    keys = b"\0" * 8 + nt_hash_hash + b"\0" * 8
    hidden = hide_user_password(keys, secret, authenticator)
    return _RC4_128 + vendor_attribute(MICROSOFT, MS_CHAP_MPPE_KEYS, hidden)
