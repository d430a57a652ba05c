"""Whether an Access-Accept says what the bench's plan promises, whoever wrote it.

A server that leaves attributes out is quicker; it would be measured at other work.
"""

import socket
from pathlib import Path

from bench.packets import read
from bench.population import ADDRESS_POOL, INTERIM_S, MIKROTIK_RATE_LIMIT, SESSION_TIMEOUT_S
from bench.processes import Failed
from core.radius.packet import Packet, parse
from core.radius.types import (
    ACCESS_ACCEPT,
    ACCT_INTERIM_INTERVAL,
    CLASS,
    MICROSOFT,
    MS_CHAP2_SUCCESS,
    MS_MPPE_RECV_KEY,
    MS_MPPE_SEND_KEY,
    SESSION_TIMEOUT,
)

_FRAMED_POOL = 88
_MIKROTIK, _RATE_LIMIT = 14988, 8


def check(name: str, port: int, file: Path, method: str) -> None:
    """Ask one request of the file.

    Raises:
        Failed: no Accept, or not everything is in it.
    """
    reply = ask(port, read(file)[1][0][1])
    if reply.code != ACCESS_ACCEPT:
        raise Failed(f"{name}, {method}: answered with code {reply.code}")
    if missing := [what for what, found in _promised(reply, method).items() if not found]:
        raise Failed(f"{name}, {method}: not in the Accept: {', '.join(missing)}")


def ask(port: int, request: bytes) -> Packet:
    """The reply to one request; its authenticity is radload's business."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nas:
        nas.settimeout(5)
        nas.connect(("127.0.0.1", port))
        nas.send(request)
        return parse(nas.recv(4096))


def _promised(reply: Packet, method: str) -> dict[str, bool]:
    found = {
        "rate limit": reply.vendor(_MIKROTIK, _RATE_LIMIT) == MIKROTIK_RATE_LIMIT.encode(),
        "pool": reply.get(_FRAMED_POOL) == ADDRESS_POOL.encode(),
        "session timeout": reply.get(SESSION_TIMEOUT) == SESSION_TIMEOUT_S.to_bytes(4, "big"),
        "interim interval": reply.get(ACCT_INTERIM_INTERVAL) == INTERIM_S.to_bytes(4, "big"),
        "class": reply.has(CLASS),
    }
    if method == "mschapv2":
        for what, number in (
            ("MS-CHAP2-Success", MS_CHAP2_SUCCESS),
            ("MPPE receive key", MS_MPPE_RECV_KEY),
            ("MPPE send key", MS_MPPE_SEND_KEY),
        ):
            found[what] = bool(reply.vendor(MICROSOFT, number))
    return found
