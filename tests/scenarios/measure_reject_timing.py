"""Fault P9 by the clock: does the time to a reject tell who is known?  Run by hand:

    python -m tests.scenarios.measure_reject_timing

A thousand of each, interleaved, at a running Turnpike with its own settings.  Not a test,
because a busy machine would make it fail; that every reject is due the same delay after its
arrival is one, in tests/core/radius/test_responder.py and tests/aaa/test_access.py.
"""

import select
import statistics
import sys
import time

from tests.asking import Nas, chap, pap_request, tlv
from tests.asking import access_request as request
from tests.serving import ISP, PASSWORD, SECRET, turnpike_process

KEY = SECRET.encode()
EACH = 1_000
EVERY_S = 0.004
CHALLENGE = bytes(16)


def pap(name: str, number: int) -> bytes:
    station = tlv(31, f"station-{number}")  # each its own, so that nobody is taken for a guesser
    return pap_request(name, "wrong-password", station, secret=KEY, identifier=number % 256)


def by_chap(name: str, number: int) -> bytes:
    attributes = tlv(1, name) + tlv(60, CHALLENGE) + chap(b"wrong-password", CHALLENGE)
    return request(attributes + tlv(31, f"station-{number}"), secret=KEY, identifier=number % 256)


def main() -> None:
    with turnpike_process(ISP, POLICY__GUESSES_MAX="10000", LOG__LEVEL="warning") as turnpike:
        for method, ask in (("PAP", pap), ("CHAP", by_chap)):
            took: dict[str, list[float]] = {"alice": [], "nobody": []}
            with Nas(turnpike.auth) as nas:
                assert nas.ask(pap_request("alice", PASSWORD, secret=KEY)) is not None
                pending: dict[int, tuple[str, float]] = {}
                sent, next_at = 0, time.perf_counter()
                while sent < 2 * EACH or pending:
                    now = time.perf_counter()
                    if sent < 2 * EACH and now >= next_at and sent % 256 not in pending:
                        name = ("alice", "nobody")[sent % 2]
                        pending[sent % 256] = (name, time.perf_counter())
                        nas.send(ask(name, sent))
                        sent, next_at = sent + 1, next_at + EVERY_S
                    wait_s = max(0.0, min(next_at - time.perf_counter(), 0.1))
                    if select.select([nas.sock], [], [], wait_s)[0]:
                        reply = nas.sock.recv(4096)
                        name, sent_at = pending.pop(reply[1])
                        took[name].append(time.perf_counter() - sent_at)
            wrong_ms, unknown_ms = (statistics.median(took[name]) * 1000 for name in took)
            sys.stdout.write(
                f"{method}: wrong password {wrong_ms:.3f} ms, unknown name {unknown_ms:.3f} ms,"
                f" apart {abs(wrong_ms - unknown_ms):.3f} ms ({EACH} of each)\n"
            )


if __name__ == "__main__":
    main()
