"""What a receipt costs: one worker's accounting port with its spool, asked by radload.

    python -m bench.spool --window 256 --seconds 5 --profile

Everything real but PostgreSQL: sockets, authenticators, duplicates, SQLite, fsync.  Prints
acknowledged records a second, microseconds of CPU a record (the worker's process, kernel
included) and the latency; then counts what is on the disk.
"""

import argparse
import asyncio
import cProfile
import gc
import pstats
import resource
import shutil
import socket
import tempfile
from contextlib import closing
from ipaddress import ip_network
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path

from accounting.handler import AccountingHandler
from accounting.segment import remove
from accounting.spool_reader import segments
from accounting.spool_writer import DiskSpool
from bench import radload
from bench.accounting_packets import WHOLE, Stream
from bench.population import SECRET
from core.clock import Clock
from core.radius.authenticity import SharedSecret
from core.radius.clients import Client, Clients
from core.radius.counters import Counters
from core.radius.dedup import DuplicateCache
from core.radius.responder import Later, Port, Responder
from core.radius.server import RadiusServer
from core.udp import Endpoint, bind

SESSIONS = 20_480
REQUESTS = 98 * WHOLE


class _NoTurn:
    def begin(self) -> None: ...

    def end(self) -> None: ...


def worker(root: Path, sock: socket.socket, pipe: Connection, profile: bool) -> None:
    """The process under test, until somebody speaks on `pipe`."""

    async def serve() -> None:
        clock = Clock()
        spool: DiskSpool[Later] = DiskSpool(root, "0", clock)
        handler = AccountingHandler(spool, lambda _: 1, clock)
        client = Client(1, "bench", SharedSecret(SECRET.encode()), True, Counters())
        responder = Responder(
            Port.ACCT,
            handler,
            DuplicateCache(),
            clients=Clients([(ip_network("127.0.0.1"), b"", client)]),
        )
        server = RadiusServer(Endpoint(sock), responder, clock, turn=_NoTurn())
        handler.start(server)
        done = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), done.set)
        gc.collect()
        gc.freeze()
        before = resource.getrusage(resource.RUSAGE_SELF)
        profiler = cProfile.Profile()
        if profile:
            profiler.enable()
        await done.wait()
        profiler.disable()
        after = resource.getrusage(resource.RUSAGE_SELF)
        server.stop_receiving()
        await server.drained()
        await spool.stop()
        server.close()
        if profile:
            pstats.Stats(profiler).sort_stats("tottime").print_stats(18)
        pipe.send(
            (
                after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime,
                client.counters.accounting_responses,
                client.counters.drops,
                after.ru_nvcsw - before.ru_nvcsw,
                after.ru_nivcsw - before.ru_nivcsw,
            )
        )

    asyncio.run(serve())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--window", type=int, default=256)
    parser.add_argument("--rate", type=float, help="open loop instead: records a second")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="on the disk to be measured")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    radload.build()
    root = Path(tempfile.mkdtemp(prefix="turnpike-spool-", dir=arguments.directory))
    try:
        Stream(SESSIONS, 0, 0).write(root / "requests", 0, REQUESTS)
        for _ in range(arguments.rounds):
            _measure(root, arguments)
    finally:
        shutil.rmtree(root)


def _measure(root: Path, arguments: argparse.Namespace) -> None:
    near, far = Pipe()
    with closing(bind("127.0.0.1", 0, receive_buffer_octets=8 * 2**20)) as sock:
        process = get_context("fork").Process(
            target=worker, args=(root / "spool", sock, far, arguments.profile)
        )
        process.start()
        port: int = sock.getsockname()[1]
        options: radload.Options = {"seconds": arguments.seconds}
        if arguments.rate:
            options["rate"] = arguments.rate
        else:
            options["window"] = arguments.window
        outcome = radload.load(root / "requests", port, **options)
        near.send("stop")
        cpu_s, answers, drops, waits, preemptions = near.recv()
        process.join()
    found = list(segments(root / "spool"))
    records = sum(segment.last_seq for segment in found)
    octets = sum(segment.path.stat().st_size for segment in found)
    print(
        f"{outcome.answered_per_s:8.0f} acknowledged/s  {cpu_s / answers * 1e6:6.2f} us of CPU each"
        f"  p50 {outcome.p50_us / 1000:.2f} p99 {outcome.p99_us / 1000:.2f} ms"
        f"  lost {outcome.lost}  on disk {records} of {answers} answered"
        f"  {octets / max(records, 1):.0f} octets each  waits {waits} preemptions {preemptions}",
        drops or "",
    )
    for segment in found:
        segment.close()
        remove(segment.path)


if __name__ == "__main__":
    main()
