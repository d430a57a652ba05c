"""The shared secret of a NAS, sealed for the database and opened for the wire.

Apart from the registry because a login worker opens secrets and needs no database for it.
"""

from core.secret import Secret, Vault


def seal_secret(vault: Vault, tenant_id: int, nas_id: int, secret: Secret) -> bytes:
    """The shared secret as it is stored: bound to its NAS, whatever that is called."""
    return vault.seal(secret.octets, _context(tenant_id, nas_id))


def open_secret(vault: Vault, tenant_id: int, nas_id: int, sealed: bytes) -> Secret:
    """The shared secret again.

    Raises:
        CannotOpen: sealed with another key or for another box.
    """
    return Secret(vault.open(sealed, _context(tenant_id, nas_id)))


def _context(tenant_id: int, nas_id: int) -> bytes:
    return b"nas:" + tenant_id.to_bytes(8, "big") + nas_id.to_bytes(8, "big")
