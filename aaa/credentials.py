"""Passwords at rest: sealed with a key outside the database, bound to their subscriber.

What is sealed is what the methods need, worked out when the password is set: the two
hashes that MS-CHAP asks for, and the password itself, which PAP and CHAP need.
"""

import struct
from typing import Final

from aaa.methods.md4 import credential_of
from aaa.methods.outcome import Credential
from core.secret import Vault

HASH_OCTETS: Final = 16

_owner = struct.Struct(">QQ")


def seal_credential(vault: Vault, tenant_id: int, subscriber_id: int, password: str) -> bytes:
    """The password as it is stored.

    Raises:
        Invalid: no method could carry this password.
    """
    made = credential_of(password)
    return vault.seal(
        made.nt_hash + made.nt_hash_hash + made.password, _context(tenant_id, subscriber_id)
    )


def open_credential(vault: Vault, tenant_id: int, subscriber_id: int, sealed: bytes) -> Credential:
    """What proofs are checked against.

    Raises:
        CannotOpen: sealed with another key or for another subscriber.
    """
    plain = vault.open(sealed, _context(tenant_id, subscriber_id))
    return Credential(plain[32:], plain[:16], plain[16:32])


def _context(tenant_id: int, subscriber_id: int) -> bytes:
    return b"credential:" + _owner.pack(tenant_id, subscriber_id)
