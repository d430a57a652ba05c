"""A process that spools numbered records and says on standard output what it was told of them.

    python -m tests.faults.appending ROOT [--count N] [--every S] [--burst N] [--pause S]

`ok N N N` are receipts, `no N` refusals, `state REFUSING FAILURES` is said when it changes.
With --acks FILE the receipts go there as well, so that a trace of the disk has them in
their place.  Ends after --count records or, without it, when its standard input does.
"""

import argparse
import asyncio
import os
import random
import sys
from collections.abc import Sequence
from pathlib import Path

from accounting.spool_writer import DiskSpool, SpoolLimits
from core import log
from core.clock import Clock
from tests.accounting.spooling import record


async def run(arguments: argparse.Namespace) -> None:
    acks = os.open(arguments.acks, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if arguments.acks else -1

    def settled(numbers: Sequence[int], is_durable: bool) -> None:
        said = " ".join(map(str, numbers))
        if is_durable and acks >= 0:
            os.write(acks, said.encode() + b"\n")
        print("ok" if is_durable else "no", said, flush=True)  # noqa: T201 - its product

    limits = SpoolLimits(pause_s=arguments.pause, segment_records_max=arguments.segment)
    spool: DiskSpool[int] = DiskSpool(arguments.root, "0", Clock(), limits)
    spool.start(settled)
    choose, number, state = random.Random(1), 0, ""
    ended = asyncio.Event()
    if not arguments.count:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)
    while not ended.is_set() and (not arguments.count or number < arguments.count):
        for _ in range(choose.randint(1, arguments.burst)):
            size = choose.choice((40, 200, 300, 300, 4096)) if arguments.sizes else 300
            refused = spool.append(record(number, size), number)
            if refused:
                print("no", number, flush=True)  # noqa: T201
            number += 1
        status = spool.status
        if state != (state := f"state {status.refusing or '-'} {status.failures}"):
            print(state, flush=True)  # noqa: T201
        await asyncio.sleep(arguments.every)
    await spool.stop()
    await asyncio.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=Path)
    parser.add_argument("--acks", type=Path)
    parser.add_argument("--count", type=int, default=0)
    parser.add_argument("--every", type=float, default=0.002)
    parser.add_argument("--burst", type=int, default=10)
    parser.add_argument("--pause", type=float, default=0.3)
    parser.add_argument("--segment", type=int, default=100_000)
    parser.add_argument("--sizes", action="store_true", help="of all sizes")
    log.configure(level="error")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
