"""Fault P1: packets made wrong on purpose, by the ten thousand, at a running Turnpike.

MUTATED_PACKETS=1000000 pytest -s tests/scenarios/test_mutations.py     # the whole of it
"""

import os
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from hashlib import md5
from pathlib import Path

import pytest

from tests.asking import Nas, pap_request, read
from tests.scenarios.mutations import Mutant, Mutator, Sender
from tests.serving import ISP, PASSWORD, SECRET, Turnpike, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

COUNT = int(os.environ.get("MUTATED_PACKETS", "20000"))
BATCH = 50
PORTS_EACH = 8  # so that both workers get their share
RSS_GROWTH_OCTETS_MAX = 64 * 2**20
# 0.2 s are asked (fault P1).  A stuck loop is what is looked for, and not a busy machine.
ANSWERED_WITHIN_S = 3.0
KEY = SECRET.encode()


@pytest.fixture
def turnpike() -> Iterator[Turnpike]:
    with turnpike_process(
        ISP, RADIUS__REJECT_DELAY_S="0", POLICY__GUESSES_MAX="10000", LOG__LEVEL="warning"
    ) as one:
        yield one


class Attacker:
    """One socket; knows what it sent lately under each Identifier."""

    def __init__(self, server: tuple[str, int], sender: Sender) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.sock.bind((sender.value, 0))
        self.server = server
        self.sent: list[deque[Mutant]] = [deque(maxlen=64) for _ in range(256)]

    def send(self, mutant: Mutant) -> None:
        if len(mutant.octets) > 1:
            self.sent[mutant.octets[1]].append(mutant)
        self.sock.sendto(mutant.octets, self.server)

    def replies(self) -> Iterator[tuple[int, Mutant]]:
        """The code of each reply, and which mutant it answers."""
        while True:
            try:
                reply = self.sock.recv(65_536)
            except BlockingIOError:
                return
            for mutant in reversed(self.sent[reply[1]]):
                signed = reply[:4] + mutant.octets[4:20] + reply[20:] + KEY
                if md5(signed).digest() == reply[4:20]:
                    yield reply[0], mutant
                    break
            else:
                pytest.fail(f"a reply to nothing that was sent: {reply.hex()}")


def rss_octets(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(pid)


def check(code: int, mutant: Mutant) -> None:
    assert mutant.may_be_answered, f"answered {mutant.sender}: {mutant.octets.hex()}"
    answers = {1: (3, 11), 4: (5,), 12: (2, 5)}[mutant.octets[0]]
    assert code in answers, f"{code} to {mutant.octets.hex()}"


def test_mutated_packets_kill_nothing_and_open_nothing(turnpike: Turnpike) -> None:
    pids = turnpike.worker_pids()
    before = {pid: rss_octets(pid) for pid in pids.values()}
    servers = (turnpike.auth, turnpike.auth, turnpike.auth, turnpike.acct)
    mutator = Mutator(1, KEY, [b"alice", b"nobody", b"\xff\xfe\0", b""])
    attackers = {
        sender: [Attacker(servers[n % 4], sender) for n in range(PORTS_EACH)] for sender in Sender
    }
    everybody = [attacker for each in attackers.values() for attacker in each]
    honest = [Nas(turnpike.auth) for _ in range(PORTS_EACH)]
    sent: Counter[str] = Counter()
    codes: Counter[int] = Counter()
    slowest_s = 0.0
    for batch in range(COUNT // BATCH):
        for n in range(BATCH):
            mutant = mutator.next()
            attackers[mutant.sender][(batch + n) % PORTS_EACH].send(mutant)
            sent[f"{mutant.sender.name}, {'authentic' if mutant.may_be_answered else 'not'}"] += 1
        nas = honest[batch % PORTS_EACH]
        octets = pap_request("alice", PASSWORD, secret=KEY, identifier=batch // PORTS_EACH % 256)
        began_at = time.monotonic()
        reply = nas.ask(octets, 2.0)
        slowest_s = max(slowest_s, time.monotonic() - began_at)
        assert reply is not None, "a valid request went unanswered"
        assert read(reply, octets, KEY).code == 2
        for attacker in everybody:
            for code, mutant in attacker.replies():
                check(code, mutant)
                codes[code] += 1
    time.sleep(0.5)
    for attacker in everybody:
        for code, mutant in attacker.replies():
            check(code, mutant)
            codes[code] += 1
        attacker.sock.close()
    for nas in honest:
        nas.sock.close()
    time.sleep(1.1)  # the workers say once a second who they are
    grown = {pid: rss_octets(pid) - octets for pid, octets in before.items()}
    sys.stdout.write(
        f"\n{dict(sent)}\nreplies {dict(codes)}, slowest {slowest_s * 1000:.1f} ms,"
        f" RSS grew by {[f'{octets / 2**20:.1f} MiB' for octets in grown.values()]}\n"
    )
    assert turnpike.worker_pids() == pids, "nobody died"
    assert codes[3] > COUNT / 20, "the authentic ones were decided"
    assert max(grown.values()) <= RSS_GROWTH_OCTETS_MAX
    assert slowest_s <= ANSWERED_WITHIN_S
    assert "request_failed" not in turnpike.log, turnpike.log[-3000:]
