"""Two nodes before one database are upgraded under load, one after the other (fault D14).

    python -m tests.chaos.upgrade [--sessions 4000]

A node is told to reload, and then each is stopped by SIGTERM and started again, as a rolling
upgrade does it.  Prints a row for bench/RESULTS.md: the longest silence of a node meanwhile,
its start included, and what was lost.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tests.chaos.boxes import Asker, Box, LoginBox, connected
from tests.chaos.comparing import Verdict, compare
from tests.chaos.plan import sessions
from tests.chaos.trial import CHAOS_ISP, HOSTS, await_drained
from tests.scenarios.outside import outside_database
from tests.serving import PASSWORD, SECRET, Turnpike, eventually, turnpike_process

AT_ONCE, INTERIMS, PACE_S, LOGINS_PER_S = 200, 2, 0.3, 50.0
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
    logins_refused: int
    silences: Sequence[Silence]


@dataclass(frozen=True, slots=True)
class _Node:
    """One of the two, and who asks it."""

    number: int
    turnpike: Turnpike
    boxes: Sequence[Box]
    asking: LoginBox


def upgrade(count: int) -> Upgraded:
    """Play it on instances of its own."""
    planned = list(sessions(3, count, len(HOSTS), INTERIMS, int(time.time())))
    chance = random.Random(3)
    with outside_database() as outside, turnpike_process(DATABASE_URL=outside.url) as one:
        one.command("apply", "-", stdin=json.dumps(CHAOS_ISP))
        key = str(one.data_dir / "turnpike.key")
        with turnpike_process(DATABASE_URL=outside.url, KEY_FILE=key) as other:
            one.settle()
            other.settle()

            async def play() -> tuple[list[_Node], list[Silence], int]:
                nodes = [
                    _Node(number, turnpike, *await _askers(turnpike, chance))
                    for number, turnpike in enumerate((one, other))
                ]
                over, gate = asyncio.Event(), asyncio.Semaphore(AT_ONCE)
                logins = [
                    asyncio.create_task(node.asking.log_in("alice", PASSWORD, LOGINS_PER_S, over))
                    for node in nodes
                ]

                async def tell(number: int) -> None:
                    session = planned[number]
                    async with gate:
                        box = nodes[session.nas % 2].boxes[session.nas]
                        await box.tell(session, 0.25, PACE_S)

                reports = asyncio.gather(*(tell(number) for number in range(count)))
                silences = []
                for what, number in (("reload", 0), ("restart", 0), ("restart", 1)):
                    silences += await _disturb(what, nodes[number], nodes)
                await reports
                over.set()
                refused = sum([await each for each in logins])
                for node in nodes:
                    for each in (*node.boxes, node.asking):
                        each.close()
                return nodes, silences, refused

            nodes, silences, refused = asyncio.run(play())
            await_drained(one)
            await_drained(other)
        acknowledged = [
            packet for node in nodes for box in node.boxes for packet in box.acknowledged
        ]
        return Upgraded(
            compare(outside.url, planned, acknowledged),
            len(acknowledged),
            sum(len(node.asking.waits) for node in nodes),
            refused,
            silences,
        )


async def _askers(turnpike: Turnpike, chance: random.Random) -> tuple[list[Box], LoginBox]:
    boxes = await connected(turnpike.acct, HOSTS, lambda: Box(SECRET.encode(), chance))
    [asking] = await connected(turnpike.auth, HOSTS[:1], lambda: LoginBox(SECRET.encode()))
    return boxes, asking


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
        Silence(whose, each.number, _longest(each.boxes, began), _longest([each.asking], began))
        for each in nodes
    ]


def _longest(askers: Iterable[Asker], began: float) -> float:
    """The longest time between two answers to any of them since then."""
    answered = sorted(wait.began + wait.lasted_s for asker in askers for wait in asker.waits)
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
    return 0 if verdict.is_clean else 1


if __name__ == "__main__":
    sys.exit(main())
