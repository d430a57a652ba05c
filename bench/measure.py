"""One visit to one server, and what many visits come to.

Servers of a comparison are visited in turn, the order turned round every time, and
compared visit by visit: the machine moves by a quarter, the ratio of neighbours much less.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Unpack

from bench import processes, radload
from bench.processes import Failed


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers: where, and whose CPU to count."""

    name: str
    port: int
    roots: tuple[int, ...]  # its first process, and its database's


@dataclass(frozen=True, slots=True)
class Sample:
    """One visit: what radload saw, and what each answer cost in microseconds of CPU."""

    scenario: str
    server: str
    repetition: int
    per_s: float  # answered, or with `settle` done
    server_us: float
    postgres_us: float
    outcome: radload.Outcome

    @property
    def total_us(self) -> float:
        return self.server_us + self.postgres_us

    def as_json(self) -> dict[str, object]:
        return asdict(self)


def visit(
    scenario: str,
    server: Server,
    repetition: int,
    file: Path,
    *,
    settle: Callable[[], None] | None = None,
    **options: Unpack[radload.Options],
) -> Sample:
    """Load the server and say what it took.

    With `settle` the visit lasts until that returns, when what was answered is also done.

    Raises:
        Failed: a reply was forged or of the wrong code: whatever was measured, it was not this.
    """
    before = processes.cpu(list(server.roots))
    outcome = radload.load(file, server.port, **options)
    answered_at = time.monotonic()
    if settle is not None:
        settle()
    seconds = outcome.seconds + time.monotonic() - answered_at
    used = processes.cpu(list(server.roots)) - before
    if outcome.forged or outcome.wrong_code:
        raise Failed(f"{server.name}, {scenario}: wrong replies: {outcome}")
    answered = max(outcome.answered, 1)
    return Sample(
        scenario,
        server.name,
        repetition,
        outcome.answered / seconds if settle is not None else outcome.answered_per_s,
        used.server_s / answered * 1e6,
        used.postgres_s / answered * 1e6,
        outcome,
    )


def in_turn(servers: Sequence[Server], repetition: int) -> list[Server]:
    """The order of this repetition."""
    return list(servers) if repetition % 2 == 0 else list(reversed(servers))


def of(samples: Iterable[Sample], scenario: str, server: str) -> list[Sample]:
    return [one for one in samples if one.scenario == scenario and one.server == server]


def middle(samples: Sequence[Sample], value: Callable[[Sample], float]) -> float | None:
    return median(map(value, samples)) if samples else None


def paired_ratio(
    ours: Sequence[Sample], theirs: Sequence[Sample], value: Callable[[Sample], float]
) -> float | None:
    """The median of ours/theirs over the repetitions that both took part in."""
    other = {one.repetition: value(one) for one in theirs}
    ratios = [value(one) / other[one.repetition] for one in ours if other.get(one.repetition)]
    return median(ratios) if ratios else None
