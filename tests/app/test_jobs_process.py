"""The jobs process: started like any child, and it tells what it does."""

import asyncio
import os
import sys
from pathlib import Path

from aaa.directory import is_filled
from app.paths import Paths
from core import status
from core.config import Settings
from core.db import Database
from core.jobs import defer
from core.jobs_status import JobsStatus
from core.keys import open_vault
from tests.conftest import execute
from tests.core.jobbing import rows, until

ROOT = Path(__file__).parents[2]


async def test_it_tells_what_waits_and_leaves_what_nobody_can_do_yet(
    fresh_database_url: str, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, database_url=fresh_database_url)
    paths = Paths(tmp_path)
    paths.status.mkdir()
    open_vault(settings.key_path)
    is_filled(paths.directory, map_size_octets=settings.directory.map_size_bytes)
    app = Database(fresh_database_url)
    async with app.transaction(1) as tx:
        await defer(tx, 1, "nobody-knows", {"subscriber_id": 7})
        await defer(tx, 1, "nobody-knows", {"subscriber_id": 8})
    await app.dispose()
    await execute(
        fresh_database_url, "UPDATE turnpike_jobs.pgqueuer SET status = 'failed' WHERE id = 1"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.children", "jobs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(settings.model_dump_json().encode() + b"\n")
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"

    def told() -> JobsStatus | None:
        return status.read(paths.status, "jobs", JobsStatus).get("jobs", (None, 0.0))[0]

    await until(lambda: (said := told()) is not None and said.held == 1)
    said = told()
    assert said is not None
    assert (said.connected, said.waiting, said.unhandled, said.done) == (True, 1, 1, 0)
    assert said.oldest_waiting_s == 0.0
    assert [job["status"] for job in await rows(fresh_database_url)] == ["failed", "queued"]
    schedules = await rows(
        fresh_database_url, "SELECT entrypoint FROM turnpike_jobs.pgqueuer_schedules"
    )
    assert {"entrypoint": "job-log"} in schedules
    process.terminate()
    async with asyncio.timeout(10):
        assert await process.wait() == 0
