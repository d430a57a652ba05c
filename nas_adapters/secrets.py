"""The shared secrets of a NAS, sealed for the database and opened for the wire.

One for what it asks, and where it wants another, one for what it is told (RFC 5176).

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


def seal_coa_secret(vault: Vault, tenant_id: int, nas_id: int, secret: Secret) -> bytes:
    """The secret for Change-of-Authorization; it does not open as the other one."""
    return vault.seal(secret.octets, _context(tenant_id, nas_id, b"nas-coa:"))


def open_coa_secret(vault: Vault, tenant_id: int, nas_id: int, sealed: bytes) -> Secret:
    """The CoA secret again.

    Raises:
        CannotOpen: sealed with another key, for another box or for another use.
    """
    return Secret(vault.open(sealed, _context(tenant_id, nas_id, b"nas-coa:")))


def _context(tenant_id: int, nas_id: int, use: bytes = b"nas:") -> bytes:
    return use + tenant_id.to_bytes(8, "big") + nas_id.to_bytes(8, "big")
