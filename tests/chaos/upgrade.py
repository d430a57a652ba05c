"""Two nodes before one database are upgraded under load, one after the other (fault D14).

    python -m tests.chaos.upgrade [--sessions 4000]

A node is told to reload, and then each is stopped by SIGTERM and started again, as a rolling
upgrade does it.  Prints a row for bench/RESULTS.md: the longest silence of a node meanwhile,
its start included, and what was lost.
"""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import pairwise

from app.simulator.events import What
from app.simulator.playing import populate
from app.simulator.scenario import Scenario
from app.simulator.simulation import Simulation
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
from tests.chaos.trial import await_drained
from tests.scenarios.outside import outside_database
from tests.serving import SECRET, Turnpike, eventually, turnpike_process

LOGINS_PER_S = 100.0  # at both nodes together
LASTS_AT_MOST_S = 600.0
CALM_S = 1.0
RELOADED_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Silence:
    """The longest time between two answers of a node while something was done to it."""

    what: str
    node: int
    records_s: float
    logins_s: float


@dataclass(slots=True)
class Upgraded:
    """What came of it.  Seconds are those of this machine in this moment."""

    verdict: Verdict
    acknowledged: int
    logins: int
    logins_refused: int  # or unanswered, three times
    wrong: Sequence[str]  # what no box may hear
    silences: Sequence[Silence]


@dataclass(frozen=True, slots=True)
class _Node:
    """One of the two, and what the boxes that ask it heard."""

    number: int
    turnpike: Turnpike
    watched: Watched = field(default_factory=Watched)


def upgrade(count: int) -> Upgraded:
    """Play it on instances of its own, with at least so many sessions."""
    crowd = even(LOGINS_PER_S, repeats=0.25)
    with outside_database() as outside, turnpike_process(DATABASE_URL=outside.url) as one:
        one.command("apply", "-", stdin=json.dumps(CHAOS_ISP))
        key = str(one.data_dir / "turnpike.key")
        with turnpike_process(DATABASE_URL=outside.url, KEY_FILE=key) as other:
            one.settle()
            other.settle()
            nodes = [_Node(number, turnpike) for number, turnpike in enumerate((one, other))]

            async def play() -> tuple[list[Simulation], list[Silence]]:
                async with AsyncExitStack() as open_:
                    sims = []
                    for node in nodes:
                        sim = Simulation(
                            server(node.turnpike), SECRET, seed=3, watch=node.watched.note
                        )
                        sims.append(await open_.enter_async_context(sim))
                        await populate(sim, Scenario(crowd[node.number :: 2]), 3)
                    silences = []
                    for what, number in (("reload", 0), ("restart", 0), ("restart", 1)):
                        silences += await _disturb(what, nodes[number], nodes)
                    for sim in sims:
                        await sim.until(
                            lambda: sum(len(one.tally.sessions) for one in sims) >= count,
                            LASTS_AT_MOST_S,
                        )
                    for sim in sims:
                        for nas in sim.nases:
                            nas.stop()
                    for sim in sims:
                        await sim.settled(GIVE_UP_AFTER_S)
                return sims, silences

            sims, silences = asyncio.run(play())
            await_drained(one)
            await_drained(other)
        acknowledged = [packet for node in nodes for packet in node.watched.acknowledged]
        tallies = [sim.tally for sim in sims]
        return Upgraded(
            compare(outside.url, expected(tallies), acknowledged),
            len(acknowledged),
            sum(len(node.watched.logins) for node in nodes),
            sum(one.counts[What.LOGIN_UNANSWERED] + one.counts[What.REJECTED] for one in tallies),
            [wrong for node in nodes for wrong in node.watched.wrong],
            silences,
        )


async def _disturb(what: str, node: _Node, nodes: Sequence[_Node]) -> list[Silence]:
    """Do it, and tell how long each node was silent; before and after it there is calm."""
    await asyncio.sleep(CALM_S)
    began, turnpike = time.monotonic(), node.turnpike
    if what == "reload":
        before = len(turnpike.log)
        turnpike.process.send_signal(signal.SIGHUP)
        await asyncio.to_thread(
            eventually, lambda: "event=reloaded" in turnpike.log[before:], RELOADED_WITHIN_S
        )
    else:
        assert await asyncio.to_thread(turnpike.stop) == 0
        await asyncio.to_thread(turnpike.start)
    await asyncio.sleep(CALM_S)
    whose = f"{what} of node {node.number + 1}"
    return [
        Silence(
            whose,
            each.number,
            _longest(each.watched.records, began),
            _longest(each.watched.logins, began),
        )
        for each in nodes
    ]


def _longest(waits: Sequence[Wait], began: float) -> float:
    """The longest time between two answers since then."""
    answered = sorted(wait.began + wait.lasted_s for wait in waits)
    times = [began, *(at for at in answered if at > began), time.monotonic()]
    return max(after - before for before, after in pairwise(times))


def main() -> int:
    """Zero if nothing was lost, doubled or left open."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.upgrade", description=__doc__)
    asked.add_argument("--sessions", type=int, default=4_000)
    arguments = asked.parse_args()
    done = upgrade(arguments.sessions)
    verdict = done.verdict
    silences = "; ".join(
        f"{one.what}: node {one.node + 1} {one.records_s:.2f} s without a receipt,"
        f" {one.logins_s:.2f} s without a login answered"
        for one in done.silences
    )
    sys.stdout.write(
        f"| D14 | `python -m tests.chaos.upgrade --sessions {arguments.sessions}`: two nodes,"
        f" a reload and a rolling restart | {done.acknowledged} records acknowledged, lost"
        f" {len(verdict.lost)}, doubled {len(verdict.doubled)}, short {len(verdict.short)}, left"
        f" open {len(verdict.left_open)}; {done.logins} logins answered, {done.logins_refused} not"
        f" within three tries; {silences} (2 s asked) |\n"
    )
    return 0 if verdict.is_clean and not done.wrong else 1


if __name__ == "__main__":
    sys.exit(main())
