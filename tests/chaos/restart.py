"""A box with 50 000 sessions restarts while the database is away (fault D10).

    python -m tests.chaos.restart [--sessions 50000] [--rate 2000]

prints a row for bench/RESULTS.md: how long each record and the restart took to be
acknowledged through the port, and how long after the database's return all was closed.
"""

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from tests.asking import pairs, tlv
from tests.chaos.boxes import connected
from tests.chaos.crowd import CHAOS_ISP, HOSTS
from tests.chaos.figures import spread
from tests.chaos.plan import Report, sessions
from tests.chaos.trial import await_drained
from tests.scenarios.flows import sql
from tests.scenarios.outside import outside_database
from tests.serving import SECRET, turnpike_process

ACCOUNTING_ON = 7
RESTARTED, OTHER = HOSTS[:2]
OTHERS = 50
SOCKETS = 8  # of the box: each has 256 requests on their way at most
NAS_REBOOT = 11
CLOSED_WITHIN_S = 300.0  # what is asked is 30; how long it takes is a figure


@dataclass(slots=True)
class Restarted:
    """What came of it.  Seconds are those of this machine in this moment."""

    records_s: Sequence[float]  # until each was acknowledged, sorted
    restart_s: float
    closed_s: float  # after the database's return
    wrong: Sequence[str]  # how the sessions are not as they should be


def restart(count: int, rate: float) -> Restarted:
    """Play it on an instance of its own."""
    reports = {  # one of each session, in its middle
        one.acct_session_id: one.reports[1] for one in sessions(5, count, 1, 1, int(time.time()))
    }
    with (
        outside_database() as outside,
        turnpike_process(CHAOS_ISP, DATABASE_URL=outside.url) as one,
    ):
        restarting = Report(int(time.time()), tlv(40, ACCOUNTING_ON) + tlv(55, int(time.time())))

        async def play() -> tuple[list[float], float]:
            boxes = await connected(one.acct, [RESTARTED] * SOCKETS, SECRET)
            [other] = await connected(one.acct, [OTHER], SECRET)
            async with asyncio.TaskGroup() as asking:
                for report in [*reports.values()][:OTHERS]:
                    asking.create_task(other.report(report))
                due = time.monotonic()
                for number, report in enumerate(reports.values()):
                    asking.create_task(boxes[number % SOCKETS].report(report))
                    due += 1 / rate
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
            took_s = sorted(wait.lasted_s for box in boxes for wait in box.waits)
            await boxes[0].report(restarting)
            restart_s = boxes[0].waits[-1].lasted_s
            for box in (*boxes, other):
                box.close()
            return took_s, restart_s

        outside.refuse()
        took_s, restart_s = asyncio.run(play())
        outside.back()
        back_at = time.monotonic()
        await_drained(one, CLOSED_WITHIN_S)
        closed_s = time.monotonic() - back_at
        before = _wrong(outside.url, reports)
        asyncio.run(_again(one.acct, restarting))
        await_drained(one, CLOSED_WITHIN_S)
        after = [f"after a second restart: {each}" for each in _wrong(outside.url, reports)]
    return Restarted(took_s, restart_s, closed_s, [*before, *after])


async def _again(server: tuple[str, int], report: Report) -> None:
    [box] = await connected(server, [RESTARTED], SECRET)
    await box.report(report)
    box.close()


def _wrong(url: str, reports: dict[str, Report]) -> list[str]:
    """What is not so: all of the box closed at their last counters, of the other none."""
    found = {
        (row["name"], row["acct_session_id"]): row
        for row in sql(
            url,
            "SELECT n.name, s.acct_session_id, s.closed_by, s.terminate_cause, s.input_octets,"
            " s.output_octets, s.stopped_at = s.last_seen_at AS ends_there"
            " FROM session AS s JOIN nas AS n ON n.id = s.nas_id",
        )
    }
    wrong = []
    for host, kept in ((RESTARTED, len(reports)), (OTHER, OTHERS)):
        for name, report in [*reports.items()][:kept]:
            told = dict(pairs(report.attributes))
            octets = tuple(
                int.from_bytes(told[high] + told[low], "big") for high, low in ((52, 42), (53, 43))
            )
            row = found.pop((f"box-{host}", name), None)
            state = (
                ("accounting-on", NAS_REBOOT, True, octets)
                if host == RESTARTED
                else ("", 0, None, octets)
            )
            if row is None or state != (
                row["closed_by"],
                row["terminate_cause"],
                row["ends_there"],
                (row["input_octets"], row["output_octets"]),
            ):
                wrong.append(f"{host} {name}: {row} instead of {state}")
    return wrong + [f"too many: {key}" for key in found]


def main() -> int:
    """Zero if every session is as it should be."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.restart", description=__doc__)
    asked.add_argument("--sessions", type=int, default=50_000)
    asked.add_argument("--rate", type=float, default=2_000.0, help="records a second")
    arguments = asked.parse_args()
    done = restart(arguments.sessions, arguments.rate)
    sys.stdout.write(
        f"| D10 | `python -m tests.chaos.restart --sessions {arguments.sessions}"
        f" --rate {arguments.rate:.0f}`: Accounting-On after as many sessions, the database away"
        f" | {len(done.records_s)} records acknowledged: {spread(done.records_s)};"
        f" the restart {1000 * done.restart_s:.1f} ms (1 s asked); all closed at their last"
        f" counters {done.closed_s:.1f} s after the database's return (30 s asked),"
        f" {len(done.wrong)} wrong |\n"
    )
    sys.stdout.writelines(f"  {each}\n" for each in done.wrong[:5])
    return 1 if done.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
