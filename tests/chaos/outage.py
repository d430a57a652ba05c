"""The database goes away under load: logins and receipts go on, and all is drained afterwards.

    python -m tests.chaos.outage [--seconds 60] [--how refused|hung|silent]

prints how long each took before and during the outage (fault D3).
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.chaos.boxes import Box, LoginBox, Wait, connected
from tests.chaos.comparing import Verdict, compare
from tests.chaos.plan import sessions
from tests.chaos.trial import CHAOS_ISP, HOSTS, await_drained
from tests.passage import Passage, passage
from tests.scenarios.outside import Outside, outside_database
from tests.serving import PASSWORD, SECRET, turnpike_process

REFUSED, HUNG, SILENT = "refused", "hung", "silent"
INTERIMS = 3


@dataclass(frozen=True, slots=True)
class Outage:
    """How the database goes, for how long, and what is asked meanwhile."""

    how: str
    lasts_s: float
    before_s: float = 5.0
    logins_per_s: float = 200.0
    reports_per_s: float = 500.0


@dataclass(slots=True)
class Endured:
    """What came of it."""

    verdict: Verdict
    acknowledged: int
    logins_refused: int
    drained_s: float
    logins: tuple[Sequence[float], Sequence[float]]  # seconds, before and during, sorted
    reports: tuple[Sequence[float], Sequence[float]]


def endure(outage: Outage) -> Endured:
    """An instance of its own, a database outside, and the outage."""
    with (
        outside_database() as outside,
        passage(outside.url) as way,
        turnpike_process(
            CHAOS_ISP, DATABASE_URL=way.url if outage.how == SILENT else outside.url
        ) as one,
    ):
        length_s = outage.before_s + outage.lasts_s
        count = int(length_s * outage.reports_per_s / (INTERIMS + 2))
        planned = list(sessions(2, count, len(HOSTS), INTERIMS, int(time.time())))
        chance = random.Random(2)

        async def play() -> tuple[list[Box], LoginBox, int, float, float]:
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
            over.set()
            refused = await logins
            await asyncio.to_thread(outside.back)
            way.open()
            await reports
            for each in (*boxes, asking):
                each.close()
            return boxes, asking, refused, began, ended

        boxes, asking, refused, began, ended = asyncio.run(play())
        back_at = time.monotonic()
        await_drained(one)
        acknowledged = [packet for box in boxes for packet in box.acknowledged]
        return Endured(
            compare(outside.url, planned, acknowledged),
            len(acknowledged),
            refused,
            time.monotonic() - back_at,
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


def _split(waits: Iterable[Wait], began: float, ended: float) -> tuple[list[float], list[float]]:
    before, during = [], []
    for wait in waits:
        if wait.began < began:
            before.append(wait.lasted_s)
        elif wait.began < ended:
            during.append(wait.lasted_s)
    return sorted(before), sorted(during)


def main() -> int:
    """Zero if nothing was refused, lost or doubled."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.outage", description=__doc__)
    asked.add_argument("--seconds", type=float, default=60.0)
    asked.add_argument("--how", choices=(REFUSED, HUNG, SILENT), default=REFUSED)
    arguments = asked.parse_args()
    done = endure(Outage(arguments.how, arguments.seconds, before_s=15.0))
    verdict = done.verdict
    lines = [
        f"{arguments.how} for {arguments.seconds:.0f} s: {done.acknowledged} records acknowledged,"
        f" {done.logins_refused} logins not answered with Access-Accept",
        f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, short {len(verdict.short)},"
        f" left open {len(verdict.left_open)}; drained {done.drained_s:.1f} s after its return",
    ]
    for what, (before, during) in (("logins", done.logins), ("records", done.reports)):
        lines.append(
            f"{what}: p50 {_ms(before, 0.5)} -> {_ms(during, 0.5)} ms,"
            f" p99 {_ms(before, 0.99)} -> {_ms(during, 0.99)} ms"
        )
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if verdict.is_clean and not done.logins_refused else 1


def _ms(waits_s: Sequence[float], part: float) -> str:
    return f"{1000 * waits_s[int(part * (len(waits_s) - 1))]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
