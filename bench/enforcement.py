"""How long it takes to compare every live session with what it should have.

    python -m bench.enforcement

A real PostgreSQL with 50 000 open sessions of as many subscribers at twenty NASes, a directory
filled by the replicator, and the pass of the jobs process: first when nothing differs, then
when every tenth plan was changed behind its back.  Nothing is sent; sending has its own pace.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from aaa.directory import Directory, DirectoryWriter, open_environment
from aaa.enforcement_judge import Judge
from aaa.enforcement_pass import Pass
from aaa.enforcement_print import print_of
from aaa.enforcement_rows import Rows
from aaa.enforcement_view import View
from aaa.rendering import Renderer
from aaa.replicator import Replicator
from core import tenancy
from core.clock import Clock
from core.db import Database, NodeDatabase, connect
from core.migrations import runner
from core.postgres import Cluster
from dictionaries import loader
from nas_adapters.profile import ServiceProfile

SESSIONS = 50_000
NASES = 20
PLANS = 20
FIGURE_S = 10.0
MAP_OCTETS = 1 << 30
LOOK_S = 0.002

_FILL = (
    "INSERT INTO profile (tenant_id, code, download_bps, upload_bps)"
    " SELECT $1, 'plan-' || n, 50000000, 20000000 FROM generate_series(1, $2) AS n",
    "INSERT INTO nas (tenant_id, name, address, secret_sealed, vendor)"
    " SELECT $1, 'bras-' || n, ('10.0.0.' || n)::cidr, 'x', 'mikrotik'"
    " FROM generate_series(1, $2) AS n",
    "INSERT INTO subscriber (tenant_id, username)"
    " SELECT $1, 'pppoe-' || n FROM generate_series(1, $2) AS n",
    "INSERT INTO entitlement (subscriber_id, tenant_id, profile_id)"
    " SELECT s.id, $1, p.low + s.id % $2"
    " FROM subscriber AS s, (SELECT min(id) AS low FROM profile) AS p",
)
_SESSIONS = """
INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce, generation,
    subscriber_id, username, calling_station, mac, circuit_id, nas_identifier, nas_address,
    nas_port_id, multi_session_id, started_at, last_seen_at, terminate_cause, closed_by,
    session_time_s, input_octets, output_octets, confidence)
SELECT $1, n.low + s.id % $2, '', to_hex(s.id), lpad(to_hex(s.id), 10, '0') || $3, 0, s.id,
    s.username, '', '', '', '', '', '', '', now(), now(), 0, '', 0, 0, 0, 0
  FROM subscriber AS s, (SELECT min(id) AS low FROM nas) AS n
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one pass."""

    sessions: int
    differing: int
    seconds: float
    held_up_s: float  # the longest that others waited for the loop


async def measure(url: str, directory: Path, sessions: int) -> list[Measured]:
    """On an empty database."""
    await runner.upgrade(url)
    app = Database(url)
    async with app.lobby() as tx:
        tenant_id = await tenancy.found(tx, "isp", "ISP")
    await app.dispose()
    sql = await connect(url, None)
    for statement, number in zip(_FILL, (PLANS, NASES, sessions, PLANS), strict=True):
        await sql.execute(statement, tenant_id, number)
    given = ServiceProfile(download_bps=50_000_000, upload_bps=20_000_000)
    await sql.execute(_SESSIONS, tenant_id, NASES, print_of(given, "plan"))
    await sql.execute("ANALYZE")
    node, clock, dictionary = NodeDatabase(url, connections_max=5), Clock(), loader.load()
    environment = open_environment(directory, map_size_octets=MAP_OCTETS, readonly=False)
    replicator = Replicator(node, DirectoryWriter(environment), dictionary, clock)
    await replicator.catch_up()
    rows = Rows(node)
    view = View(Directory(environment), Renderer(dictionary, ServiceProfile()))
    whole = Pass(rows, Judge(rows, view, node, dictionary, clock), view, clock)
    found = [await _pass(whole)]
    await sql.execute("UPDATE profile SET download_bps = 30000000 WHERE id % 10 = 0")
    await replicator.catch_up()
    found.append(await _pass(whole))
    await sql.close()
    await node.dispose()
    environment.close()
    return found


async def _pass(whole: Pass) -> Measured:
    held_up_s = 0.0

    async def watch() -> None:
        nonlocal held_up_s
        while True:
            before = monotonic()
            await asyncio.sleep(LOOK_S)
            held_up_s = max(held_up_s, monotonic() - before - LOOK_S)

    watching = asyncio.create_task(watch())
    await whole.run()
    watching.cancel()
    return Measured(whole.sessions, whole.differing, whole.took_s, held_up_s)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    sessions = parser.parse_args().sessions
    directory = Path(tempfile.mkdtemp(prefix="turnpike-bench-"))
    directory.chmod(0o755)  # the server may run as somebody else
    cluster = Cluster(directory / "postgres")
    try:
        found = asyncio.run(measure(cluster.start(), directory / "directory", sessions))
    finally:
        cluster.stop()
        shutil.rmtree(directory)
    for one in found:
        sys.stdout.write(
            f"{one.sessions} sessions, {one.differing} differ: {one.seconds:.2f} s,"
            f" others waited at most {one.held_up_s * 1000:.0f} ms\n"
        )
    return int(max(one.seconds for one in found) > FIGURE_S)


if __name__ == "__main__":
    sys.exit(main())
