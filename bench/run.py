"""Measure Turnpike against FreeRADIUS on this machine, now: `make bench`.

    python -m bench.run                 # everything, about half an hour
    python -m bench.run --quick         # one small repetition, to see that it works
    python -m bench.run --only throughput,latency --without-turnpike

Everything runs on loopback, in temporary directories.  Raw figures go to bench/out/, a
section goes to the end of bench/RESULTS.md if all of it was measured, or with --append.
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import (
    accounting,
    accounting_report,
    freeradius,
    packets,
    radload,
    report,
    scenarios,
    tables,
)
from bench.accounting import Backlog, Reader
from bench.measure import Sample
from bench.population import MIKROTIK_RATE_LIMIT, SECRET
from bench.scenarios import QUICK, Flood, Peer, Setting, Size
from bench.turnpike import COMPILED, PROGRAM, Turnpike, installation

HERE = Path(__file__).parent
OUT = HERE / "out"
RESULTS = HERE / "RESULTS.md"
LOGINS = ("throughput", "latency", "storm", "flood")
ACCOUNTING = ("accounting", "detail", "acctlatency", "backlog")
ALL = (*LOGINS, "size", *ACCOUNTING)
METHODS = ("pap", "chap", "mschapv2")
SQL_METHODS = ("pap", "chap")


def main() -> None:
    arguments = _arguments()
    setting = QUICK if arguments.quick else Setting()
    for name in ("repetitions", "subscribers", "requests"):
        if (value := getattr(arguments, name)) is not None:
            setting = replace(setting, **{name: value})
    wanted = set(arguments.only.split(","))
    if unknown := wanted - set(ALL):
        raise SystemExit(f"no such scenario: {', '.join(unknown)}; there are {', '.join(ALL)}")
    radload.build()
    (OUT / "requests").mkdir(parents=True, exist_ok=True)
    samples: list[Sample] = []
    floods: list[Flood] = []
    if wanted & set(LOGINS):
        _compare(arguments, setting, wanted, samples, floods)
    sizes: list[Size] = []
    if "size" in wanted and not arguments.without_turnpike:
        files = {count: _requests("pap", count) for count in setting.sizes}
        sizes = scenarios.sizes(files, setting)
        samples.extend(one for size in sizes for one in size.samples)
    backlogs: list[Backlog] = []
    if wanted & set(ACCOUNTING) and not arguments.without_turnpike:
        _account(arguments, setting, wanted, samples, backlogs)
    partial = arguments.quick or arguments.without_turnpike or arguments.without_freeradius
    complete = wanted == set(ALL) and not partial
    subject = " and ".join(
        name
        for name, scenarios in (("logins", {*LOGINS, "size"}), ("accounting", set(ACCOUNTING)))
        if wanted & scenarios
    )
    section = _write(subject, setting, samples, floods, sizes, backlogs, complete=complete)
    print(section)
    if complete or arguments.append:
        if not RESULTS.exists():
            RESULTS.write_text("# What was measured\n\nMade by `make bench`; newest last.\n")
        with RESULTS.open("a") as results:
            results.write("\n" + section)


def _compare(
    arguments: argparse.Namespace,
    setting: Setting,
    wanted: set[str],
    samples: list[Sample],
    floods: list[Flood],
) -> None:
    """The scenarios in which several servers are visited in turn; appends what it finds."""
    files = {method: _requests(method, setting.subscribers) for method in METHODS}
    with ExitStack() as stack:
        turnpike, peers = _start(arguments, setting, stack)
        for peer in peers:
            scenarios.probe(peer.server, files, peer.methods)
        if "throughput" in wanted:
            _collect(samples, scenarios.throughput(peers, files, setting))
        if "latency" in wanted:
            _collect(samples, scenarios.latency(peers, files["pap"], setting))
        if "storm" in wanted and turnpike is not None:
            _collect(samples, scenarios.change_storm(turnpike, files["pap"], setting))
        if "flood" in wanted:
            forged = _requests("pap", setting.subscribers, secret="not-the-secret")
            in_memory = [peer for peer in peers if peer.server.name != tables.SQL]
            for flood in scenarios.floods(in_memory, files, forged, setting, turnpike):
                samples.append(flood.known)
                floods.append(flood)
                _say(flood.known)


def _account(
    arguments: argparse.Namespace,
    setting: Setting,
    wanted: set[str],
    samples: list[Sample],
    backlogs: list[Backlog],
) -> None:
    """The scenarios of accounting; appends what it finds.

    Raises:
        Failed: what was answered is not what is stored.
    """
    stream = accounting.stream(setting)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="bench-acct-")))
        ours, _ = stack.enter_context(
            installation(max(setting.subscribers, stream.subscribers), workers=arguments.workers)
        )
        stack.enter_context(ours.serving())
        reader = accounting.turnpike_reader(ours, stream, directory)
        readers = [reader]
        files = []
        if not arguments.without_freeradius:
            if wanted & {"accounting", "acctlatency"}:
                server, cluster = stack.enter_context(freeradius.radacct(stream))
                readers.append(accounting.radacct_reader(server, cluster, stream, directory))
            if "detail" in wanted:
                server = stack.enter_context(freeradius.detail())
                files.append(Reader(server, stream, directory / "detail"))
        for each in (*readers, *files):
            each.read("warm", 0, stream.sessions, stored=True, window=accounting.STORED_WINDOW)
        if "accounting" in wanted:
            _collect(samples, accounting.sustained(readers, setting))
        if "acctlatency" in wanted:
            _collect(samples, accounting.latency(readers, setting))
        if "detail" in wanted:
            _collect(samples, accounting.receipts(ours, reader, files, setting))
        if "backlog" in wanted:
            logins = _requests("pap", setting.subscribers)
            scenarios.probe(ours.server, {"pap": logins}, ["pap"])
            for backlog in accounting.backlogs(ours, reader, logins, setting):
                backlogs.append(backlog)
                _tell(backlog)
        for each in readers:
            each.check()


def _start(
    arguments: argparse.Namespace, setting: Setting, stack: ExitStack
) -> tuple[Turnpike | None, Sequence[Peer]]:
    peers = []
    turnpike = None
    if not arguments.without_turnpike:
        for name, executable in ((tables.TURNPIKE, PROGRAM), (tables.COMPILED, COMPILED)):
            if executable == COMPILED and not COMPILED.exists():
                print("without the compiled Turnpike: make compile makes it")
                continue
            ours, _ = stack.enter_context(
                installation(setting.subscribers, workers=arguments.workers, executable=executable)
            )
            ours.name = name
            stack.enter_context(ours.serving())
            peers.append(Peer(ours.server, METHODS, setting.requests))
            turnpike = turnpike or ours
    if not arguments.without_freeradius:
        server = stack.enter_context(freeradius.files(setting.subscribers))
        peers.append(Peer(server, METHODS, setting.requests))
        server = stack.enter_context(freeradius.sql(setting.subscribers))
        peers.append(Peer(server, SQL_METHODS, setting.requests_slow))
    return turnpike, peers


def _requests(method: str, subscribers: int, secret: str = SECRET) -> Path:
    """The request file, made once: its octets depend on nothing but its name."""
    path = OUT / "requests" / f"{method}-{subscribers}{'' if secret == SECRET else '-forged'}"
    newest = max((HERE / name).stat().st_mtime for name in ("packets.py", "population.py"))
    if not path.exists() or path.stat().st_mtime < newest:
        packets.write(path, method, subscribers, secret=secret)
    return path


def _collect(samples: list[Sample], found: Iterator[Sample]) -> None:
    for one in found:
        samples.append(one)
        _say(one)


def _say(one: Sample) -> None:
    print(
        f"{one.repetition + 1}  {one.scenario:28} {one.server:24} {one.per_s:9,.0f}/s"
        f"  CPU {one.server_us:6.1f} + {one.postgres_us:5.1f} us"
        f"  p50 {one.outcome.p50_us / 1e3:7.2f}  p99 {one.outcome.p99_us / 1e3:7.2f} ms"
        f"  lost {one.outcome.lost + one.outcome.no_slot}",
        flush=True,
    )


def _tell(backlog: Backlog) -> None:
    for one in (*backlog.calm, *backlog.during):
        _say(one)
    print(
        f"{backlog.repetition + 1}  {backlog.records:,} drained in {backlog.seconds:.1f} s,"
        f" {backlog.per_s:,.0f}/s; ingest {backlog.ingest_private_octets / 1e6:.0f} MB",
        flush=True,
    )


def _write(
    subject: str,
    setting: Setting,
    samples: Sequence[Sample],
    floods: Sequence[Flood],
    sizes: Sequence[Size],
    backlogs: Sequence[Backlog],
    *,
    complete: bool,
) -> str:
    """Write the raw figures; returns the section."""
    now = datetime.now(UTC)
    notes = [
        f"{setting.subscribers:,} subscribers, medians of {setting.repetitions} repetitions,"
        " servers visited in turn; ratios are medians of the ratios of neighbours.",
    ]
    if "logins" in subject:
        notes.append(
            f"Every Accept carries a rate limit ({MIKROTIK_RATE_LIMIT}), pool, timeouts and Class."
            " Turnpike signs its replies with a Message-Authenticator;"
            " FreeRADIUS 3.2.1 does not, and is spared that work."
        )
    if "accounting" in subject:
        notes += accounting_report.notes(setting)
    if setting.requests < Setting().requests:
        notes.append("Visits too short to judge by: a server that has just begun costs more.")
    title = f"{now:%Y-%m-%d %H:%M} UTC: {subject}"
    section = report.markdown(
        title, samples, floods, sizes, notes, backlogs=backlogs, complete=complete
    )
    raw: Mapping[str, object] = {
        "at": now.isoformat(),
        "machine": report.machine(),
        "setting": asdict(setting),
        "samples": [asdict(one) for one in samples],
        "floods": [asdict(one) for one in floods],
        "sizes": [asdict(one) for one in sizes],
        "backlogs": [asdict(one) for one in backlogs],
        "gates": [
            {**asdict(gate), "verdict": gate.verdict, "server": ours}
            for ours in (tables.TURNPIKE, tables.COMPILED)
            for gate in report.gates(samples, floods, sizes, backlogs, ours)
        ],
    }
    path = OUT / f"{now:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(raw, indent=1))
    return section


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one small repetition, no RESULTS.md")
    parser.add_argument("--append", action="store_true", help="to RESULTS.md, though incomplete")
    parser.add_argument("--only", default=",".join(ALL), help="scenarios, separated by commas")
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--subscribers", type=int)
    parser.add_argument("--requests", type=int, help="a visit")
    parser.add_argument("--workers", type=int, help="login workers of Turnpike")
    parser.add_argument("--without-turnpike", action="store_true")
    parser.add_argument("--without-freeradius", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
