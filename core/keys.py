"""Where the encryption key lies: one file of 32 octets, readable by its owner alone."""

import hmac
import os
import secrets
from pathlib import Path

from core.errors import Invalid
from core.secret import KEY_OCTETS, Vault


def open_vault(path: Path, purpose: bytes = b"") -> Vault:
    """The vault whose key lies in `path`; the first call makes the key.

    With a `purpose` it has a key of its own, derived from the one in the file: what is
    sealed for minutes by the million does not wear out the key of what is kept for years.

    Raises:
        Invalid: the file exists and is not a key, or others may read it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_bytes()
        if len(key) != KEY_OCTETS:
            raise Invalid(
                f"{path} holds {len(key)} octets, not {KEY_OCTETS}: "
                "restore the key from its backup; passwords cannot be read without it",
                field="key_file",
            ) from None
        if path.stat().st_mode & 0o077:
            raise Invalid(f"{path} is readable by others: chmod 600 it", field="key_file") from None
    else:
        key = secrets.token_bytes(KEY_OCTETS)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
    if purpose:
        key = hmac.digest(key, b"turnpike " + purpose, "sha256")
    return Vault(key, secrets.token_bytes)
