"""Bring a database to the schema of this version, whole or not at all.

All pending migrations run in one transaction under an advisory lock: of two nodes that
start at once one waits, and one that is killed at any statement leaves the old schema.
There is no way down; going back is restoring the backup.
"""

from dataclasses import dataclass
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core.db import engine
from core.errors import Refused

LOCK = 0x7475726E  # "turn", of pg_advisory_xact_lock
INSUFFICIENT_PRIVILEGE = "42501"


class SchemaTooNew(Refused):
    """A newer Turnpike has been at this database; this one would misread it."""


class SchemaTooOld(Refused):
    """The database waits for `turnpike db upgrade`."""


class CannotUpgrade(Refused):
    """The database's user lacks a right; the text names the remedy."""


@dataclass(frozen=True, slots=True)
class Status:
    """`current` is the database's schema version (None: empty), `head` this program's."""

    current: str | None
    head: str
    is_newer: bool  # the database knows a version that this program does not

    @property
    def is_current(self) -> bool:
        return self.current == self.head


async def status(url: str) -> Status:
    """Where the database stands, as seen by the schema's owner."""
    owner = engine(url, None, connections_max=1)
    try:
        async with owner.connect() as connection:
            return await connection.run_sync(_status)
    finally:
        await owner.dispose()


async def upgrade(url: str) -> Status:
    """Run what is pending and return the status from before; nothing pending does nothing.

    Alembic keeps what it is doing in globals: one database at a time in a process.

    Raises:
        SchemaTooNew: this program is older than the schema.
        CannotUpgrade: the user of `url` may not do what is needed.
    """
    owner = engine(url, None, connections_max=1)
    try:
        async with owner.begin() as connection:
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            before = await connection.run_sync(_status)
            _refuse_newer(before)
            if not before.is_current:
                await connection.run_sync(_upgrade)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == INSUFFICIENT_PRIVILEGE:
            raise CannotUpgrade(str(error.orig)) from error
        raise
    finally:
        await owner.dispose()
    return before


def require_current(found: Status) -> None:
    """Return if this program and the database fit.

    Raises:
        SchemaTooNew, SchemaTooOld: they do not; the text names both versions.
    """
    _refuse_newer(found)
    if not found.is_current:
        raise SchemaTooOld(
            f"the database has schema {found.current or 'none'} and this Turnpike needs "
            f"{found.head}: run turnpike db upgrade"
        )


def _refuse_newer(found: Status) -> None:
    if found.is_newer:
        raise SchemaTooNew(
            f"the database has schema {found.current}, and this Turnpike knows up to "
            f"{found.head}: run the newer version, or restore a backup from before its upgrade"
        )


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    return configuration


def _status(connection: Connection) -> Status:
    scripts = ScriptDirectory.from_config(_configuration())
    head = scripts.get_current_head()
    assert head is not None
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in scripts.walk_revisions()}
    return Status(current, head, current is not None and current not in known)


def _upgrade(connection: Connection) -> None:
    configuration = _configuration()
    configuration.attributes["connection"] = connection
    command.upgrade(configuration, "head")
