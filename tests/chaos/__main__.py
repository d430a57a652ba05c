"""`make chaos`: the trial at full size (fault D1 by default), and its figures.

python -m tests.chaos [--kills 100] [--sessions 20000] [--only database] [--seed 1]
"""

import argparse
import sys
from statistics import median

from tests.chaos.trial import VICTIMS, Load, Outcome, house, run


def main() -> int:
    """Zero if nothing was lost, doubled or left open."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--sessions", type=int, default=20_000)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", choices=sorted(set(VICTIMS)), help="kill nothing else")
    arguments = asked.parse_args()
    load = Load(
        seed=arguments.seed,
        sessions=arguments.sessions,
        interims=4,
        kills=arguments.kills,
        victims=(arguments.only,) if arguments.only else VICTIMS,
        pace_s=1.25,
        at_once=1_000,
    )
    with house() as one:
        outcome = run(one, load)
    tell(load, outcome)
    return 0 if outcome.verdict.is_clean and not outcome.wrong else 1


def tell(load: Load, outcome: Outcome) -> None:
    """The figures as lines."""
    verdict = outcome.verdict
    kills = ", ".join(f"{victim} {count}" for victim, count in sorted(outcome.kills.items()))
    lines = [
        f"sessions {outcome.sessions}, of records told twice {load.duplicates:.0%},"
        f" seed {load.seed}",
        f"kills {sum(outcome.kills.values())} ({kills}), boxes rebooted {outcome.reboots}",
        f"acknowledged {outcome.acknowledged} in {outcome.reported_s:.0f} s,"
        f" stored {verdict.records}, drained {outcome.drained_s:.1f} s after the last",
        f"lost {len(verdict.lost)}, doubled {len(verdict.doubled)},"
        f" short {len(verdict.short)}, left open {len(verdict.left_open)}",
    ]
    if outcome.first_answers_s:
        lines.append(
            "every box answered again after a worker's end or the supervisor's new start:"
            f" median {median(outcome.first_answers_s):.2f} s, worst"
            f" {max(outcome.first_answers_s):.2f} s"
        )
    if outcome.reconnects_s:
        lines.append(
            "ingest stored records again after PostgreSQL's end:"
            f" median {median(outcome.reconnects_s):.2f} s, worst {max(outcome.reconnects_s):.2f} s"
        )
    if outcome.wrong:
        lines.append(f"wrongly answered, refused or never {len(outcome.wrong)}")
    for what in (
        verdict.lost, verdict.doubled, verdict.short, verdict.left_open, outcome.wrong
    ):  # fmt: skip
        lines += [f"  {one}" for one in what[:5]]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
