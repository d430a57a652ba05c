"""Models and migrations tell the same story."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, PrimaryKeyConstraint

from app.metadata import metadata
from core.db import engine


async def test_models_and_schema_agree(fresh_database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, metadata))

    owner = engine(fresh_database_url, None)
    async with owner.connect() as connection:
        assert await connection.run_sync(differences) == []
    await owner.dispose()


async def test_a_constraint_of_the_models_is_one_of_the_schema(fresh_database_url: str) -> None:
    """Alembic compares no CHECK constraints; their names are compared here."""
    wanted = {
        constraint.name
        for table in metadata.tables.values()
        for constraint in table.constraints
        # SQLAlchemy keeps an empty one for a table without a key.
        if constraint.name is not None
        and not (isinstance(constraint, PrimaryKeyConstraint) and not constraint.columns)
    }
    owner = engine(fresh_database_url, None)
    async with owner.connect() as connection:
        found = await connection.exec_driver_sql(
            "SELECT conname FROM pg_constraint WHERE connamespace = 'public'::regnamespace"
            " AND contype IN ('c', 'f', 'p', 'u', 'x') AND conrelid <> 'alembic_version'::regclass"
        )
        assert set(found.scalars()) == wanted
    await owner.dispose()
