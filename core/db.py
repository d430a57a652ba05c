"""The database: one engine per process, and one way to open a transaction.

The URL's own user is the owner of the schema and opens connections; what runs on them is
one of two lesser roles (made by the migrations).  `Database` is `turnpike_app`: it sees the
rows of one tenant, by row-level security.  `NodeDatabase` is `turnpike_node`, the RADIUS
side: it serves every tenant and sees only the tables that it needs.

Knows no table of any domain.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

import asyncpg
from sqlalchemy import MetaData, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase

APP_ROLE = "turnpike_app"
NODE_ROLE = "turnpike_node"
TENANT_SETTING = "turnpike.tenant_id"

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 5.0  # of a server that has nothing to do but answer
TRIES_MAX = 10  # more than a pool has connections
GONE_AFTER_S = 30  # without a sign of life, the other side of a connection is gone

# What a vanished client's transaction has locked, the server lets go of again.
SETTINGS: Final = {
    "search_path": "public",
    "idle_in_transaction_session_timeout": "60s",  # longer than we think between two statements
    "tcp_user_timeout": f"{GONE_AFTER_S}s",
    "tcp_keepalives_idle": f"{GONE_AFTER_S // 2}",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}
_SOCKET_OPTIONS: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, GONE_AFTER_S // 2),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_AFTER_S * 1000),
)
_BROKEN: Final = (
    OSError,
    SQLAlchemyError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresError,
)


class CannotConnect(ConnectionError):
    """No connection to the database; the text says where to, without a password, and why."""


# Named constraints, so that a migration can drop what an earlier one made.
NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Every table of every domain; `app.metadata` imports them all for migrations."""

    metadata = MetaData(naming_convention=NAMES)


Tx = AsyncSession
"""An open transaction.  Domain functions take one and never commit it."""


class Database:
    """What the application may do, a tenant at a time."""

    def __init__(self, url: str, *, connections_max: int = 5) -> None:
        self._engine = engine(url, APP_ROLE, connections_max=connections_max)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self, tenant_id: int) -> AsyncIterator[Tx]:
        """Commit when the block ends, roll back when it raises; sees this tenant alone.

        Do not await the network inside: the transaction holds locks and a
        connection while you wait.
        """
        async with _transaction(self._sessions) as tx:
            await enter(tx, tenant_id)
            yield tx

    @asynccontextmanager
    async def lobby(self) -> AsyncIterator[Tx]:
        """A transaction that sees no tenant's rows, not yet.

        For the commands that begin with a tenant's code, or with none:
        `core.tenancy` finds, lists and founds tenants in it, and `enter` goes in.
        """
        async with _transaction(self._sessions) as tx:
            await _set_scope(tx, "")
            yield tx

    async def dispose(self) -> None:
        """Close the connections.  The object must not be used after it."""
        await self._engine.dispose()


class NodeDatabase:
    """What a RADIUS node may do: read what logins need of all tenants, store decisions."""

    def __init__(self, url: str, *, connections_max: int = 2) -> None:
        self._url = url
        self._engine = engine(url, NODE_ROLE, connections_max=connections_max)
        self._sessions = async_sessionmaker(self._engine, expire_on_commit=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Tx]:
        """Commit when the block ends, roll back when it raises; sees every tenant."""
        async with _transaction(self._sessions) as tx:
            yield tx

    async def connect(self) -> asyncpg.Connection:
        """A connection outside the pool, for LISTEN; the caller closes it."""
        return await connect(self._url, NODE_ROLE)

    async def dispose(self) -> None:
        """Close the pooled connections.  The object must not be used after it."""
        await self._engine.dispose()


@asynccontextmanager
async def _transaction(sessions: async_sessionmaker[AsyncSession]) -> AsyncIterator[Tx]:
    """A transaction that whoever has had enough of it, by a timeout, gets out of.

    SQLAlchemy's own waits for the answer to its ROLLBACK, and a connection that the network
    has forgotten never brings one: so it is ended if none comes soon.  Its own ping before a
    connection is used again waits as long, so that is done here too.
    """
    tx = sessions()
    connection = await _answering(tx)
    try:
        yield tx
        await tx.commit()
    except BaseException:
        await _abandon(tx, connection)
        raise
    await tx.close()


async def _answering(tx: Tx) -> asyncpg.Connection:
    """The connection of `tx`, which answers; those of the pool that do not are ended."""
    for left in reversed(range(TRIES_MAX)):
        connection = await raw(tx)
        watchdog = asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_S, connection.terminate)
        try:
            await connection.execute("SELECT")
        except _BROKEN:
            await _end(tx, connection)
            if not left:
                raise
        except BaseException:
            await _end(tx, connection)
            raise
        else:
            return connection
        finally:
            watchdog.cancel()
    raise AssertionError("the last try returns or raises")


async def _abandon(tx: Tx, connection: asyncpg.Connection) -> None:
    """Roll back, or have the server do so."""
    watchdog = asyncio.get_running_loop().call_later(ANSWER_TIMEOUT_S, connection.terminate)
    try:
        await tx.rollback()
        await tx.close()
    except _BROKEN:
        await _end(tx, connection)
    except BaseException:
        await _end(tx, connection)
        raise
    finally:
        watchdog.cancel()


async def _end(tx: Tx, connection: asyncpg.Connection) -> None:
    connection.terminate()
    await tx.invalidate()


async def enter(tx: Tx, tenant_id: int) -> None:
    """From here to its end this transaction sees the rows of `tenant_id`, and no others."""
    await _set_scope(tx, str(int(tenant_id)))


async def _set_scope(tx: Tx, value: str) -> None:
    await tx.execute(
        text("SELECT set_config(:name, :value, true)"), {"name": TENANT_SETTING, "value": value}
    )


async def raw(tx: Tx) -> asyncpg.Connection:
    """The asyncpg connection under `tx`, in the same transaction, for COPY."""
    connection = await tx.connection()
    return cast(asyncpg.Connection, (await connection.get_raw_connection()).driver_connection)


async def copy_rows(
    tx: Tx, table: str, columns: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """COPY `rows` into the temporary table `table`, which the caller created in this transaction.

    PostgreSQL refuses COPY FROM into a table under row-level security, so bulk goes by
    ``CREATE TEMP TABLE ... ON COMMIT DROP``, this, and ``INSERT ... SELECT``.
    """
    connection = await raw(tx)
    await connection.copy_records_to_table(
        table, schema_name="pg_temp", columns=list(columns), records=rows
    )


def engine(url: str, role: str | None, *, connections_max: int = 5) -> AsyncEngine:
    """An engine whose connections run as `role` from their first statement (None: the owner)."""

    async def creator() -> asyncpg.Connection:
        return await connect(url, role)

    return create_async_engine(
        "postgresql+asyncpg://",
        async_creator=creator,
        pool_size=connections_max,
        max_overflow=0,
        hide_parameters=True,  # an error that is logged must not tell a name or a sealed secret
    )


async def connect(url: str, role: str | None) -> asyncpg.Connection:
    """One connection as `role`, or as the owner of the schema if None.

    The role travels as a connection setting and not as a statement: so there is no moment
    before it, and RESET ROLE or RESET ALL comes back to it.

    Raises:
        CannotConnect: it is away, hangs, or refuses us.
    """
    settings = SETTINGS | {"application_name": f"turnpike {role or 'owner'}"}
    if role is not None:
        settings["role"] = role
    try:
        connection = await asyncpg.connect(
            plain(url), server_settings=settings, timeout=CONNECT_TIMEOUT_S
        )
    except TimeoutError:
        why = f"no answer within {CONNECT_TIMEOUT_S:g} s"
        raise CannotConnect(f"no connection to the database {place(url)}: {why}") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = f"{type(error).__name__}: {error}"
        raise CannotConnect(f"no connection to the database {place(url)}: {why}") from error
    # Nobody else gives access to the socket.
    one = connection._transport.get_extra_info("socket")  # None: it was ended meanwhile
    if one is not None and one.family in (socket.AF_INET, socket.AF_INET6):
        for option in _SOCKET_OPTIONS:
            one.setsockopt(*option)
    return connection


def plain(url: str) -> str:
    """`url` as libpq and asyncpg read it; SQLAlchemy's ``postgresql+asyncpg://`` is accepted."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", "postgresql+asyncpg"):
        raise ValueError("a database URL begins with postgresql://")
    return f"postgresql://{rest}"


def place(url: str) -> str:
    """Where a URL leads, for people: ``HOST:PORT/NAME``, without user and password."""
    parts = urlsplit(plain(url))
    if "@" in parts.path + parts.query + parts.fragment:  # of a password that is not escaped
        return "of its URL"
    host = parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [""])[0]
    return f"{host}{parts.path}"
