"""pgqueuer's tables are made by our migrations: are they what the version in use would make?"""

import os
import subprocess
import sys

import asyncpg

from core.db import connect
from core.jobs_door import SETTINGS, queries

IN_OUR_SCHEMA = "turnpike_jobs"
OURS = {"tenant_id", "ix_pgqueuer_tenant_id_id", "ix_pgqueuer_held", "fk_pgqueuer_tenant_id"}

CATALOGUE = {
    "columns": """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull,
            a.attidentity, a.attgenerated, pg_get_expr(d.adbin, d.adrelid) AS value,
            c.relpersistence
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND a.attname <> ALL($2)
        ORDER BY 1, a.attnum""",
    "indexes": """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = $1 AND indexname <> ALL($2) ORDER BY 1""",
    "constraints": """
        SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = $1::regnamespace AND conname <> ALL($2) AND contype <> 'n'
        ORDER BY 1""",
    "triggers": """
        SELECT tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
        WHERE relnamespace = $1::regnamespace AND NOT tgisinternal AND tgname <> ALL($2)
        ORDER BY 1""",
    "functions": """
        SELECT proname, pg_get_functiondef(oid) FROM pg_proc
        WHERE pronamespace = $1::regnamespace AND proname <> ALL($2) ORDER BY 1""",
    "labels": """
        SELECT typname, enumlabel FROM pg_enum JOIN pg_type t ON t.oid = enumtypid
        WHERE typnamespace = $1::regnamespace AND typname <> ALL($2) ORDER BY 1, enumsortorder""",
}


async def catalogue(connection: asyncpg.Connection) -> dict[str, list[tuple[object, ...]]]:
    return {
        name: [tuple(row) for row in await connection.fetch(query, IN_OUR_SCHEMA, sorted(OURS))]
        for name, query in CATALOGUE.items()
    }


async def test_our_migrations_make_what_pgqueuer_would(
    fresh_database_url: str, empty_database_url: str
) -> None:
    """It fails when pgqueuer is upgraded and its tables differ: write a migration that follows."""
    ours = await connect(fresh_database_url, None)
    theirs = await connect(empty_database_url, None)
    try:
        await queries(theirs).install()
        wanted = await catalogue(theirs)
        assert {name: len(rows) > 0 for name, rows in wanted.items()} == dict.fromkeys(wanted, True)
        assert await catalogue(ours) == wanted
        assert list((await queries(ours).plan_upgrade()).statements) == []
    finally:
        await ours.close()
        await theirs.close()


def test_the_environment_names_no_table_and_no_channel() -> None:
    """pgqueuer listens to variables as plain as CHANNEL, which may mean something else here."""
    program = "from core.jobs_door import SETTINGS; print(SETTINGS.model_dump_json())"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ
        | {
            "CHANNEL": "elsewhere",
            "QUEUE_TABLE": "x",
            "PGQUEUER_PREFIX": "y_",
            "DURABILITY": "volatile",
        },
        capture_output=True,
        check=True,
        text=True,
    )
    assert told.stdout.strip() == SETTINGS.model_dump_json()
