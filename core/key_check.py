"""Whether a key file is that of a database: a constant, sealed with the key, lies in it.

With another key every stored secret looks like a changed one, and whoever writes it anew
takes it from all others.  So a key is made only for a database that has none yet, and any
other that does not open the constant is refused.
"""

from pathlib import Path

from sqlalchemy import CheckConstraint, LargeBinary, text
from sqlalchemy.orm import Mapped, mapped_column

from core.db import Base, Tx
from core.errors import Invalid
from core.keys import open_vault
from core.secret import CannotOpen, Vault

LOCK = 0x6B657963  # "keyc", of pg_advisory_xact_lock
_CONSTANT = b"turnpike"
_CONTEXT = b"key_check"


class KeyCheck(Base):
    """At most one row, of the key that everything sealed in this database was sealed with."""

    __tablename__ = "key_check"
    __table_args__ = (CheckConstraint("single", name="single"),)

    single: Mapped[bool] = mapped_column(primary_key=True, server_default="true")
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


async def vault_of(tx: Tx, path: Path) -> Vault:
    """The vault whose key lies in `path`; the first to ask makes the key, if need be, and
    its row.  Works in the lobby.

    Raises:
        Invalid: the key is missing, another, or cannot be used.
    """
    await tx.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    sealed: bytes | None = await tx.scalar(text("SELECT sealed FROM key_check"))
    if sealed is None:
        vault = _opened(path, make=True)
        await tx.execute(
            text("INSERT INTO key_check (sealed) VALUES (:sealed)"),
            {"sealed": vault.seal(_CONSTANT, _CONTEXT)},
        )
        return vault
    vault = _opened(path, make=False)
    try:
        vault.open(sealed, _CONTEXT)
    except CannotOpen:
        raise _refusal(path, "this is another key than the database's secrets have") from None
    return vault


def _opened(path: Path, *, make: bool) -> Vault:
    try:
        if make:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        return open_vault(path, make=make)
    except FileNotFoundError:
        raise _refusal(path, "there is no key file") from None
    except OSError as failed:
        raise Invalid(
            f"the key {path} cannot be used ({failed.strerror}): "
            "run this as its owner, or set key_file",
            field="key_file",
        ) from None


def _refusal(path: Path, what: str) -> Invalid:
    return Invalid(
        f"key_file {path}: {what}: set key_file (or data_dir) to where the key of this "
        "database lies, or restore it from its backup",
        field="key_file",
    )
