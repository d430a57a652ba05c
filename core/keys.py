"""Where the encryption key lies: one file of 32 octets, readable by its owner alone."""

import hmac
import os
import secrets
from pathlib import Path

from core.errors import Invalid
from core.secret import KEY_OCTETS, Vault


def open_vault(path: Path, purpose: bytes = b"", *, make: bool = True) -> Vault:
    """The vault whose key lies in `path`; the first call makes the key, if it may.

    With a `purpose` it has a key of its own, derived from the one in the file: what is
    sealed for minutes by the million does not wear out the key of what is kept for years.

    Raises:
        Invalid: the file exists and is not a key, or others may read it.
        FileNotFoundError: there is none, and `make` is false.
    """
    key = _made(path) if make else None
    if key is None:
        key = path.read_bytes()
        if len(key) != KEY_OCTETS:
            raise Invalid(
                f"{path} holds {len(key)} octets, not {KEY_OCTETS}: "
                "restore the key from its backup; passwords cannot be read without it",
                field="key_file",
            )
        if path.stat().st_mode & 0o077:
            raise Invalid(f"{path} is readable by others: chmod 600 it", field="key_file")
    if purpose:
        key = hmac.digest(key, b"turnpike " + purpose, "sha256")
    return Vault(key, secrets.token_bytes)


def _made(path: Path) -> bytes | None:
    """A new key, written to `path`; None if something is there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return None
    key = secrets.token_bytes(KEY_OCTETS)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    return key
