"""A node under even load for as long as asked: memory and descriptors stay flat (fault O1).

    python -m tests.chaos.soak [--minutes 60]

Samples every process of the node; what counts is the growth between the median of the
first half after the warm-up and that of the last quarter.
"""

import argparse
import asyncio
import re
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from app.simulator.events import What
from app.simulator.playing import populate
from app.simulator.scenario import Scenario
from app.simulator.simulation import Simulation
from app.simulator.tally import Tally
from tests.chaos.comparing import Verdict, compare
from tests.chaos.crowd import GIVE_UP_AFTER_S, Watched, even, expected, server
from tests.chaos.trial import await_drained, house
from tests.scenarios.flows import private_url, processes_of
from tests.serving import SECRET, Turnpike

WARM_UP = 0.1  # of the whole time
FLAT_PART, FLAT_OCTETS, FLAT_DESCRIPTORS = 0.1, 4 * 2**20, 2  # more of both parts is growth
KIB = 1024
ROLE = re.compile(r"app\.children (\w+ ?\d*)|turnpike (serve)")


@dataclass(frozen=True, slots=True)
class Sample:
    private_octets: int
    descriptors: int


@dataclass(slots=True)
class Soaked:
    """What came of it; samples by process, named by what it does."""

    verdict: Verdict
    acknowledged: int = 0
    logins: int = 0
    wrong: Sequence[str] = ()  # what no box may hear
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def growth(self, name: str) -> tuple[float, int]:
        """Of a process: private octets in parts of what it had, and descriptors."""
        warm = self.samples[name][int(len(self.samples[name]) * WARM_UP) :]
        early, late = warm[: len(warm) // 2], warm[-max(1, len(warm) // 4) :]
        before = median(one.private_octets for one in early)
        after = median(one.private_octets for one in late)
        descriptors = [median(one.descriptors for one in part) for part in (early, late)]
        return after / before - 1, round(descriptors[1] - descriptors[0])

    def is_flat(self, name: str) -> bool:
        """Whether a process keeps what it had."""
        grown, descriptors = self.growth(name)
        octets = grown * self.samples[name][-1].private_octets
        return descriptors <= FLAT_DESCRIPTORS and (grown <= FLAT_PART or octets <= FLAT_OCTETS)


def soak(lasts_s: float, logins_per_s: float = 50, every_s: float = 10) -> Soaked:
    """A new instance under load for so long; each login brings some records with it."""
    scenario = Scenario(even(logins_per_s, repeats=0.1))
    with house() as one:
        soaked, watched = Soaked(Verdict(0, (), (), (), ())), Watched()

        async def play() -> Tally:
            over = asyncio.Event()
            async with Simulation(server(one), SECRET, seed=5, watch=watched.note) as sim:
                await populate(sim, scenario, 5)
                watching = asyncio.create_task(_watch(one, soaked, every_s, over))
                await asyncio.sleep(lasts_s)
                for nas in sim.nases:
                    nas.stop()
                await sim.settled(GIVE_UP_AFTER_S)
                over.set()
                await watching
            return sim.tally

        tally = asyncio.run(play())
        await_drained(one)
        soaked.acknowledged, soaked.logins = len(watched.acknowledged), len(watched.logins)
        soaked.wrong = [
            *watched.wrong, *["a login was not answered"] * tally.counts[What.LOGIN_UNANSWERED]
        ]  # fmt: skip
        soaked.verdict = compare(private_url(one), expected([tally]), watched.acknowledged)
    return soaked


async def _watch(one: Turnpike, soaked: Soaked, every_s: float, over: asyncio.Event) -> None:
    while not over.is_set():
        found = await asyncio.to_thread(processes_of, one)
        for pid, command in found.items():
            role = ROLE.search(command)
            if role is None:
                continue
            with suppress(OSError):  # gone meanwhile
                name = (role[1] or role[2]).strip()
                soaked.samples.setdefault(name, []).append(_sample(pid))
        with suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), every_s)


def _sample(pid: int) -> Sample:
    process = Path(f"/proc/{pid}")
    private = sum(
        int(line.split()[1]) * KIB
        for line in (process / "smaps_rollup").read_text().splitlines()
        if line.startswith("Private_")
    )
    return Sample(private, len(list((process / "fd").iterdir())))


def main() -> int:
    """Zero if nothing was lost and nothing grew."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    asked.add_argument("--minutes", type=float, default=60.0)
    soaked = soak(asked.parse_args().minutes * 60)
    verdict = soaked.verdict
    lines = [
        f"{soaked.acknowledged} records acknowledged, {soaked.logins} logins,"
        f" {len(soaked.wrong)} refused, unanswered or wrongly answered,"
        f" lost {len(verdict.lost)}, doubled {len(verdict.doubled)}, short {len(verdict.short)}"
    ]
    for name, samples in sorted(soaked.samples.items()):
        grown, descriptors = soaked.growth(name)
        lines.append(_line(name, samples, grown, descriptors))
    sys.stdout.write("\n".join(lines) + "\n")
    is_flat = all(soaked.is_flat(name) for name in soaked.samples)
    return 0 if verdict.is_clean and not soaked.wrong and is_flat else 1


def _line(name: str, samples: Sequence[Sample], grown: float, descriptors: int) -> str:
    last = samples[-1]
    return (
        f"{name:12} {last.private_octets / 2**20:6.1f} MiB private ({grown:+.1%}),"
        f" {last.descriptors} descriptors ({descriptors:+d})"
    )


if __name__ == "__main__":
    sys.exit(main())
