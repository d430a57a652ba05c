"""The ingest process: started like any child, killed like any other."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from accounting.status import IngestStatus
from app.paths import Paths
from core import status
from core.config import Settings
from tests.accounting.ingesting import (
    NAS,
    NOON_S,
    START,
    STOP,
    TENANT,
    packet,
    rows,
    segment_of,
    spooled,
    until,
)
from tests.conftest import execute

ROOT = Path(__file__).parents[2]
MB = 1_000_000


async def started(settings: Settings) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app.children", "ingest"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(settings.model_dump_json().encode() + b"\n")
    async with asyncio.timeout(30):
        assert await process.stdout.readline() == b"ready\n"
    return process


async def test_killed_at_any_moment_it_counts_all_of_it_once(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """Faults D1 and D8, of ingest."""
    settings = Settings(data_dir=tmp_path, database_url=fresh_database_url)
    paths = Paths(tmp_path)
    paths.status.mkdir()
    for status_type, at_s in ((START, 0), (STOP, 600)):
        for part in range(8):
            segment_of(
                paths.spool,
                [
                    spooled(
                        packet(status_type, at_s, at_s, (0, at_s * MB), sid=f"s{n}", station=b""),
                        at_s,
                    )
                    for n in range(part * 500, part * 500 + 500)
                ],
            )
    for _ in range(3):
        process = await started(settings)
        await asyncio.sleep(0.15)
        process.kill()
        await process.wait()
    process = await started(settings)

    async def is_drained() -> bool:
        found = status.read(paths.status, "ingest", IngestStatus)
        return not list(paths.spool.rglob("*.segment")) and found["ingest"][0].drained_at > 0

    await until(is_drained, 60)
    process.terminate()
    assert await process.wait() == 0
    sessions = await rows(
        fresh_database_url,
        "SELECT count(*), sum(output_octets) AS o, min(closed_by) AS c FROM session",
    )
    assert sessions == [{"count": 4000, "o": 4000 * 600 * MB, "c": "stop"}]
    [usage] = await rows(fresh_database_url, "SELECT sum(output_octets) AS o FROM usage")
    assert usage["o"] == 4000 * 600 * MB
    assert await rows(fresh_database_url, "SELECT count(*) FROM accounting_record") == [
        {"count": 8000}
    ]
    days = await rows(
        fresh_database_url,
        "SELECT count(*) FROM pg_inherits WHERE inhparent = 'accounting_record'::regclass",
    )
    assert days == [{"count": 12}]  # three days back, today, seven ahead, and the default
    name = paths.node_name.read_text().strip()
    assert await rows(fresh_database_url, "SELECT DISTINCT node FROM spool_position") == [
        {"node": name}
    ]


@pytest.mark.slow
async def test_what_waits_is_told_though_the_database_is_away_from_the_start(
    tmp_path: Path,
) -> None:
    """Fault O4: nobody has heard of the settings of any NAS, and the alarm must come."""
    settings = Settings(data_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none")
    paths = Paths(tmp_path)
    paths.status.mkdir()
    segment_of(paths.spool, [spooled(packet(START, 0), 0)])
    process = await started(settings)

    async def is_told() -> bool:
        found = status.read(paths.status, "ingest", IngestStatus).get("ingest")
        return found is not None and (found[0].waiting, found[0].oldest_undrained_at) == (1, NOON_S)

    await until(is_told, 20)
    process.terminate()
    assert await process.wait() == 0


@pytest.mark.slow
async def test_nothing_is_counted_before_the_settings_of_its_nas_are_read(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """The spool is full when it starts, and the NAS counts from the other side."""
    await execute(
        fresh_database_url,
        "INSERT INTO nas (id, tenant_id, name, address, secret_sealed, swap_octets)"
        f" VALUES ({NAS}, {TENANT}, 'bras-1', '192.0.2.1/32', 'x', true)",
    )
    settings = Settings(data_dir=tmp_path, database_url=fresh_database_url)
    paths = Paths(tmp_path)
    paths.status.mkdir()
    segment_of(paths.spool, [spooled(packet(STOP, 600, 600, (600 * MB, 5 * 2**30)), 600)])
    process = await started(settings)

    async def is_learned() -> bool:
        [nas] = await rows(fresh_database_url, "SELECT sends_gigawords FROM nas")
        return bool(nas["sends_gigawords"])

    await until(is_learned, 30)
    process.terminate()
    assert await process.wait() == 0
    assert await rows(
        fresh_database_url, "SELECT input_octets, output_octets, closed_by FROM session"
    ) == [{"input_octets": 5 * 2**30, "output_octets": 600 * MB, "closed_by": "stop"}]
