"""Which database a command talks to: the one that is named, or the private one of its data
directory, which is started for the command if nobody runs it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from app.paths import Paths
from core import tenancy
from core.config import Settings
from core.db import Database
from core.errors import Invalid, NotFound
from core.key_check import vault_of
from core.migrations import runner
from core.postgres import Cluster
from core.secret import Vault
from core.tenancy import Known


@contextmanager
def database_url(settings: Settings, *, create: bool = False) -> Iterator[str]:
    """The URL of a running database.  `create` makes the private one if there is none.

    Raises:
        NotFound: there is no instance here.
        Refused: PostgreSQL cannot be run.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    directory = Paths(settings.data_dir).postgres
    if not create and not (directory / "data").is_dir():
        raise NotFound(
            f"there is no instance in {settings.data_dir}: name another with --data-dir or "
            "DATABASE_URL, or make one with turnpike apply or turnpike serve"
        )
    settings.data_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
    cluster = Cluster(directory, bin_dir=settings.database.bin_dir)
    url = cluster.start()
    try:
        yield url
    finally:
        cluster.stop()


@asynccontextmanager
async def opened(settings: Settings, url: str, *, upgrade: bool = False) -> AsyncIterator[Database]:
    """The database with a schema that fits; `upgrade` brings it there where that is allowed.

    Raises:
        SchemaTooNew, SchemaTooOld: it does not fit.
    """
    if upgrade and settings.database.auto_upgrade:
        await runner.upgrade(url)
    else:
        runner.require_current(await runner.status(url))
    database = Database(url, connections_max=settings.database.pool_size)
    try:
        yield database
    finally:
        await database.dispose()


async def vault(settings: Settings, database: Database) -> Vault:
    """The vault of the instance, whose key is made for a database that has none yet.

    Raises:
        Invalid: the key is not this database's, or cannot be used.
    """
    async with database.lobby() as tx:
        return await vault_of(tx, settings.key_path)


async def tenant(database: Database, code: str | None) -> Known:
    """The tenant of this code, or the only one.

    Raises:
        NotFound: there is none, or none of this code.
        Invalid: there are several, and none was named.
    """
    async with database.lobby() as tx:
        known = await tenancy.known(tx)
    codes = ", ".join(one.code for one in known)
    if code is not None:
        for one in known:
            if one.code == code:
                return one
        raise NotFound(f"there is no tenant {code}" + (f"; there are {codes}" if codes else ""))
    if not known:
        raise NotFound("there is no tenant yet: make one with turnpike apply or turnpike demo")
    if len(known) > 1:
        raise Invalid(f"there are several tenants: choose one with --tenant: {codes}")
    return known[0]
