"""Request files for radload: the Accounting-Requests of many sessions, without end.

A stream is a number of subscribers on several boxes.  Each has a session that sends a Start,
eight Interims and a Stop, and then another; in a round all of them send one record, and a
tenth of them is at each step.  Record n is a function of n and of when the stream began, so
servers that are not equally quick read the same stream at their own pace, and no record
is ever sent twice.  Before it lie sessions of the past, a quarter of them still open.

Knows what a MikroTik sends, and nothing of servers.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from struct import Struct

from bench.packets import ETHERNET, FRAMED, IDENTIFIERS, PPP, save
from bench.population import INTERIM_S, NASES, SECRET, mac, nas_address, nas_name, subscriber
from core.radius.authenticity import SharedSecret
from core.radius.packet import attribute
from core.radius.types import ACCOUNTING_REQUEST, ACCOUNTING_RESPONSE

START, STOP, INTERIM = 1, 2, 3
STEPS = 10  # a Start, eight Interims, a Stop
SOCKET_RUN = 4  # consecutive requests that radload sends from one socket
WHOLE = IDENTIFIERS * NASES  # the boxes' turns repeat after so many records
PAST_EACH = 4  # sessions that each device of the past had, the last of them open
USER_REQUEST = 1

_numbers = Struct(">" + "BBI" * 7)
_counters = Struct(">" + "BBI" * 7)


@dataclass(frozen=True, slots=True)
class Stream:
    """`sessions` at a time, the first record at `began_at`; before it the `past`."""

    sessions: int
    past: int
    began_at: int  # Unix seconds
    interval_s: int = INTERIM_S

    def __post_init__(self) -> None:
        assert self.sessions % IDENTIFIERS == self.past % (PAST_EACH * IDENTIFIERS) == 0

    @property
    def subscribers(self) -> int:
        """How many there must be."""
        return self.sessions + self.past // PAST_EACH

    def sent_at(self, records: int) -> int:
        """When so many are sent."""
        return self.began_at + records * self.interval_s // self.sessions

    def record(self, n: int) -> bytes:
        """Record n, its attributes."""
        box, position = place(n)
        rows = self.sessions // NASES
        turn, row = divmod(position, rows)
        session, step = divmod(turn + row, STEPS)
        number = row * NASES + box
        at = self.began_at + turn * self.interval_s + row * self.interval_s // rows
        status = START if step == 0 else STOP if step == STEPS - 1 else INTERIM
        return self._attributes(status, number, session, at, step)

    def past_record(self, n: int) -> bytes:
        """The only record of a session of the past: its Stop, or its Start if it is open.

        When it was is not told, so it counts as of its arrival, and what is open stays so.
        """
        box, position = place(n)
        session, row = divmod(position, self.past // PAST_EACH // NASES)
        number = self.sessions + row * NASES + box
        if session == PAST_EACH - 1:
            return self._attributes(START, number, session, None, 0)
        return self._attributes(STOP, number, session, None, 1)

    def _attributes(
        self, status: int, number: int, session: int, at: int | None, step: int
    ) -> bytes:
        box = number % NASES
        text = b"".join(
            (
                attribute(44, b"8%07x" % (session << 20 | number)),
                attribute(1, subscriber(number).name.encode()),
                attribute(32, nas_name(box).encode()),
                attribute(87, b"vlan%d" % (100 + number % 3000)),
                attribute(31, mac(number).encode()),
                attribute(30, b"pppoe-access"),
            )
        )
        numbers = _numbers.pack(
            *(40, 6, status, 6, 6, FRAMED, 7, 6, PPP, 5, 6, 0x0F000000 | number, 61, 6, ETHERNET),
            *(8, 6, 0x64400000 | number, 41, 6, 0),  # Framed-IP-Address in 100.64/10, no delay
        )
        own = attribute(4, bytes(int(part) for part in nas_address(box).split(".")))
        attributes = numbers + text + own + b"\x2d\x06\0\0\0\1"  # Acct-Authentic RADIUS
        if at is not None:
            attributes += attribute(55, at.to_bytes(4, "big"))
        if status == START:
            return attributes
        output = _output_octets(number, session) * step
        inputs = output // 8
        attributes += _counters.pack(
            *(46, 6, step * self.interval_s, 42, 6, inputs & 0xFFFFFFFF, 52, 6, inputs >> 32),
            *(43, 6, output & 0xFFFFFFFF, 53, 6, output >> 32),
            *(47, 6, inputs // 700, 48, 6, output // 1100),
        )
        return attributes + attribute(49, bytes((0, 0, 0, USER_REQUEST))) * (status == STOP)

    def totals(self, records: int) -> tuple[int, int]:
        """Sessions and their output octets after so many records, the past not counted.

        `records` is a multiple of `WHOLE`, so that each box has sent as many as the others.
        """
        assert records % WHOLE == 0
        rows = self.sessions // NASES
        sessions = octets = 0
        for row in range(rows):
            last = (records // NASES - 1 - row) // rows + row  # its turn, and where it began
            if last < row:
                continue
            for session in range(row // STEPS, last // STEPS + 1):
                step = min(last - session * STEPS, STEPS - 1)
                sessions += NASES
                octets += step * sum(
                    _output_octets(row * NASES + box, session) for box in range(NASES)
                )
        return sessions, octets

    def write(self, path: Path, first: int, count: int) -> None:
        """Records `first` and the `count - 1` after it; both multiples of `WHOLE`."""
        assert first % WHOLE == count % WHOLE == 0
        _save(path, self.record, first, count)

    def write_past(self, path: Path) -> None:
        _save(path, self.past_record, 0, self.past)


def place(n: int) -> tuple[int, int]:
    """Which box sends record n, and how many it sent before.

    radload gives requests to its sockets in runs, in turn, so with a socket for each address
    the one that a record leaves from follows from its place in the file.  A box sends from
    one port, as boxes do, and what it says of a session stays in order.
    """
    block, at = divmod(n, IDENTIFIERS)
    run, left = divmod(at, SOCKET_RUN)
    return (block + run) % NASES, (block * IDENTIFIERS // NASES + run // NASES * SOCKET_RUN + left)


def whole(records: int) -> int:
    """So many, rounded up to where every box has sent as many as the others."""
    return -(-records // WHOLE) * WHOLE


def _save(path: Path, record: Callable[[int], bytes], first: int, count: int) -> None:
    shared = SharedSecret(SECRET.encode())
    packets = (
        shared.request(ACCOUNTING_REQUEST, n % IDENTIFIERS, record(n))
        for n in range(first, first + count)
    )
    save(path, shared.octets, count, ACCOUNTING_RESPONSE, packets)


def _output_octets(number: int, session: int) -> int:
    """What a session takes in an interval: up to 40 Mbit/s, so some pass 4 GiB on their way."""
    return 50_000_000 + (number * 2654435761 + session * 40503) % 1_450_000_000
