"""Secrets: a value that does not show itself, and encryption at rest.

Pure: `Vault` is given its key; where the key lies is `core.keys`' business.  The key
never enters the database, so a stolen dump opens nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_OCTETS = 32
_VERSION = 1
_NONCE_OCTETS = 12
_SEALED_OCTETS_MIN = 29  # version, nonce, and the tag of nothing


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Octets that must not reach a log or a page; ask for them by name."""

    octets: bytes

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


class CannotOpen(Exception):
    """Sealed with another key, for another owner, or damaged."""


class Vault:
    """Seals octets with AES-256-GCM.

    `context` names the owner of the value, e.g. ``b"credential:17"``; what was sealed for
    one owner does not open for another, so rows cannot be swapped in the database.
    """

    def __init__(self, key: bytes, random: Callable[[int], bytes]) -> None:
        assert len(key) == KEY_OCTETS
        self._cipher = AESGCM(key)
        self._random = random

    def seal(self, plain: bytes, context: bytes) -> bytes:
        nonce = self._random(_NONCE_OCTETS)
        return bytes((_VERSION,)) + nonce + self._cipher.encrypt(nonce, plain, context)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """The plain octets.

        Raises:
            CannotOpen: the key, the context or the octets are not those it was sealed with.
        """
        if len(sealed) < _SEALED_OCTETS_MIN or sealed[0] != _VERSION:
            raise CannotOpen("sealed in a form that this version does not know")
        try:
            return self._cipher.decrypt(sealed[1:13], sealed[13:], context)
        except InvalidTag:
            raise CannotOpen("the key or the owner is another") from None
