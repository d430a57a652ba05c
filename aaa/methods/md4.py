"""MD4 (RFC 1320), and what is kept of a password because of it.

MS-CHAP proves knowledge of the MD4 of the password, and OpenSSL 3 no longer offers
MD4.  It is only ever run when a password is *stored*, never during a login, so it needs
to be quick enough for an import of many subscribers and no quicker.
"""

from struct import Struct

from aaa.methods.outcome import Credential
from core.errors import Invalid

PASSWORD_OCTETS_MAX = 128  # more does not fit in a User-Password (RFC 2865 §5.2)

_MASK = 0xFFFFFFFF
_WORDS = Struct("<16I")
_DIGEST = Struct("<4I")
_COLUMNS = (0, 4, 8, 12)
_ROWS = (0, 2, 1, 3)


def credential_of(password: str) -> Credential:
    """What to store, sealed, for a subscriber with this password.

    Raises:
        Invalid: no method could carry this password, so nobody could ever log in with it.
    """
    try:
        octets = password.encode()
    except UnicodeEncodeError:
        raise Invalid("a password must be text that UTF-8 can carry", field="password") from None
    if len(octets) > PASSWORD_OCTETS_MAX:
        raise Invalid(
            f"a password must fit in {PASSWORD_OCTETS_MAX} octets of UTF-8", field="password"
        )
    if password.endswith("\0"):
        # RFC 2865 §5.2 pads with NUL, so a trailing one cannot be told from padding.
        raise Invalid("a password cannot end in NUL", field="password")
    hashed = nt_hash(password)
    return Credential(password=octets, nt_hash=hashed, nt_hash_hash=md4(hashed))


def nt_hash(password: str) -> bytes:
    """NtPasswordHash (RFC 2759 §8.3): MD4 of the UTF-16 of the password, low octet first."""
    return md4(password.encode("utf-16-le"))


def md4(message: bytes) -> bytes:
    """The 16 octets of RFC 1320."""
    bits = len(message) * 8
    padded = message + b"\x80" + bytes((55 - len(message)) % 64) + bits.to_bytes(8, "little")
    state = (0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
    for words in _WORDS.iter_unpack(padded):
        state = _block(state, words)
    return _DIGEST.pack(*state)


def _block(state: tuple[int, int, int, int], x: tuple[int, ...]) -> tuple[int, int, int, int]:
    """RFC 1320 §3.4: three rounds of four times four steps.

    Every step adds, masks to 32 bits and rotates left; the sums are masked before they
    are shifted, the results after, and that is all the care Python's integers need.
    """
    a, b, c, d = state
    for i in _COLUMNS:
        t = (a + (d ^ (b & (c ^ d))) + x[i]) & _MASK
        a = (t << 3 | t >> 29) & _MASK
        t = (d + (c ^ (a & (b ^ c))) + x[i + 1]) & _MASK
        d = (t << 7 | t >> 25) & _MASK
        t = (c + (b ^ (d & (a ^ b))) + x[i + 2]) & _MASK
        c = (t << 11 | t >> 21) & _MASK
        t = (b + (a ^ (c & (d ^ a))) + x[i + 3]) & _MASK
        b = (t << 19 | t >> 13) & _MASK
    for i in (0, 1, 2, 3):
        t = (a + ((b & c) | (d & (b | c))) + x[i] + 0x5A827999) & _MASK
        a = (t << 3 | t >> 29) & _MASK
        t = (d + ((a & b) | (c & (a | b))) + x[i + 4] + 0x5A827999) & _MASK
        d = (t << 5 | t >> 27) & _MASK
        t = (c + ((d & a) | (b & (d | a))) + x[i + 8] + 0x5A827999) & _MASK
        c = (t << 9 | t >> 23) & _MASK
        t = (b + ((c & d) | (a & (c | d))) + x[i + 12] + 0x5A827999) & _MASK
        b = (t << 13 | t >> 19) & _MASK
    for i in _ROWS:
        t = (a + (b ^ c ^ d) + x[i] + 0x6ED9EBA1) & _MASK
        a = (t << 3 | t >> 29) & _MASK
        t = (d + (a ^ b ^ c) + x[i + 8] + 0x6ED9EBA1) & _MASK
        d = (t << 9 | t >> 23) & _MASK
        t = (c + (d ^ a ^ b) + x[i + 4] + 0x6ED9EBA1) & _MASK
        c = (t << 11 | t >> 21) & _MASK
        t = (b + (c ^ d ^ a) + x[i + 12] + 0x6ED9EBA1) & _MASK
        b = (t << 15 | t >> 17) & _MASK
    return (
        (state[0] + a) & _MASK,
        (state[1] + b) & _MASK,
        (state[2] + c) & _MASK,
        (state[3] + d) & _MASK,
    )
