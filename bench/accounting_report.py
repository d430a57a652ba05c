"""Figures of accounting as tables, and what they were meant to be.  Pure: samples in, text out."""

from collections.abc import Sequence
from statistics import median

from bench.accounting import PAUSED, STORED_WINDOW, Backlog
from bench.measure import Sample, middle, of, paired_ratio
from bench.population import NASES
from bench.scenarios import OFFERED_PER_S, WINDOWS, Setting
from bench.tables import (
    DETAIL,
    SQL,
    TURNPIKE,
    Gate,
    Value,
    milliseconds,
    number,
    p50,
    p99,
    p999,
    per_s,
    table,
    total_us,
)

STORED = f"stored w{STORED_WINDOW}"
OFFERED = f"receipts {OFFERED_PER_S}/s"


def gates(samples: Sequence[Sample], backlogs: Sequence[Backlog]) -> list[Gate]:
    """What was promised, and what was found."""

    def ratio(scenario: str, theirs: str, value: Value, ours: str = TURNPIKE) -> float | None:
        return paired_ratio(of(samples, scenario, ours), of(samples, scenario, theirs), value)

    found = [
        Gate(f"records stored, over {SQL}", ratio(STORED, SQL, per_s), 4, True),
        Gate(f"CPU a record stored, over {SQL}", ratio(STORED, SQL, total_us), 0.25, False),
    ]
    for window in WINDOWS:
        scenario = f"receipts w{window}"
        for ours, how in ((TURNPIKE, ""), (PAUSED, ", ingest paused")):
            value = ratio(scenario, DETAIL, per_s, ours)
            found.append(Gate(f"receipts, w = {window}{how}: over {DETAIL}", value, 1, True))
    value = ratio(OFFERED, SQL, p99)
    found.append(Gate(f"receipts at {OFFERED_PER_S}/s: p99 over {SQL}", value, 1, False))
    if backlogs:
        found.extend(_backlog_gates(backlogs))
    return found


def _backlog_gates(backlogs: Sequence[Backlog]) -> list[Gate]:
    name = f"backlog of {backlogs[0].records:,}"
    drained = median(one.per_s for one in backlogs)
    private_mb = max(one.ingest_private_octets for one in backlogs) / 1e6
    return [
        Gate(f"{name}: drained a second", drained, 20_000, True),
        Gate(f"{name}: logins' p99 over that before", _p99_ratio(backlogs), 1.5, False),
        Gate(f"{name}: private memory of ingest, MB", private_mb, 300, False),
    ]


def _p99_ratio(backlogs: Sequence[Backlog]) -> float | None:
    ratios = []
    for one in backlogs:
        calm, during = one.p99_us(one.calm), one.p99_us(one.during)
        if calm and during:
            ratios.append(during / calm)
    return median(ratios) if ratios else None


def notes(setting: Setting) -> list[str]:
    return [
        f"Accounting: a stream of records of {setting.sessions:,} sessions at a time, a Start,"
        f" eight Interims and a Stop each, on {NASES} boxes, none sent twice;"
        f" before it {setting.past:,} sessions of the past, a quarter of them open.",
        f"Turnpike is `serve` as it comes; {SQL} has 16 threads and connections, Debian's"
        f" radacct and queries, no vacuum; {DETAIL} does not sync its file.",
        "Records stored count until the last is in PostgreSQL, receipts until the last has come.",
    ]


def tables(samples: Sequence[Sample], backlogs: Sequence[Backlog]) -> list[str]:
    return [*_closed(samples), *_open(samples), *_backlogs(backlogs)]


def _closed(samples: Sequence[Sample]) -> list[str]:
    rows = []
    names = {STORED: f"stored, w = {STORED_WINDOW}"}
    names.update({f"receipts w{window}": f"receipts, w = {window}" for window in WINDOWS})
    for scenario, name in names.items():
        ours = of(samples, scenario, TURNPIKE)
        for server in (TURNPIKE, PAUSED, SQL, DETAIL):
            if theirs := of(samples, scenario, server):
                ratio = None if server == TURNPIKE else paired_ratio(ours, theirs, per_s)
                rows.append(
                    [
                        name,
                        server,
                        number(middle(theirs, per_s), 0),
                        number(ratio, 2),
                        number(middle(theirs, lambda one: one.outcome.answered_per_s), 0),
                        number(middle(theirs, lambda one: one.server_us), 1),
                        number(middle(theirs, total_us), 1),
                    ]
                )
    heads = ["accounting, closed loop", "server", "records/s", "Turnpike ÷ it", "answers/s"]
    return table([*heads, "CPU µs, server", "CPU µs, with PostgreSQL"], rows)


def _open(samples: Sequence[Sample]) -> list[str]:
    rows = [
        [
            OFFERED,
            server,
            *(milliseconds(middle(found, value)) for value in (p50, p99, p999)),
            milliseconds(max(one.outcome.max_us for one in found)),
            number(middle(found, total_us), 1),
        ]
        for server in (TURNPIKE, SQL)
        if (found := of(samples, OFFERED, server))
    ]
    heads = ["accounting, open loop", "server", "p50 ms", "p99 ms", "p99.9 ms", "worst ms"]
    return table([*heads, "CPU µs, with PostgreSQL"], rows)


def _backlogs(backlogs: Sequence[Backlog]) -> list[str]:
    rows = [
        [
            f"{one.records:,}",
            f"{one.seconds:.1f}",
            f"{one.per_s:,.0f}",
            f"{one.ingest_private_octets / 1e6:.0f}",
            milliseconds(one.p99_us(one.calm)),
            milliseconds(one.p99_us(one.during)),
        ]
        for one in backlogs
    ]
    heads = ["backlog beside 500 PAP/s", "drained in s", "records/s", "ingest private MB"]
    return table([*heads, "logins' p99 ms, calm", "draining"], rows)
