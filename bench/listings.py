"""What people's questions cost PostgreSQL at millions of sessions and 24 months of usage.

    python -m bench.listings --sessions 10000000 --append

Fills a private cluster in a directory of its own, asks each question as the panel and the
command line do (the application's role, under row-level security), and tells the plan's
time (the median of several, after one that warms the caches), its buffers and its indexes.
With --append the section goes to the end of bench/RESULTS.md.  Ends with status 1 if one
takes longer than it may or reads a whole table.
"""

import argparse
import asyncio
import json
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import Connection

from accounting import listing, usage_days, usage_report, who_had
from accounting.listing import Wanted
from accounting.usage_report import By
from bench import report, tables
from core import tenancy
from core.db import APP_ROLE, Database, NodeDatabase, Tx, connect
from core.migrations import runner
from core.postgres import Cluster

ALLOWED_MS = 50.0
REPETITIONS = 5
RESULTS = Path(__file__).parent / "RESULTS.md"
DAYS = 730
ROWS_AN_HOUR = 800
HOUR = timedelta(hours=1)
END = datetime(2025, 12, 1, tzinfo=UTC)
NASES = 100
SESSIONS_A_SUBSCRIBER = 100
HOTSPOT = "192.168.88.10"  # behind a NAT at every site: one session in a hundred has it

# A session begins every so often, evenly over the days.  A subscriber's sessions lie end to
# end, and the last is open.  Numbered as ingest would, in order of beginning.
_SESSIONS = """
INSERT INTO session (id, tenant_id, nas_id, nas_reported, acct_session_id, class_nonce, generation,
    subscriber_id, username, calling_station, mac, circuit_id, nas_identifier, nas_address,
    nas_port, nas_port_id, framed_ip, framed_ipv6, delegated_ipv6, multi_session_id, started_at,
    last_seen_at, stopped_at, terminate_cause, closed_by, session_time_s, input_octets,
    output_octets, confidence)
SELECT i, 1, i * 31 % {nases} + 1, 'bras', 's' || i, '', 0, who, 'user-' || who, 'c' || who, '',
    '', 'bras', '192.0.2.1', who, '',
    CASE WHEN i % 100 = 0 THEN '{hotspot}'::inet ELSE '100.64.0.0'::inet + who END,
    ('2001:db8:' || to_hex(who / 65536) || ':' || to_hex(who % 65536) || '::/64')::inet,
    ('2001:db9:' || to_hex(who / 256) || ':' || to_hex(who % 256 * 256) || '::/56')::inet, '',
    began, ended, CASE WHEN is_open THEN NULL ELSE ended END,
    CASE WHEN is_open THEN 0 ELSE 1 END, CASE WHEN is_open THEN '' ELSE 'stop' END,
    3600, i, i, 0
FROM (
    SELECT i, i * 7919 % {subscribers} AS who, i > {sessions} - {subscribers} AS is_open,
        {end} - ({sessions} - i + 1) * {step} AS began,
        least({end}, {end} - ({sessions} - i + 1 - {subscribers}) * {step}
            - interval '1 second') AS ended
    FROM generate_series(1, {sessions}::bigint) AS i
) AS planned
"""

# Each hour: a row of subscriber 1, sixteen of subscriber 2 (an Interim every five minutes, each
# counted in a transaction of its own, a third of them across the end of a quarter), and those
# of others.
_USAGE = """
INSERT INTO usage (tenant_id, subscriber_id, session_id, begins_at, recorded_at, input_octets,
    output_octets, session_time_s, confidence)
SELECT 1,
    CASE WHEN n = 1 AND q % 4 = 0 THEN 1 WHEN n % {stride} = 0 THEN 2
        ELSE 3 + (q * 97 + n) % 10000 END,
    1, {end} - q * interval '15 minutes', {end} - (q - 1) * interval '15 minutes',
    1000000, 20000000, 300, 0
FROM generate_series({hours} * 4, {until} * 4 + 1, -1) AS q,
    LATERAL generate_series(1, {rows} / 4 + 0 * q) AS n -- in this order, and not sorted
"""

# A tenant of few sessions, and all of them old.
_SMALL_TENANT = """
INSERT INTO session (id, tenant_id, nas_id, nas_reported, acct_session_id, class_nonce, generation,
    username, calling_station, mac, circuit_id, nas_identifier, nas_address, nas_port_id,
    multi_session_id, started_at, last_seen_at, stopped_at, terminate_cause, closed_by,
    session_time_s, input_octets, output_octets, confidence)
SELECT -id, 2, nas_id, nas_reported, acct_session_id, class_nonce, generation, username,
    calling_station, mac, circuit_id, nas_identifier, nas_address, nas_port_id, multi_session_id,
    started_at, last_seen_at, stopped_at, terminate_cause, closed_by, session_time_s,
    input_octets, output_octets, confidence
FROM session WHERE id BETWEEN 1 AND 10
"""


@dataclass(frozen=True, slots=True)
class Summed:
    """What it took to bring days up to date from nothing."""

    rows: int
    took_s: float
    longest_pass_s: float
    longest_lock_s: float


async def populate(url: str, sessions: int) -> None:
    """Fill the table of sessions of the first tenant."""
    step = f"interval '{timedelta(days=DAYS) / sessions / timedelta(seconds=1)} seconds'"
    statement = _SESSIONS.format(
        sessions=sessions,
        subscribers=subscribers_of(sessions),
        nases=NASES,
        hotspot=HOTSPOT,
        step=step,
        end=_moment(END),
    )
    await _fill(url, "session", statement, _SMALL_TENANT)


def subscribers_of(sessions: int) -> int:
    """How many there are: a number that 7919 has no part with, so that they take turns."""
    return sessions // SESSIONS_A_SUBSCRIBER | 1


async def populate_usage(
    url: str, *, hours: int = DAYS * 24, until: int = 0, rows_an_hour: int = ROWS_AN_HOUR
) -> None:
    """Fill the usage of the last `hours` before `END`, without the last `until` of them."""
    stride = max(rows_an_hour // 16, 1)
    statement = _USAGE.format(
        hours=hours, until=until, rows=rows_an_hour, stride=stride, end=_moment(END)
    )
    await _fill(url, "usage", statement)


async def sum_usage(url: str) -> Summed:
    """The days of all but the last hour, as a node's upkeep makes them."""
    await populate_usage(url, until=1)
    node = NodeDatabase(url)
    passes: list[float] = []
    waited: list[float] = []
    more = True
    while more:
        began = time.monotonic()
        async with node.transaction() as tx:
            settled = await usage_days.settle(tx)
        waited.append(time.monotonic() - began)
        async with node.transaction() as tx:
            more = await usage_days.sum_next(tx, settled)
        passes.append(time.monotonic() - began)
    await node.dispose()
    owner = await connect(url, None)
    rows = await owner.fetchval("SELECT count(*) FROM usage")
    # The rows of the last hour are to be what came after the pass.
    await owner.execute(
        _USAGE.format(
            hours=1, until=0, rows=ROWS_AN_HOUR, stride=ROWS_AN_HOUR // 16, end=_moment(END)
        )
    )
    await owner.execute(f"UPDATE usage_summed SET settled_at = {_moment(END - HOUR)}")
    await owner.execute("VACUUM ANALYZE usage")
    await owner.execute("VACUUM ANALYZE usage_day")
    await owner.close()
    return Summed(rows, sum(passes), max(passes), max(waited))


async def _fill(url: str, table: str, *statements: str) -> None:
    """Indexes are made afterwards, which takes a third of the time."""
    owner = await connect(url, None)
    try:
        indexes = await owner.fetch(
            "SELECT indexrelid::regclass AS name, pg_get_indexdef(indexrelid) AS made"
            " FROM pg_index WHERE indrelid = $1::text::regclass AND NOT indisunique",
            table,
        )
        for index in indexes:
            await owner.execute(f"DROP INDEX {index['name']}")
        for statement in statements:
            await owner.execute(statement)
        for index in indexes:
            await owner.execute(index["made"])
        await owner.execute(f"VACUUM ANALYZE {table}")
    finally:
        await owner.close()


def _moment(at: datetime) -> str:
    return f"'{at.isoformat()}'::timestamptz"


Question = Callable[[Tx], Awaitable[object]]


def questions(sessions: int) -> dict[str, Question]:
    """What people ask, by name."""
    middle = sessions // 2
    oldest_open = sessions - subscribers_of(sessions) + 1
    month = {"start": END - timedelta(days=31), "end": END}

    def page(before: int = listing.ID_MAX, **wanted: Any) -> Question:
        return lambda tx: listing.page(tx, Wanted(**wanted), before=before, limit=100)

    def used(subscriber: int, by: By, **bounds: datetime) -> Question:
        return lambda tx: usage_report.of_subscriber(tx, subscriber, by, **bounds)

    def had(address: str, at: datetime) -> Question:
        return lambda tx: who_had.at(tx, ip_address(address), at)

    async def hours(tx: Tx) -> object:
        return await usage_report.of_session(tx, await listing.get(tx, sessions))

    return {
        "list": page(),
        "list, a page in the middle": page(before=middle),
        "list, of a small tenant": page(),
        "list --open, of a small tenant": page(open_only=True),
        "list --username": page(username="user-7"),
        "list --username of nobody": page(username="nobody"),
        "list --nas": page(nas_id=7),
        "list --nas, in the middle": page(before=middle, nas_id=7),
        "list --nas --username": page(nas_id=7, username="user-7"),
        "list --acct-session-id": page(acct_session_id=f"s{middle}"),
        "list --open": page(open_only=True),
        "list --open, the last page": page(before=oldest_open + 50, open_only=True),
        "list --open --nas": page(open_only=True, nas_id=7),
        "show": hours,
        "usage --by month, 24 months": used(2, By.MONTH),
        "usage --by day, 24 months": used(2, By.DAY),
        "usage --by day, a month": used(2, By.DAY, **month),
        "usage --by hour, a month": used(2, By.HOUR, **month),
        "usage --by month, 24 months, a row an hour": used(1, By.MONTH),
        "usage --by hour, a month, a row an hour": used(1, By.HOUR, **month),
        "who-had IPv4": had("100.64.0.7", END - timedelta(days=300)),
        "who-had IPv6": had("2001:db8:0:7::9", END - timedelta(days=300)),
        "who-had of nobody": had("203.0.113.1", END),
        "who-had of a shared address, lately": had(HOTSPOT, END),
        "who-had of a shared address, long ago": had(HOTSPOT, END - timedelta(days=700)),
    }


class Cost:
    """What a question's statements took, as PostgreSQL tells."""

    def __init__(self) -> None:
        self.ms = 0.0
        self.planning_ms = 0.0
        self.buffers = 0
        self.ways: list[str] = []

    def add(self, plan: dict[str, Any]) -> None:
        self.ms += plan["Execution Time"]
        self.planning_ms += plan["Planning Time"]
        top = plan["Plan"]
        self.buffers += top["Shared Hit Blocks"] + top["Shared Read Blocks"]
        if "JIT" in plan:
            self.ways.append(f"JIT {plan['JIT']['Timing']['Total']:.0f} ms")
        self._walk(top)

    def _walk(self, node: dict[str, Any]) -> None:
        if name := node.get("Index Name"):
            self.ways.append(name)
        elif node["Node Type"].endswith("Seq Scan"):
            self.ways.append(f"ALL OF {node['Relation Name']}")
        for below in node.get("Plans", ()):
            self._walk(below)

    def reads_all(self) -> bool:
        return any(f"ALL OF {table}" in self.ways for table in ("session", "usage", "usage_day"))

    def is_slow(self) -> bool:
        return self.ms > ALLOWED_MS or self.reads_all()


async def cost(database: Database, question: Question, tenant_id: int) -> Cost:
    """Ask, then have each statement of it explained with the same parameters."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Connection, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        asked.append((statement, parameters))

    found = Cost()
    async with database.transaction(tenant_id) as tx:
        connection = (await tx.connection()).sync_connection
        assert connection is not None
        event.listen(connection, "before_cursor_execute", note)
        await question(tx)
        event.remove(connection, "before_cursor_execute", note)
        for statement, parameters in asked:
            # Names for the positions that the statement was sent with.
            names = {f"p{at}": value for at, value in enumerate(parameters, start=1)}
            named = re.sub(r"\$(\d+)", r":p\1", statement.replace("::", "\\:\\:"))
            explain = text(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {named}")
            plan = (await tx.execute(explain, names)).scalar_one()
            found.add((json.loads(plan) if isinstance(plan, str) else plan)[0])
    return found


async def measure(url: str, sessions: int) -> tuple[str, bool]:
    """The section, and whether all was fast enough."""
    await runner.upgrade(url)
    database = Database(url, connections_max=1)
    async with database.lobby() as tx:
        await tenancy.found(tx, "demo-isp", "Demo ISP")
        await tenancy.found(tx, "small-isp", "Small ISP")
    began = time.monotonic()
    await populate(url, sessions)
    summed = await sum_usage(url)
    print(f"filled in {time.monotonic() - began:.0f} s")
    async with database.transaction(1) as tx:
        used = await usage_report.of_subscriber(tx, 2, By.DAY)
        assert sum(day.session_time_s for day in used) == DAYS * 24 * 16 * 300
    found: dict[str, Cost] = {}
    for name, question in questions(sessions).items():
        tenant_id = 2 if name.endswith("small tenant") else 1
        await cost(database, question, tenant_id)  # what is asked often lies in memory
        again = [await cost(database, question, tenant_id) for _ in range(REPETITIONS)]
        found[name] = sorted(again, key=lambda one: one.ms)[REPETITIONS // 2]
        print(f"{name:44} {found[name].ms:8.2f}", flush=True)
    await database.dispose()
    return section(sessions, summed, found), not any(one.is_slow() for one in found.values())


def section(sessions: int, summed: Summed, found: Mapping[str, Cost]) -> str:
    """For bench/RESULTS.md."""
    at = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    slow = sum(one.is_slow() for one in found.values())
    lines = [
        f"## {at}: listings",
        "",
        report.machine(),
        "",
        f"- {sessions:,} sessions of {subscribers_of(sessions):,} subscribers; {summed.rows:,} rows"
        f" of usage over {DAYS} days, of one subscriber 16 an hour, its last hour not summed yet.",
        f"- Times are PostgreSQL's (EXPLAIN ANALYZE, as {APP_ROLE} under row-level security),"
        f" medians of {REPETITIONS} after one that warms; planning comes on top, as told.",
        f"- Days of all usage from nothing: {summed.took_s:.0f} s,"
        f" {summed.rows / summed.took_s:,.0f} rows/s, the longest pass"
        f" {summed.longest_pass_s:.1f} s; it held ingest's lock for"
        f" {summed.longest_lock_s * 1e3:.0f} ms at most.",
        "",
        *tables.table(
            ["question", "ms", "planning ms", "pages", "by"],
            [
                [
                    name,
                    f"{one.ms:.2f}",
                    f"{one.planning_ms:.2f}",
                    f"{one.buffers:,}",
                    ", ".join(dict.fromkeys(one.ways)),
                ]
                for name, one in found.items()
            ],
        ),
        f"Bound: {ALLOWED_MS:g} ms each, and no table read whole: "
        + (f"{slow} missed." if slow else "kept by all."),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--append", action="store_true", help="to bench/RESULTS.md")
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="turnpike-listings-"))
    cluster = Cluster(directory, durable=False)
    try:
        told, good = asyncio.run(measure(cluster.start(), arguments.sessions))
    finally:
        cluster.stop()
        shutil.rmtree(directory)
    print(told)
    if arguments.append:
        with RESULTS.open("a") as results:
            results.write("\n" + told)
    sys.exit(not good)


if __name__ == "__main__":
    main()
