"""How long things took, as a line of bench/RESULTS.md says it."""

from collections.abc import Sequence


def ms(took_s: Sequence[float], part: float) -> str:
    """What this part of them did not exceed, in milliseconds; `took_s` is sorted."""
    return f"{1000 * took_s[int(part * (len(took_s) - 1))]:.1f}" if took_s else "-"


def spread(took_s: Sequence[float]) -> str:
    """p50, p99 and the longest."""
    return f"p50 {ms(took_s, 0.5)}, p99 {ms(took_s, 0.99)}, max {ms(took_s, 1.0)} ms"
