"""Figures as a section for bench/RESULTS.md, and what they were meant to be.

A bound that is a ratio passes at 90 % of it: FreeRADIUS itself swings by a quarter from
one minute to the next.  Pure: samples in, text out.
"""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Sample, middle, of, paired_ratio
from bench.scenarios import OFFERED_PER_S, WINDOWS, Flood, Size

TURNPIKE, COMPILED = "Turnpike", "Turnpike, compiled"
FILES, SQL = "FreeRADIUS files", "FreeRADIUS + PostgreSQL"
METHODS = ("pap", "chap", "mschapv2")
TOLERANCE = 0.9
Value = Callable[[Sample], float]


@dataclass(frozen=True, slots=True)
class Gate:
    """A promise and what became of it."""

    promise: str
    found: float | None
    bound: float
    at_least: bool
    tolerance: float = TOLERANCE

    @property
    def verdict(self) -> str:
        if self.found is None:
            return "not measured"
        by = self.found / self.bound if self.at_least else self.bound / max(self.found, 1e-9)
        if by >= 1:
            return "kept"
        return "kept within the noise" if by >= self.tolerance else "missed"


def _per_s(one: Sample) -> float:
    return one.per_s


def _server_us(one: Sample) -> float:
    return one.server_us


def _total_us(one: Sample) -> float:
    return one.total_us


def _p50(one: Sample) -> float:
    return one.outcome.p50_us


def _p99(one: Sample) -> float:
    return one.outcome.p99_us


def _p999(one: Sample) -> float:
    return one.outcome.p999_us


def gates(
    samples: Sequence[Sample],
    floods: Sequence[Flood],
    sizes: Sequence[Size],
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
            value = ratio(scenario, FILES, _per_s)
            found.append(Gate(f"{name}: throughput over FreeRADIUS files", value, bound, True))
            if method == "mschapv2":
                continue
            value = ratio(scenario, SQL, _per_s)
            found.append(Gate(f"{name}: throughput over FreeRADIUS + PostgreSQL", value, 6, True))
            value = ratio(scenario, FILES, _server_us)
            found.append(Gate(f"{name}: CPU a login over FreeRADIUS files", value, 0.6, False))
    offered = f"open {OFFERED_PER_S}/s"
    value = ratio(offered, FILES, _p99)
    found.append(Gate(f"p99 at {OFFERED_PER_S}/s over FreeRADIUS files", value, 1, False))
    value = paired_ratio(
        of(samples, "storm: during", ours), of(samples, "storm: before", ours), _p99
    )
    found.append(Gate("p99 in a change storm over p99 before", value, 2, False))
    unknown = [one for one in floods if one.kind == "unknown senders" and one.server == ours]
    share = min((one.known.outcome.answered_share for one in unknown), default=None)
    found.append(Gate("flood: known NASes answered, worst run", share, 0.999, True, 1.0))
    if sizes and ours == TURNPIKE:
        found.extend(_size_gates(sizes))
    return found


def _size_gates(sizes: Sequence[Size]) -> list[Gate]:
    small, large = sizes[0], sizes[-1]
    cost = paired_ratio(large.samples, small.samples, _server_us)
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
    complete: bool = True,
) -> str:
    """One section.  Unless the run was complete, promises that it did not try are left out."""
    lines = [f"## {title}", "", machine(), "", *(f"- {note}" for note in notes), ""]
    lines += _throughput(samples)
    lines += _latency(samples)
    lines += _floods(floods)
    lines += _sizes(sizes)
    plain = gates(samples, floods, sizes)
    compiled = {gate.promise: gate for gate in gates(samples, floods, sizes, COMPILED)}
    lines += _table(
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
    return (_number(gate.found, 4 if gate.tolerance == 1 else 2), gate.verdict)


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
                ratio = None if server == TURNPIKE else paired_ratio(ours, theirs, _per_s)
                rows.append(
                    [
                        f"{method}, w = {window}",
                        server,
                        _number(middle(theirs, _per_s), 0),
                        _number(ratio, 2),
                        _number(middle(theirs, _server_us), 1),
                        _number(middle(theirs, _total_us), 1),
                        _number(middle(theirs, lambda one: one.outcome.reply_octets_mean), 0),
                    ]
                )
    heads = ["logins, closed loop", "server", "answers/s", "Turnpike ÷ it", "CPU µs, server"]
    return _table([*heads, "CPU µs, with PostgreSQL", "reply octets"], rows)


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
                        *(_milliseconds(middle(found, value)) for value in (_p50, _p99, _p999)),
                        _milliseconds(worst),
                        f"{share:.4%}",
                    ]
                )
    heads = ["open loop, PAP", "server", "p50 ms", "p99 ms", "p99.9 ms", "worst ms"]
    return _table([*heads, "answered, worst run"], rows)


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
                    _milliseconds(middle(known, _p99)),
                    f"{max(one.private_growth_octets for one in found) / 2**20:.1f}",
                    str(max(lines)) if lines else "-",
                ]
            )
    heads = ["flood beside 2 000 PAP/s", "server", "flood/s", "of it answered", "known answered"]
    return _table([*heads, "known p99 ms", "memory + MiB", "log lines"], rows)


def _sizes(sizes: Sequence[Size]) -> list[str]:
    rows = [
        [
            f"{size.subscribers:,}",
            f"{size.store_s:.1f}",
            f"{size.build_s:.1f}",
            f"{size.ready_s:.2f}",
            f"{size.worker_private_octets / 1e6:.0f}",
            _number(middle(size.samples, _per_s), 0),
            _number(middle(size.samples, _server_us), 1),
        ]
        for size in sizes
    ]
    heads = ["subscribers", "apply s", "build s", "ready s", "worker private MB"]
    return _table([*heads, "PAP/s, w = 64", "CPU µs"], rows)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def _milliseconds(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds / 1e3:.2f}"
