"""What a login costs between the sockets: one worker's parts in this process, no generator.

    python -m bench.hotpath --method mschapv2 --profile

Steadier than anything that goes through the kernel, so this is what to look at before and
after a change to the hot path.  Microseconds of CPU a request, the best of the rounds.
"""

import argparse
import cProfile
import gc
import pstats
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from app import login_worker
from app.paths import Paths
from bench import packets
from bench.turnpike import installation
from core import config
from core.clock import Clock
from core.radius.types import ACCESS_ACCEPT

SUBSCRIBERS = 2_000
REQUESTS = 8_192
TURN = 64  # datagrams found in the socket at once
ROUNDS = 7


class Worker:
    """The parts of a login worker, driven by hand."""

    def __init__(self, settings: config.Settings) -> None:
        self._clock = Clock()
        # The number is one that no running worker has: its decision log is its own.
        self._parts = login_worker._assemble(settings, Paths(settings.data_dir), 99, self._clock)
        self._parts.turn.begin()
        self._parts.turn.end()
        self._port = 1024

    def answer(self, requests: Sequence[bytes]) -> int:
        """Answer them all from ports not used before; returns how many were accepted."""
        respond, turn, monotonic = self._parts.auth.respond, self._parts.turn, self._clock.monotonic
        accepted = 0
        for first in range(0, len(requests), TURN):
            self._port += first % packets.IDENTIFIERS == 0
            source = ("127.0.0.1", self._port, b"")
            turn.begin()
            for datagram in requests[first : first + TURN]:
                reply = respond(datagram, source, monotonic())
                accepted += reply is not None and reply[0] == ACCESS_ACCEPT
            turn.end()
        return accepted


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--method", choices=[*packets.METHODS, "all"], default="all")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    methods = list(packets.METHODS) if arguments.method == "all" else [arguments.method]
    with installation(SUBSCRIBERS) as (turnpike, _), TemporaryDirectory() as directory:
        with turnpike.serving():
            pass  # builds the memory map
        worker = Worker(config.load(environ=turnpike.environment))
        gc.collect()
        gc.freeze()
        for method in methods:
            file = Path(directory) / method
            packets.write(file, method, SUBSCRIBERS, requests=REQUESTS)
            _measure(worker, method, [octets for _, octets in packets.read(file)[1]], arguments)


def _measure(
    worker: Worker, method: str, requests: Sequence[bytes], arguments: argparse.Namespace
) -> None:
    best_s = float("inf")
    for _ in range(ROUNDS):
        before = time.process_time()
        accepted = worker.answer(requests)
        best_s = min(best_s, time.process_time() - before)
        assert accepted == len(requests), f"{method}: only {accepted} of {len(requests)} accepted"
    print(f"{method:10} {best_s / len(requests) * 1e6:6.2f} us of CPU a login")
    if arguments.profile:
        profile = cProfile.Profile()
        profile.runcall(worker.answer, requests)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
