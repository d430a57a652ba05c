"""The database goes away under load: logins and receipts go on, and all is drained afterwards.

    python -m tests.chaos.outage [--seconds 60] [--how refused|hung|silent]

prints a row for bench/RESULTS.md: how long each took before, during and after the outage
(fault D3).
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from accounting.status import IngestStatus
from app.simulator.events import What
from app.simulator.playing import populate
from app.simulator.scenario import Scenario
from app.simulator.simulation import Simulation
from app.simulator.tally import Tally
from core import status
from tests.chaos.comparing import Verdict, compare
from tests.chaos.crowd import (
    CHAOS_ISP,
    GIVE_UP_AFTER_S,
    Wait,
    Watched,
    even,
    expected,
    server,
)
from tests.chaos.figures import ms
from tests.chaos.trial import DRAINED_WITHIN_S, await_drained
from tests.passage import Passage, passage
from tests.scenarios.outside import Outside, outside_database
from tests.serving import SECRET, Turnpike, eventually, turnpike_process

REFUSED, HUNG, SILENT = "refused", "hung", "silent"


@dataclass(frozen=True, slots=True)
class Outage:
    """How the database goes, for how long, and what is asked meanwhile."""

    how: str
    lasts_s: float
    before_s: float = 5.0
    after_s: float = 5.0
    logins_per_s: float = 100.0  # and five records of each


class Times(NamedTuple):
    """Until an answer came, in seconds, sorted; by when it was asked for."""

    before: list[float]
    during: list[float]
    after: list[float]


@dataclass(slots=True)
class Endured:
    """What came of it."""

    verdict: Verdict
    acknowledged: int
    wrong: Sequence[str]  # what no box may hear
    logins_refused: int  # or unanswered, three times
    drained_s: float  # after its return
    logins: Times
    reports: Times


def endure(outage: Outage) -> Endured:
    """An instance of its own, a database outside, and the outage."""
    with (
        outside_database() as outside,
        passage(outside.url) as way,
        turnpike_process(
            CHAOS_ISP, DATABASE_URL=way.url if outage.how == SILENT else outside.url
        ) as one,
    ):
        scenario = Scenario(even(outage.logins_per_s, repeats=0.25))
        watched = Watched()

        async def play() -> tuple[Tally, float, float, float]:
            async with Simulation(server(one), SECRET, seed=2, watch=watched.note) as sim:
                await populate(sim, scenario, 2)
                await asyncio.sleep(outage.before_s)
                began = time.monotonic()
                await asyncio.to_thread(_away, outside, way, outage.how)
                await asyncio.sleep(outage.lasts_s)
                ended = time.monotonic()
                await asyncio.to_thread(outside.back)
                way.open()
                back_at = time.monotonic()
                drained = asyncio.create_task(asyncio.to_thread(_drained_s, one, back_at))
                await asyncio.sleep(outage.after_s)
                for nas in sim.nases:
                    nas.stop()
                await sim.settled(GIVE_UP_AFTER_S)
                return sim.tally, began, ended, await drained

        tally, began, ended, drained_s = asyncio.run(play())
        await_drained(one)
        return Endured(
            compare(outside.url, expected([tally]), watched.acknowledged),
            len(watched.acknowledged),
            watched.wrong,
            tally.counts[What.LOGIN_UNANSWERED] + tally.counts[What.REJECTED],
            drained_s,
            _split(watched.logins, began, ended),
            _split(watched.records, began, ended),
        )


def _away(outside: Outside, way: Passage, how: str) -> None:
    if how == SILENT:
        way.fall_silent()
    elif how == HUNG:
        outside.hang()
    else:
        outside.refuse()


def _drained_s(one: Turnpike, back_at: float) -> float:
    """How long it took until all that came before `back_at` was in the database."""
    back_at_s = time.time() - (time.monotonic() - back_at)

    def is_drained() -> bool:
        said = status.read(one.paths.status, "ingest", IngestStatus).get("ingest")
        if said is None or not said[0].connected or said[1] < back_at_s:
            return False
        oldest_at = said[0].oldest_undrained_at
        return not oldest_at or oldest_at > back_at_s

    eventually(is_drained, DRAINED_WITHIN_S)
    return time.monotonic() - back_at


def _split(waits: Iterable[Wait], began: float, ended: float) -> Times:
    times = Times([], [], [])
    for wait in waits:
        phase = (
            times.before if wait.began < began
            else times.during if wait.began < ended
            else times.after
        )  # fmt: skip
        phase.append(wait.lasted_s)
    return Times(*map(sorted, times))


def main() -> int:
    """Zero if nothing was refused, lost or doubled."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.outage", description=__doc__)
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--how", choices=(REFUSED, HUNG, SILENT), default=REFUSED)
    arguments = asked.parse_args()
    done = endure(Outage(arguments.how, arguments.seconds, before_s=15.0))
    verdict = done.verdict
    said = "; ".join(
        f"{what} p50/p99 {_pair(times.before)} before, {_pair(times.during)} during,"
        f" {_pair(times.after)} ms after"
        for what, times in (("logins", done.logins), ("records", done.reports))
    )
    sys.stdout.write(
        f"| D3, {arguments.how} | `python -m tests.chaos.outage --seconds {arguments.seconds:.0f}"
        f" --how {arguments.how}` | {len(done.logins.during)} logins answered meanwhile and"
        f" {done.logins_refused} of all not; {done.acknowledged} records acknowledged,"
        f" {len(done.reports.during)} of them meanwhile; lost {len(verdict.lost)},"
        f" doubled {len(verdict.doubled)}, short {len(verdict.short)}, left open"
        f" {len(verdict.left_open)}; drained {done.drained_s:.1f} s after its return; {said} |\n"
    )
    return 0 if verdict.is_clean and not done.wrong and not done.logins_refused else 1


def _pair(took_s: Sequence[float]) -> str:
    return f"{ms(took_s, 0.5)}/{ms(took_s, 0.99)}"


if __name__ == "__main__":
    sys.exit(main())
