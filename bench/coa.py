"""How long it takes to end 1 000 sessions of one NAS that answers in 5 ms.

    python -m bench.coa --append

The NAS is a process of its own; it checks every request and answers after its time.  Told
are the seconds at the pace that a NAS gets by default, which spares it a storm of logins,
and without one, which is what the client is capable of.  With --append the section goes to
the end of bench/RESULTS.md.  Ends with status 1 if the first takes longer than promised.
"""

import argparse
import asyncio
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import cast

import uvloop

from bench import report
from core.clock import Clock
from core.radius.authenticity import SharedSecret
from core.radius.packet import parse
from core.secret import Secret
from dictionaries.loader import load
from nas_adapters.base import Attr, Step, Verb
from nas_adapters.coa import Acked, CoaClient, CoaTarget
from nas_adapters.coa_values import IN_FLIGHT, PER_S

SECRET = b"bench-of-coa"
ALLOWED_S = 10.0
RESULTS = Path(__file__).parent / "RESULTS.md"


@dataclass(frozen=True, slots=True)
class Found:
    """One round."""

    pace: str
    in_flight: int
    seconds: float
    resends: int
    cpu_us: float  # of the client's process, a request


class _Nas(asyncio.DatagramProtocol):
    """Answers what is authentic, `answers_s` after it came."""

    def __init__(self, answers_s: float) -> None:
        self._secret = SharedSecret(SECRET)
        self._answers_s = answers_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        request = parse(data)
        if self._secret.authenticates(request) and self._secret.signs(request):
            reply = self._secret.reply(request.code + 1, request, b"", signed=False)
            loop = asyncio.get_running_loop()
            loop.call_later(self._answers_s, self._transport.sendto, reply, addr)


def _serve(ready: Connection, answers_s: float) -> None:
    async def forever() -> None:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Nas(answers_s), local_addr=("127.0.0.1", 0)
        )
        ready.send(transport.get_extra_info("sockname")[1])
        await asyncio.Event().wait()

    uvloop.run(forever())


@contextmanager
def _nas(answers_s: float) -> Iterator[int]:
    """Its port."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.Process(target=_serve, args=(theirs, answers_s), daemon=True)
    process.start()
    try:
        yield ours.recv()
    finally:
        process.terminate()
        process.join()


async def _disconnect(target: CoaTarget, sessions: int, pace: str) -> Found:
    async with CoaClient(load(), Clock()) as client:
        cpu_s, began = _cpu_s(), time.perf_counter()
        results = await asyncio.gather(
            *(
                client.send(
                    target,
                    Step(
                        Verb.DISCONNECT,
                        (Attr("User-Name", f"user-{n}"), Attr("Acct-Session-Id", f"{n:08x}")),
                    ),
                )
                for n in range(sessions)
            )
        )
        seconds = time.perf_counter() - began
        assert all(isinstance(one, Acked) for one in results), "every one is ended"
        [counters] = client.counters.values()
    return Found(
        pace, target.in_flight, seconds, counters.resends, (_cpu_s() - cpu_s) / sessions * 1e6
    )


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def _section(found: list[Found], sessions: int, answers_s: float) -> str:
    rows = "\n".join(
        f"| {one.pace} | {one.in_flight} | {one.seconds:.2f} | {sessions / one.seconds:,.0f}"
        f" | {one.cpu_us:.0f} | {one.resends} |"
        for one in found
    )
    kept = "kept" if found[0].seconds <= ALLOWED_S else "missed"
    return (
        f"## {datetime.now(UTC):%Y-%m-%d %H:%M} UTC: disconnects\n\n{report.machine()}\n\n"
        f"- {sessions:,} Disconnect-Requests to one NAS that answers {answers_s * 1e3:.0f} ms"
        " after it was asked, each signed, stamped and acknowledged.\n\n"
        "| pace | in flight | s | a second | CPU us a request | sent again |\n"
        "| --- | --- | --- | --- | --- | --- |\n"
        f"{rows}\n\n"
        f"Bound at the default pace: {ALLOWED_S:.0f} s: {kept}.\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sessions", type=int, default=1_000)
    parser.add_argument("--answers-ms", type=float, default=5.0)
    parser.add_argument("--append", action="store_true", help="to RESULTS.md")
    arguments = parser.parse_args()
    answers_s = arguments.answers_ms / 1e3
    with _nas(answers_s) as port:
        usual = CoaTarget("127.0.0.1", port, Secret(SECRET))
        at_once = replace(usual, per_s=1e9)
        found = [
            uvloop.run(_disconnect(target, arguments.sessions, pace))
            for target, pace in (
                (usual, f"{PER_S:.0f}/s, the default"),
                (at_once, "none"),
                (replace(at_once, in_flight=8 * IN_FLIGHT), "none"),
            )
        ]
    section = _section(found, arguments.sessions, answers_s)
    print(section)
    if arguments.append:
        with RESULTS.open("a") as results:
            results.write("\n" + section)
    sys.exit(found[0].seconds > ALLOWED_S)


if __name__ == "__main__":
    main()
