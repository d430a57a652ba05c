"""Whether a NAS did what it acknowledged: asked of what it reports afterwards.

An ACK is a promise (daloradius#463).  A Disconnect is believed by the session's end, and a CoA by
reports after it that do not contradict: faster than it may be, it is not what it should be.
Pure; a session that is over is nobody's question here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from aaa.enforcement import Rung
from nas_adapters.profile import ServiceProfile

# Reports of before may still be on their way, or on a node's disk.
GRACE: Final = timedelta(seconds=20)
# A shaper lets bursts through, and a NAS's clock is no laboratory's.
TOLERANCE: Final = 1.3
SPAN_S_MIN: Final = 10.0  # between two reports that say a rate


class Belief(StrEnum):
    WAITS = "waits"  # for a report
    LOOKED = "looked"  # one came; the next says how fast it is
    BELIEVED = "believed"
    CONTRADICTED = "contradicted"


@dataclass(frozen=True, slots=True)
class Report:
    """A session's last one."""

    at: datetime
    input_octets: int
    output_octets: int


@dataclass(frozen=True, slots=True)
class Told:
    """What was acknowledged when, and what the session had reported: `looks` reports ago."""

    rung: Rung
    profile: ServiceProfile | None
    at: datetime
    before: Report
    looks: int
    is_stale: bool = False  # not acknowledged: it said that there was no such session


def belief(told: Told, last: Report, now: datetime) -> tuple[Belief, str]:
    """And in words what contradicts."""
    if last.at <= told.before.at or now - told.at < GRACE:
        return Belief.WAITS, ""
    if told.is_stale:
        # It was named in words that the box does not know it by.
        return Belief.CONTRADICTED, "it said that there was no such session, and reports it"
    if told.rung is not Rung.COA:
        return Belief.CONTRADICTED, "acknowledged, and the session goes on"
    span_s = (last.at - told.before.at).total_seconds()
    if told.looks == 0:
        # The first report after it tells of the time before it as well.
        return (Belief.LOOKED if _is_limited(told.profile) else Belief.BELIEVED), ""
    if span_s < SPAN_S_MIN:
        return Belief.WAITS, ""
    for direction, octets, allowed_bps in (
        ("upload", last.input_octets - told.before.input_octets, _most(told.profile, "upload")),
        (
            "download",
            last.output_octets - told.before.output_octets,
            _most(told.profile, "download"),
        ),
    ):
        bps = octets * 8 / span_s
        if allowed_bps is not None and bps > allowed_bps * TOLERANCE:
            return (
                Belief.CONTRADICTED,
                f"acknowledged, and {direction} goes on at {bps / 1e6:.1f} Mbit/s"
                f" instead of {allowed_bps / 1e6:.1f}",
            )
    return Belief.BELIEVED, ""


def _is_limited(profile: ServiceProfile | None) -> bool:
    return profile is not None and not (profile.download_bps is None and profile.upload_bps is None)


def _most(profile: ServiceProfile | None, direction: str) -> int | None:
    if profile is None:
        return None
    plain: int | None = getattr(profile, f"{direction}_bps")
    if plain is None or profile.burst is None:
        return plain
    faster: int = getattr(profile.burst, f"{direction}_bps")
    return max(plain, faster)
