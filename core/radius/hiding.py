"""Passwords and keys under MD5: User-Password and salt encryption.

Knows neither attributes nor tags, only octets.  Both schemes XOR blocks of 16 octets with
MD5(secret ‖ what came before); when revealing, all of "what came before" is at hand, so
the whole mask is built first and applied in one operation on big integers.  Revealing a
User-Password happens at every PAP login, a key at every MS-CHAPv2 login.
"""

from core.radius.codec_error import CodecError
from core.radius.digest import md5

BLOCK = 16
USER_PASSWORD_MAX = 128  # RFC 2865 §5.2
SALTED_MAX = 239  # one octet of length and this fill 15 blocks, the most an attribute holds


def hide_user_password(password: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """The value of User-Password (RFC 2865 §5.2).

    Raises:
        CodecError: longer than 128 octets.
    """
    if len(password) > USER_PASSWORD_MAX:
        raise CodecError(f"{len(password)} octets; at most {USER_PASSWORD_MAX} can be hidden")
    return _hide(password or b"\0", secret, authenticator)


def reveal_user_password(hidden: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """The password, without the NULs that pad it.  A wrong secret gives garbage, not an error.

    Raises:
        CodecError: not 1 to 8 blocks of 16 octets.
    """
    if len(hidden) == BLOCK:  # passwords up to 16 octets: nearly all of them
        mask = int.from_bytes(md5(secret + authenticator).digest(), "big")
        return (int.from_bytes(hidden, "big") ^ mask).to_bytes(BLOCK, "big").rstrip(b"\0")
    return reveal_padded(hidden, secret, authenticator).rstrip(b"\0")


def reveal_padded(hidden: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """As `reveal_user_password`, but with the padding: keys may end in NULs of their own.

    Raises:
        CodecError: not 1 to 8 blocks of 16 octets.
    """
    size = len(hidden)
    if not 0 < size <= USER_PASSWORD_MAX or size % BLOCK:
        raise CodecError(f"{size} octets are no hidden password: whole blocks of 16, up to 128")
    return _reveal(hidden, secret, authenticator)


def salt_encrypt(plain: bytes, secret: bytes, authenticator: bytes, salt: bytes) -> bytes:
    """Salt and ciphertext (RFC 2868 §3.5, RFC 2548 §2.4.2), without a tag.

    `salt` must differ from all others in the packet; its highest bit is set.

    Raises:
        CodecError: longer than 239 octets, or an ill-formed salt.
    """
    if len(salt) != 2 or not salt[0] & 0x80:
        raise CodecError("a salt is two octets with the highest bit set")
    if len(plain) > SALTED_MAX:
        raise CodecError(f"{len(plain)} octets; at most {SALTED_MAX} can be hidden")
    return salt + _hide(bytes((len(plain),)) + plain, secret, authenticator + salt)


def salt_decrypt(hidden: bytes, secret: bytes, authenticator: bytes) -> bytes:
    """What `salt_encrypt` hid.  The salt's highest bit is not insisted upon.

    Raises:
        CodecError: lengths that do not add up; inside the cipher that is a sign of a wrong secret.
    """
    size = len(hidden) - 2
    if size <= 0 or size % BLOCK:
        raise CodecError(f"{len(hidden)} octets are no salted value: two, and whole blocks of 16")
    plain = _reveal(hidden[2:], secret, authenticator + hidden[:2])
    end = plain[0] + 1
    if end > size:
        raise CodecError("the hidden length exceeds the value; is the shared secret the same?")
    return plain[1:end]


def _hide(plain: bytes, secret: bytes, start: bytes) -> bytes:
    blocks = []
    for at in range(0, len(plain), BLOCK):
        block = plain[at : at + BLOCK].ljust(BLOCK, b"\0")
        mask = int.from_bytes(md5(secret + start).digest(), "big")
        start = (int.from_bytes(block, "big") ^ mask).to_bytes(BLOCK, "big")
        blocks.append(start)
    return b"".join(blocks)


def _reveal(hidden: bytes, secret: bytes, start: bytes) -> bytes:
    size = len(hidden)
    mask = md5(secret + start).digest()
    for at in range(0, size - BLOCK, BLOCK):
        mask += md5(secret + hidden[at : at + BLOCK]).digest()
    return (int.from_bytes(hidden, "big") ^ int.from_bytes(mask, "big")).to_bytes(size, "big")
