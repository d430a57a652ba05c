"""The doors into a database of a test's own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from core.db import Database, NodeDatabase


@pytest_asyncio.fixture
async def app(fresh_database_url: str) -> AsyncIterator[Database]:
    database = Database(fresh_database_url)
    yield database
    await database.dispose()


@pytest_asyncio.fixture
async def node(fresh_database_url: str) -> AsyncIterator[NodeDatabase]:
    database = NodeDatabase(fresh_database_url)
    yield database
    await database.dispose()
