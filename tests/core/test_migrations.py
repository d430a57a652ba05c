"""The schema comes whole or not at all (fault O3)."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from core.db import APP_ROLE, NODE_ROLE, connect
from core.migrations import runner
from core.migrations.runner import CannotUpgrade, SchemaTooNew, SchemaTooOld, Status
from tests.conftest import beside, execute

ROOT = Path(__file__).parents[2]

# Runs the migrations in children of its own, each killed three statements later than the one
# before, until one comes through.  Prints the statement that the last one died at.
KILLED_AT_EVERY_TENTH_STATEMENT = """
import asyncio, os, signal, sys
from sqlalchemy import Engine, event
from core.migrations import runner
from tests.core.test_migrations import tables

def child(statements_left):
    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_):
        nonlocal statements_left
        statements_left -= 1
        if statements_left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
    asyncio.run(runner.upgrade(sys.argv[1]))
    os._exit(0)

for killed in range(0, 3000, 10):
    pid = os.fork()
    if pid == 0:
        child(killed)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0:
        break
    left = asyncio.run(tables(sys.argv[1]))
    assert left == [], (killed, left)
print(killed - 10)
"""


async def tables(url: str) -> list[str]:
    connection = await connect(url, None)
    rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    await connection.close()
    return [row["tablename"] for row in rows]


async def test_an_empty_database_is_brought_to_the_head_and_stays_there(
    empty_database_url: str,
) -> None:
    assert (await runner.status(empty_database_url)).current is None
    before = await runner.upgrade(empty_database_url)
    assert (before.current, before.is_current) == (None, False)
    now = await runner.status(empty_database_url)
    assert now.is_current
    runner.require_current(now)
    assert await runner.upgrade(empty_database_url) == now


async def test_two_nodes_that_start_at_once_migrate_once(empty_database_url: str) -> None:
    befores = await asyncio.gather(*(runner.upgrade(empty_database_url) for _ in range(4)))
    assert sorted(before.is_current for before in befores) == [False, True, True, True]


async def test_two_databases_of_one_server_migrate_at_once(
    cluster_url: str, empty_database_url: str
) -> None:
    """Roles belong to the server, so both try to make them."""
    await execute(cluster_url, "CREATE DATABASE turnpike_second")
    urls = [empty_database_url, beside(cluster_url, "turnpike_second")]
    upgrade = "import asyncio, sys; from core.migrations import runner; "
    upgrade += "asyncio.run(runner.upgrade(sys.argv[1]))"
    processes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", upgrade, url), env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        for url in urls
    ]
    assert await asyncio.gather(*(process.wait() for process in processes)) == [0, 0]
    for url in urls:
        assert (await runner.status(url)).is_current
    await execute(cluster_url, "DROP DATABASE turnpike_second WITH (FORCE)")


async def test_an_old_program_refuses_a_newer_schema_and_names_both(
    fresh_database_url: str,
) -> None:
    await execute(fresh_database_url, "UPDATE alembic_version SET version_num = '9999'")
    before = await tables(fresh_database_url)
    with pytest.raises(SchemaTooNew, match=r"9999.*0016"):
        await runner.upgrade(fresh_database_url)
    found = await runner.status(fresh_database_url)
    assert found == Status("9999", "0016", is_newer=True)
    with pytest.raises(SchemaTooNew):
        runner.require_current(found)
    assert await tables(fresh_database_url) == before


async def test_a_program_that_needs_a_newer_schema_names_the_command(
    empty_database_url: str,
) -> None:
    with pytest.raises(SchemaTooOld, match="turnpike db upgrade"):
        runner.require_current(await runner.status(empty_database_url))


@pytest.mark.slow
async def test_a_migration_killed_at_any_statement_leaves_the_old_schema(
    empty_database_url: str,
) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", KILLED_AT_EVERY_TENTH_STATEMENT, empty_database_url),
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    assert int(told) > 50, "the first migration alone has more statements than that"
    assert (await runner.status(empty_database_url)).is_current


async def test_a_migration_cut_off_by_the_server_leaves_the_old_schema(
    empty_database_url: str,
) -> None:
    owner = await connect(empty_database_url, None)
    # Holds the migration in its middle: the event trigger waits for this lock.
    await owner.execute(
        "SELECT pg_advisory_lock(1);"
        "CREATE FUNCTION wait() RETURNS event_trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_advisory_xact_lock(1); END $$;"
        "CREATE EVENT TRIGGER wait ON ddl_command_end WHEN TAG IN ('CREATE POLICY')"
        " EXECUTE FUNCTION wait()"
    )
    upgrading = asyncio.create_task(runner.upgrade(empty_database_url))
    waiting = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(500):
        if await owner.fetchval(waiting):
            break
        await asyncio.sleep(0.02)
    with pytest.raises(Exception, match=r"terminat|closed"):
        await upgrading
    await owner.execute("DROP EVENT TRIGGER wait; SELECT pg_advisory_unlock(1)")
    assert await tables(empty_database_url) == []
    await runner.upgrade(empty_database_url)
    await owner.close()


async def test_an_owner_that_is_no_superuser_is_enough(virgin_cluster_url: str) -> None:
    url = await owned_by(virgin_cluster_url, "plain_owner", "CREATEROLE")
    await runner.upgrade(url)
    for role in (APP_ROLE, NODE_ROLE):
        connection = await connect(url, role)
        assert await connection.fetchval("SELECT session_user") == "plain_owner"
        await connection.close()


async def test_an_owner_that_may_not_make_the_roles_is_told_what_to_ask_for(
    virgin_cluster_url: str,
) -> None:
    url = await owned_by(virgin_cluster_url, "poor_owner", "NOCREATEROLE")
    with pytest.raises(CannotUpgrade) as refusal:
        await runner.upgrade(url)
    assert await tables(virgin_cluster_url) == []
    for role in (APP_ROLE, NODE_ROLE):
        assert f"CREATE ROLE {APP_ROLE} NOLOGIN; GRANT {APP_ROLE} TO poor_owner" in str(
            refusal.value
        )
        await execute(virgin_cluster_url, f"CREATE ROLE {role} NOLOGIN")
    with pytest.raises(CannotUpgrade, match="GRANT turnpike_app TO poor_owner"):
        await runner.upgrade(url)
    await execute(virgin_cluster_url, f"GRANT {APP_ROLE}, {NODE_ROLE} TO poor_owner")
    await runner.upgrade(url)


async def owned_by(url: str, name: str, options: str) -> str:
    await execute(url, f"CREATE ROLE {name} LOGIN {options}")
    await execute(url, f"ALTER DATABASE turnpike OWNER TO {name}")
    return url.replace("://turnpike@", f"://{name}@")
