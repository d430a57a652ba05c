"""Figures as a section for bench/RESULTS.md, and what they were meant to be.

Pure: samples in, text out.
"""

import os
import platform
from collections.abc import Sequence
from pathlib import Path

from bench import accounting_report
from bench.accounting import Backlog
from bench.measure import Sample, middle, of, paired_ratio
from bench.scenarios import OFFERED_PER_S, WINDOWS, Flood, Size
from bench.tables import (
    COMPILED,
    FILES,
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
    server_us,
    table,
    total_us,
)

METHODS = ("pap", "chap", "mschapv2")


def gates(
    samples: Sequence[Sample],
    floods: Sequence[Flood],
    sizes: Sequence[Size],
    backlogs: Sequence[Backlog] = (),
    ours: str = TURNPIKE,
) -> list[Gate]:
    """What was promised of `ours`, and what was found."""
    found: list[Gate] = []

    def ratio(scenario: str, theirs: str, value: Value) -> float | None:
        return paired_ratio(of(samples, scenario, ours), of(samples, scenario, theirs), value)

    for method in METHODS:
        bound = 1.0 if method == "mschapv2" else 1.5
        for window in WINDOWS:
            scenario = f"{method} w{window}"
            name = f"{method}, w = {window}"
            value = ratio(scenario, FILES, per_s)
            found.append(Gate(f"{name}: throughput over FreeRADIUS files", value, bound, True))
            if method == "mschapv2":
                continue
            value = ratio(scenario, SQL, per_s)
            found.append(Gate(f"{name}: throughput over FreeRADIUS + PostgreSQL", value, 6, True))
            value = ratio(scenario, FILES, server_us)
            found.append(Gate(f"{name}: CPU a login over FreeRADIUS files", value, 0.6, False))
    offered = f"open {OFFERED_PER_S}/s"
    value = ratio(offered, FILES, p99)
    found.append(Gate(f"p99 at {OFFERED_PER_S}/s over FreeRADIUS files", value, 1, False))
    value = paired_ratio(
        of(samples, "storm: during", ours), of(samples, "storm: before", ours), p99
    )
    found.append(Gate("p99 in a change storm over p99 before", value, 2, False))
    unknown = [one for one in floods if one.kind == "unknown senders" and one.server == ours]
    share = min((one.known.outcome.answered_share for one in unknown), default=None)
    found.append(Gate("flood: known NASes answered, worst run", share, 0.999, True, 1.0))
    if sizes and ours == TURNPIKE:
        found.extend(_size_gates(sizes))
    if ours == TURNPIKE:
        found.extend(accounting_report.gates(samples, backlogs))
    return found


def _size_gates(sizes: Sequence[Size]) -> list[Gate]:
    small, large = sizes[0], sizes[-1]
    cost = paired_ratio(large.samples, small.samples, server_us)
    private_mb = large.worker_private_octets / 1e6
    name = f"{large.subscribers:,} subscribers"
    return [
        Gate(f"{name}: ready from a warm directory, s", large.ready_s, 5, False),
        Gate(f"{name}: built from PostgreSQL, s", large.build_s, 90, False),
        Gate(f"{name}: private memory of a worker, MB", private_mb, 150, False),
        Gate(f"{name}: CPU a login over that at {small.subscribers:,}", cost, 1.2, False),
    ]


def markdown(
    title: str,
    samples: Sequence[Sample],
    floods: Sequence[Flood],
    sizes: Sequence[Size],
    notes: Sequence[str],
    *,
    backlogs: Sequence[Backlog] = (),
    complete: bool = True,
) -> str:
    """One section.  Unless the run was complete, promises that it did not try are left out."""
    lines = [f"## {title}", "", machine(), "", *(f"- {note}" for note in notes), ""]
    lines += _throughput(samples)
    lines += _latency(samples)
    lines += _floods(floods)
    lines += _sizes(sizes)
    lines += accounting_report.tables(samples, backlogs)
    plain = gates(samples, floods, sizes, backlogs)
    compiled = {gate.promise: gate for gate in gates(samples, floods, sizes, ours=COMPILED)}
    lines += table(
        ["promise", "bound", "plain Python", "", "compiled", ""],
        [
            [
                gate.promise,
                f"{'≥' if gate.at_least else '≤'} {gate.bound:g}",
                *_found(gate),
                *_found(compiled.get(gate.promise)),
            ]
            for gate in plain
            if complete or gate.found is not None
        ],
    )
    return "\n".join(lines) + "\n"


def _found(gate: Gate | None) -> tuple[str, str]:
    if gate is None or gate.found is None:
        return ("-", "not measured")
    return (number(gate.found, 4 if gate.tolerance == 1 else 2), gate.verdict)


def machine() -> str:
    """The machine in one line: no name, no path."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{os.cpu_count()} cores of {model}, Linux {platform.release()},"
        f" Python {platform.python_version()}; generator and servers share the cores."
    )


def _throughput(samples: Sequence[Sample]) -> list[str]:
    rows = []
    for method in METHODS:
        for window in WINDOWS:
            scenario = f"{method} w{window}"
            ours = of(samples, scenario, TURNPIKE)
            for server in (TURNPIKE, COMPILED, FILES, SQL):
                theirs = of(samples, scenario, server)
                if not theirs:
                    continue
                ratio = None if server == TURNPIKE else paired_ratio(ours, theirs, per_s)
                rows.append(
                    [
                        f"{method}, w = {window}",
                        server,
                        number(middle(theirs, per_s), 0),
                        number(ratio, 2),
                        number(middle(theirs, server_us), 1),
                        number(middle(theirs, total_us), 1),
                        number(middle(theirs, lambda one: one.outcome.reply_octets_mean), 0),
                    ]
                )
    heads = ["logins, closed loop", "server", "answers/s", "Turnpike ÷ it", "CPU µs, server"]
    return table([*heads, "CPU µs, with PostgreSQL", "reply octets"], rows)


def _latency(samples: Sequence[Sample]) -> list[str]:
    rows = []
    scenarios = (f"open {OFFERED_PER_S}/s", "storm: before", "storm: during")
    for scenario in scenarios:
        for server in (TURNPIKE, COMPILED, FILES, SQL):
            if found := of(samples, scenario, server):
                worst = max(one.outcome.max_us for one in found)
                share = min(one.outcome.answered_share for one in found)
                rows.append(
                    [
                        scenario,
                        server,
                        *(milliseconds(middle(found, value)) for value in (p50, p99, p999)),
                        milliseconds(worst),
                        f"{share:.4%}",
                    ]
                )
    heads = ["open loop, PAP", "server", "p50 ms", "p99 ms", "p99.9 ms", "worst ms"]
    return table([*heads, "answered, worst run"], rows)


def _floods(floods: Sequence[Flood]) -> list[str]:
    rows = []
    for kind in dict.fromkeys(one.kind for one in floods):
        for server in dict.fromkeys(one.server for one in floods):
            found = [one for one in floods if (one.kind, one.server) == (kind, server)]
            known = [one.known for one in found]
            lines = [one.log_lines for one in found if one.log_lines is not None]
            rows.append(
                [
                    kind,
                    server,
                    f"{min(one.flood.sent_per_s for one in found):,.0f}",
                    str(sum(one.flood.answered for one in found)),
                    f"{min(one.outcome.answered_share for one in known):.4%}",
                    milliseconds(middle(known, p99)),
                    f"{max(one.private_growth_octets for one in found) / 2**20:.1f}",
                    str(max(lines)) if lines else "-",
                ]
            )
    heads = ["flood beside 2 000 PAP/s", "server", "flood/s", "of it answered", "known answered"]
    return table([*heads, "known p99 ms", "memory + MiB", "log lines"], rows)


def _sizes(sizes: Sequence[Size]) -> list[str]:
    rows = [
        [
            f"{size.subscribers:,}",
            f"{size.store_s:.1f}",
            f"{size.build_s:.1f}",
            f"{size.ready_s:.2f}",
            f"{size.worker_private_octets / 1e6:.0f}",
            number(middle(size.samples, per_s), 0),
            number(middle(size.samples, server_us), 1),
        ]
        for size in sizes
    ]
    heads = ["subscribers", "apply s", "build s", "ready s", "worker private MB"]
    return table([*heads, "PAP/s, w = 64", "CPU µs"], rows)
