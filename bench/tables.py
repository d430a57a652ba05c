"""What the reports share: names of servers, gates, and tables in Markdown.

A bound that is a ratio passes at 90 % of it: FreeRADIUS itself swings by a quarter from
one minute to the next.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.measure import Sample

TURNPIKE, COMPILED = "Turnpike", "Turnpike, compiled"
FILES, SQL, DETAIL = "FreeRADIUS files", "FreeRADIUS + PostgreSQL", "FreeRADIUS detail"
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


def per_s(one: Sample) -> float:
    return one.per_s


def server_us(one: Sample) -> float:
    return one.server_us


def total_us(one: Sample) -> float:
    return one.total_us


def p50(one: Sample) -> float:
    return one.outcome.p50_us


def p99(one: Sample) -> float:
    return one.outcome.p99_us


def p999(one: Sample) -> float:
    return one.outcome.p999_us


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Nothing at all if there are no rows."""
    if not rows:
        return []
    lines = [heads, ["---"] * len(heads), *rows]
    return [*("| " + " | ".join(line) + " |" for line in lines), ""]


def number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


def milliseconds(microseconds: float | None) -> str:
    return "-" if microseconds is None else f"{microseconds / 1e3:.2f}"
