"""The database goes away under load: logins and receipts go on, and all is drained afterwards.

    python -m tests.chaos.outage [--seconds 60] [--how refused|hung|silent]

prints a row for bench/RESULTS.md: how long each took before, during and after the outage
(fault D3).
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from accounting.status import IngestStatus
from core import status
from tests.chaos.boxes import Box, LoginBox, Wait, connected
from tests.chaos.comparing import Verdict, compare
from tests.chaos.figures import ms
from tests.chaos.plan import sessions
from tests.chaos.trial import CHAOS_ISP, DRAINED_WITHIN_S, HOSTS, await_drained
from tests.passage import Passage, passage
from tests.scenarios.outside import Outside, outside_database
from tests.serving import PASSWORD, SECRET, Turnpike, eventually, turnpike_process

REFUSED, HUNG, SILENT = "refused", "hung", "silent"
INTERIMS = 3


@dataclass(frozen=True, slots=True)
class Outage:
    """How the database goes, for how long, and what is asked meanwhile."""

    how: str
    lasts_s: float
    before_s: float = 5.0
    after_s: float = 5.0
    logins_per_s: float = 200.0
    reports_per_s: float = 500.0


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
    logins_refused: int
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
        length_s = outage.before_s + outage.lasts_s + outage.after_s
        count = int(length_s * outage.reports_per_s / (INTERIMS + 2))
        planned = list(sessions(2, count, len(HOSTS), INTERIMS, int(time.time())))
        chance = random.Random(2)

        async def play() -> tuple[list[Box], LoginBox, int, float, float, float]:
            boxes = await connected(one.acct, HOSTS, lambda: Box(SECRET.encode(), chance))
            [asking] = await connected(one.auth, HOSTS[:1], lambda: LoginBox(SECRET.encode()))
            over = asyncio.Event()
            gate = asyncio.Semaphore(int(outage.reports_per_s))

            async def tell(number: int) -> None:
                async with gate:
                    # A report each second and session: as many sessions as reports a second.
                    await boxes[planned[number].nas].tell(planned[number], 0.25, 1.0)

            logins = asyncio.create_task(
                asking.log_in("alice", PASSWORD, outage.logins_per_s, over)
            )
            reports = asyncio.gather(*(tell(number) for number in range(count)))
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
            over.set()
            refused = await logins
            await reports
            drained_s = await drained
            for each in (*boxes, asking):
                each.close()
            return boxes, asking, refused, began, ended, drained_s

        boxes, asking, refused, began, ended, drained_s = asyncio.run(play())
        await_drained(one)
        acknowledged = [packet for box in boxes for packet in box.acknowledged]
        return Endured(
            compare(outside.url, planned, acknowledged),
            len(acknowledged),
            refused,
            drained_s,
            _split(asking.waits, began, ended),
            _split((wait for box in boxes for wait in box.waits), began, ended),
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
    return 0 if verdict.is_clean and not done.logins_refused else 1


def _pair(took_s: Sequence[float]) -> str:
    return f"{ms(took_s, 0.5)}/{ms(took_s, 0.99)}"


if __name__ == "__main__":
    sys.exit(main())
