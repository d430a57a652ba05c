"""A NAS that reports in bulk and remembers what was acknowledged, octet for octet."""

import itertools
import json
import os
import time
import urllib.request
from pathlib import Path
from typing import Any

from tests.asking import ACCOUNTING_RESPONSE, Nas, accounting_request, read, tlv
from tests.serving import SECRET, Turnpike

AT_ONCE = 200
START = 1


class Reporter:
    """Each report is a new session's Start."""

    def __init__(self, turnpike: Turnpike) -> None:
        self.acknowledged: list[bytes] = []
        self._server = turnpike.acct
        self._numbers = itertools.count()

    def report(self, count: int = AT_ONCE, *, within_s: float = 0.5) -> int:
        """Report so many at once, and no more often; how many were acknowledged in time."""
        secret, answered = SECRET.encode(), 0
        with Nas(self._server) as nas:
            requests = []
            for identifier in range(count):
                number = next(self._numbers)
                attributes = (
                    tlv(40, START)
                    + tlv(44, f"{number:08x}")
                    + tlv(1, f"user-{number}")
                    + tlv(55, int(time.time()))
                )
                request = accounting_request(attributes, secret=secret, identifier=identifier)
                requests.append(request)
                nas.send(request)
            deadline = time.monotonic() + within_s
            while answered < count and (left_s := deadline - time.monotonic()) > 0:
                reply = nas.receive(left_s)
                if reply is None:
                    break
                request = requests[reply[1]]
                assert read(reply, request, secret, signed=False).code == ACCOUNTING_RESPONSE
                self.acknowledged.append(request)
                answered += 1
        return answered


def health(turnpike: Turnpike) -> dict[str, Any]:
    """What /healthz says, whatever its status."""
    url = f"http://127.0.0.1:{turnpike.ports['web']}/healthz"
    with urllib.request.urlopen(url, timeout=5) as response:
        found: dict[str, Any] = json.load(response)
        return found


def alarms(turnpike: Turnpike) -> set[str]:
    return set(health(turnpike)["accounting"]["alarms"])


def rss_octets(pid: int) -> int:
    """What a process holds of the memory."""
    resident = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident * os.sysconf("SC_PAGE_SIZE")
