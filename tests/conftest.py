"""A real PostgreSQL for every test that asks for one, and nothing left behind.

`database` is for most tests: what they commit is undone when they end.
`fresh_database_url` is a database of the test's own, for several connections, the node's
role, LISTEN or plain SQL.  Both come from a template that is migrated once a run.
"""

import asyncio
import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from core import tenancy
from core.db import APP_ROLE, Database, connect, engine
from core.migrations import runner
from core.postgres import Cluster
from tests.serving import ISP, Turnpike, turnpike_process

TEMPLATE = "turnpike_template"
SHARED = "turnpike_shared"


@pytest.fixture(scope="session")
def cluster_url() -> Iterator[str]:
    """A cluster of this run alone."""
    with own_cluster() as url:
        yield url


@pytest.fixture
def virgin_cluster_url() -> Iterator[str]:
    """A cluster of this test's own, where no migration has been: not even the roles exist."""
    with own_cluster() as url:
        yield url


@contextmanager
def own_cluster() -> Iterator[str]:
    """TURNPIKE_TEST_BIN_DIR chooses the PostgreSQL."""
    # Not under pytest's own directory: that is closed to the user PostgreSQL runs as.
    directory = Path(tempfile.mkdtemp(prefix="turnpike-test-"))
    chosen = os.environ.get("TURNPIKE_TEST_BIN_DIR")
    cluster = Cluster(directory, bin_dir=Path(chosen) if chosen else None, durable=False)
    try:
        yield cluster.start()
    finally:
        cluster.stop()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def isp() -> Iterator[Turnpike]:
    """Turnpike, serving `ISP` of tests/serving.py: one for all tests that ask.

    They may add names of their own, and must leave what is there and the processes alone.
    Rejects are delayed by a tenth of a second, so that many of them can be awaited, and many
    wrong passwords are no reason to lock alice out: she is everybody's.
    """
    with turnpike_process(
        ISP, RADIUS__REJECT_DELAY_S="0.1", POLICY__GUESSES_MAX="10000"
    ) as turnpike:
        yield turnpike


@pytest.fixture(scope="session")
def template_url(cluster_url: str) -> str:
    """A migrated database with the tenant demo-isp in it.  Nobody stays connected to it."""

    async def make() -> str:
        await execute(cluster_url, f"CREATE DATABASE {TEMPLATE}")
        url = beside(cluster_url, TEMPLATE)
        await runner.upgrade(url)
        database = Database(url)
        async with database.lobby() as tx:
            await tenancy.found(tx, "demo-isp", "Demo ISP")
        await database.dispose()
        await execute(cluster_url, f"CREATE DATABASE {SHARED} TEMPLATE {TEMPLATE}")
        return url

    return asyncio.run(make())


@pytest_asyncio.fixture
async def database(template_url: str) -> AsyncIterator[Database]:
    """A database whose commits are undone when the test ends; the application's role."""
    one = engine(beside(template_url, SHARED), APP_ROLE, connections_max=1)
    async with one.connect() as connection:
        outer = await connection.begin()
        yield Undone(
            async_sessionmaker(
                bind=connection,
                expire_on_commit=False,
                join_transaction_mode="create_savepoint",
            )
        )
        await outer.rollback()
    await one.dispose()


@pytest_asyncio.fixture
async def tenant_id(database: Database) -> int:
    """The tenant demo-isp, in `database`; the same id in every fresh database."""
    async with database.lobby() as tx:
        found = await tenancy.find(tx, "demo-isp")
    assert found is not None
    return found


@pytest_asyncio.fixture
async def fresh_database_url(template_url: str) -> AsyncIterator[str]:
    """A migrated database of this test's own, with the tenant demo-isp."""
    async with own_database(template_url, f"TEMPLATE {TEMPLATE}") as url:
        yield url


@pytest_asyncio.fixture
async def another_database_url(template_url: str) -> AsyncIterator[str]:
    """A second one."""
    async with own_database(template_url, f"TEMPLATE {TEMPLATE}") as url:
        yield url


@pytest_asyncio.fixture
async def empty_database_url(cluster_url: str) -> AsyncIterator[str]:
    """A database without any schema, for tests of the migrations."""
    async with own_database(cluster_url) as url:
        yield url


@asynccontextmanager
async def own_database(url: str, options: str = "") -> AsyncIterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    await execute(beside(url, "postgres"), f"CREATE DATABASE {name} {options}")
    yield beside(url, name)
    await execute(beside(url, "postgres"), f"DROP DATABASE {name} WITH (FORCE)")


class Undone(Database):
    """The same doors, on one connection inside a transaction of the test's own."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession]) -> None:
        self._sessions = sessions


def beside(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    head, _, query = url.partition("?")
    return f"{head.rpartition('/')[0]}/{name}?{query}"


async def execute(url: str, statement: str) -> None:
    """One statement as the owner, outside any transaction."""
    connection = await connect(url, None)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
