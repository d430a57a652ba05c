"""What it costs to count a record: one ingest and its PostgreSQL, with nobody beside them.

    python -m bench.ingest --records 200000 --rounds 3

Segments are written beforehand, and the first records of every session are counted before
the measuring begins, so that what is measured is the ordinary mix: a tenth Starts, a tenth
Stops, the rest Interims of open sessions.  Prints records a second and, which is what to
judge by on a machine that others use, microseconds of CPU a record of this process and of
PostgreSQL.  `--profile` says where the first goes, `--explain` the second.
"""

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from aaa.owners import owners
from accounting import partitions
from accounting.drain import RECORDS_MAX, Drain
from accounting.ingest import Ingest
from accounting.records import NasView
from accounting.segment import SegmentWriter
from accounting.spool import Record
from bench import processes
from bench.accounting_packets import STEPS, Stream, whole
from bench.population import SECRET, subscriber
from core.clock import Clock
from core.db import NodeDatabase, connect
from core.migrations import runner
from core.postgres import Cluster
from core.radius.authenticity import SharedSecret
from core.radius.types import ACCOUNTING_REQUEST

SESSIONS = 20_480
NASES = 300
SEGMENT_RECORDS = 50_000
AT_ONCE = 256  # a commit of the spool
TENANT = 1

_EXPLAIN = """
LOAD 'auto_explain';
ALTER SYSTEM SET session_preload_libraries = 'auto_explain';
ALTER SYSTEM SET auto_explain.log_min_duration = '0';
ALTER SYSTEM SET auto_explain.log_analyze = on;
ALTER SYSTEM SET auto_explain.log_buffers = on;
ALTER SYSTEM SET auto_explain.log_triggers = on;
ALTER SYSTEM SET auto_explain.log_wal = on;
SELECT pg_reload_conf()
"""
_TABLES = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd,
       pg_size_pretty(pg_total_relation_size(relid)) AS size
  FROM pg_stat_user_tables WHERE n_tup_ins + n_tup_upd > 0 ORDER BY n_tup_ins + n_tup_upd DESC
"""
_INDEXES = """
SELECT indexrelname, pg_size_pretty(pg_relation_size(indexrelid)) AS size, idx_scan
  FROM pg_stat_user_indexes WHERE pg_relation_size(indexrelid) > 1000000
 ORDER BY pg_relation_size(indexrelid) DESC
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a number of records took."""

    records: int
    batches: int
    seconds: float
    process_s: float
    postgres_s: float
    wal_octets: int

    def __str__(self) -> str:
        def each_us(seconds: float) -> float:
            return seconds / self.records * 1e6

        return (
            f"{self.records / self.seconds:8.0f} records/s"
            f"  us of CPU each: ingest {each_us(self.process_s):5.1f}"
            f"  PostgreSQL {each_us(self.postgres_s):5.1f}"
            f"  both {each_us(self.process_s + self.postgres_s):5.1f}"
            f"  records a batch {self.records / max(self.batches, 1):6.0f}"
            f"  WAL {self.wal_octets / self.records:5.0f} octets each"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--records", type=int, default=200_000, help="of each round")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--batch", type=int, default=RECORDS_MAX)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    parser.add_argument("--profile", action="store_true", help="with cProfile, which slows it")
    parser.add_argument("--explain", type=Path, help="PostgreSQL's log, with plans, goes there")
    parser.add_argument("--sql", default="", help="run as the owner beforehand, to try a setting")
    parser.add_argument("--tables", action="store_true", help="what the tables came to")
    arguments = parser.parse_args()
    with _directory(arguments.directory) as root:
        cluster = Cluster(root / "cluster")
        try:
            url = cluster.start()
            asyncio.run(_run(root, url, arguments))
        finally:
            cluster.stop()
            if arguments.explain:
                shutil.copy(root / "cluster/postgres.log", arguments.explain)


@contextmanager
def _directory(parent: Path | None) -> Iterator[Path]:
    root = Path(tempfile.mkdtemp(prefix="turnpike-ingest-", dir=parent))
    root.chmod(0o711)  # PostgreSQL runs as another user and passes through
    try:
        yield root
    finally:
        shutil.rmtree(root)


async def _run(root: Path, url: str, arguments: argparse.Namespace) -> None:
    count = whole(arguments.records)
    warm = 2 * SESSIONS
    turns = (warm + arguments.rounds * count) / SESSIONS + STEPS
    stream = Stream(SESSIONS, 0, int(time.time() - turns * 300))
    await _prepare(url, stream.subscribers)
    await _told(url, arguments.sql)
    if arguments.explain:
        await _told(url, _EXPLAIN)
    postmaster = int((root / "cluster/data/postmaster.pid").read_text().split("\n", 1)[0])
    views = {nas: NasView(nas, TENANT, sends_gigawords=True) for nas in range(1, NASES + 1)}
    async with _draining(root / "spool", url, views, arguments.batch) as drain:
        _spool(root / "spool", stream, 0, warm)
        await _drained(drain)
        gc.collect()
        gc.disable()  # as in the process of ingest
        for round_ in range(arguments.rounds):
            _spool(root / "spool", stream, warm + round_ * count, count)
            print(await _measured(drain, url, postmaster, arguments.profile), flush=True)
    private = processes.private_octets(os.getpid())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"private memory {private / 2**20:.0f} MiB, resident at most {peak / 1024:.0f} MiB")
    if arguments.tables:
        await _show(url)


async def _measured(drain: Drain, url: str, postmaster: int, profile: bool) -> Cost:
    progress = drain.progress
    records, batches = progress.records, progress.batches
    wal = await _value(url, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
    profiler = cProfile.Profile()
    postgres_s = processes.cpu([postmaster]).postgres_s
    process_s, began_at = time.process_time(), time.monotonic()
    if profile:
        profiler.enable()
    await _drained(drain)
    profiler.disable()
    seconds = time.monotonic() - began_at
    cost = Cost(
        progress.records - records,
        progress.batches - batches,
        seconds,
        time.process_time() - process_s,
        processes.cpu([postmaster]).postgres_s - postgres_s,
        await _value(url, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint") - wal,
    )
    if profile:
        pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(45)
    return cost


async def _drained(drain: Drain) -> None:
    while await drain.step():
        pass


@asynccontextmanager
async def _draining(
    spool: Path, url: str, views: dict[int, NasView], batch: int
) -> AsyncIterator[Drain]:
    database = NodeDatabase(url)
    try:
        ingest = Ingest("bench", owners=owners)
        yield Drain(spool, database, ingest, Clock(), views=lambda: views, records_max=batch)
    finally:
        await database.dispose()


def _spool(spool: Path, stream: Stream, first: int, count: int) -> None:
    """Segments of the records, as a worker leaves them."""
    directory = spool / "0"
    directory.mkdir(parents=True, exist_ok=True)
    shared = SharedSecret(SECRET.encode())
    now_s = time.time()
    for begin in range(first, first + count, SEGMENT_RECORDS):
        end = min(begin + SEGMENT_RECORDS, first + count)
        writer = SegmentWriter(directory, "0", now_s=time.time(), now_monotonic=0.0)
        for at in range(begin, end, AT_ONCE):
            writer.append(
                [_record(shared, stream, n, now_s) for n in range(at, min(at + AT_ONCE, end))]
            )
            writer.tidy()
        writer.seal()


def _record(shared: SharedSecret, stream: Stream, n: int, now_s: float) -> Record:
    attributes = stream.record(n)
    packet = shared.request(ACCOUNTING_REQUEST, n % 256, attributes)
    # The box is told by the session, of which the last octets of NAS-Port are the number.
    at = attributes.index(b"\x05\x06\x0f") + 2
    nas = int.from_bytes(attributes[at + 1 : at + 4], "big") % NASES + 1
    return Record(now_s, TENANT, nas, f"192.0.2.{nas % 256}", 1646, packet)


async def _prepare(url: str, people: int) -> None:
    await runner.upgrade(url)
    owner = await connect(url, None)
    try:
        await owner.execute("INSERT INTO tenant (code, name) VALUES ('bench', 'Bench')")
        await owner.execute(
            "INSERT INTO subscriber (tenant_id, username) SELECT $1, unnest($2::text[])",
            TENANT,
            [subscriber(number).name for number in range(people)],
        )
        await partitions.keep_up(owner, Clock().now(), 30)
    finally:
        await owner.close()


async def _show(url: str) -> None:
    for query in (_TABLES, _INDEXES):
        for row in await _rows(url, query):
            print("  ".join(f"{name} {value}" for name, value in row.items()))


async def _told(url: str, statements: str) -> None:
    """One by one, since ALTER SYSTEM refuses a transaction."""
    owner = await connect(url, None)
    try:
        for statement in filter(str.strip, statements.split(";")):
            await owner.execute(statement)
    finally:
        await owner.close()


async def _rows(url: str, query: str) -> list[asyncpg.Record]:
    owner = await connect(url, None)
    try:
        await asyncio.sleep(1.1)  # statistics come late
        found: list[asyncpg.Record] = await owner.fetch(query)
        return found
    finally:
        await owner.close()


async def _value(url: str, query: str) -> int:
    owner = await connect(url, None)
    try:
        found: int = await owner.fetchval(query)
        return found
    finally:
        await owner.close()


if __name__ == "__main__":
    main()
