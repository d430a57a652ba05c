"""What the NASes of a trial will report, and so what must be in the database afterwards.

Made from a seed, so that a failure can be played again.  Knows nothing of sockets: a
report is attributes; whoever sends it gives it an Identifier and signs it.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.asking import tlv
from tests.chaos.comparing import Expected
from tests.chaos.crowd import HOSTS, name_of

START, STOP, INTERIM = 1, 2, 3
INTERVAL_S = 300
OCTETS_MAX = 3 * 10**9  # in an interval; counters pass 2^32
MASK = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Report:
    """One Accounting-Request to be."""

    at_s: int
    attributes: bytes


@dataclass(frozen=True, slots=True)
class PlannedSession:
    """A session from Start to Stop, and what it amounts to."""

    nas: int
    acct_session_id: str
    username: str
    reports: tuple[Report, ...]
    session_time_s: int
    input_octets: int
    output_octets: int

    @property
    def expected(self) -> Expected:
        """What must be in the database of it."""
        return Expected(
            name_of(HOSTS[self.nas]),
            self.acct_session_id,
            self.username,
            self.session_time_s,
            self.input_octets,
            self.output_octets,
            is_known=False,
        )


def sessions(
    seed: int, count: int, nases: int, interims: int, now_s: int, *, first: int = 0
) -> Iterator[PlannedSession]:
    """Sessions that ended before `now_s`, each with a Start, `interims` and a Stop.

    `first` numbers them from there, so that further ones are others.  The same
    Acct-Session-Id is used on every NAS, as it may be (RFC 2866 §5.5).
    """
    chance = random.Random(seed)
    for number in range(first, first + count):
        nas = number % nases
        name, user = f"{number // nases:08x}", f"user-{number}"
        at_s = now_s - chance.randrange(3_600, 72_000) - (interims + 1) * INTERVAL_S
        received = sent = elapsed_s = 0
        reports = [_report(START, name, user, nas, at_s, 0, 0, 0)]
        for step in range(interims + 1):
            elapsed_s += INTERVAL_S
            received += chance.randrange(OCTETS_MAX // 10)
            sent += chance.randrange(OCTETS_MAX)
            status_type = INTERIM if step < interims else STOP
            reports.append(
                _report(status_type, name, user, nas, at_s + elapsed_s, elapsed_s, received, sent)
            )
        yield PlannedSession(nas, name, user, tuple(reports), elapsed_s, received, sent)


def _report(
    status_type: int,
    name: str,
    user: str,
    nas: int,
    at_s: int,
    elapsed_s: int,
    received: int,
    sent: int,
) -> Report:
    attributes = [
        tlv(40, status_type),
        tlv(44, name),
        tlv(1, user),
        tlv(31, f"02-00-{nas:02x}-{name[2:4]}-{name[4:6]}-{name[6:8]}"),
        tlv(55, at_s),
    ]
    if status_type != START:
        attributes += [
            tlv(46, elapsed_s),
            tlv(42, received & MASK),
            tlv(52, received >> 32),
            tlv(43, sent & MASK),
            tlv(53, sent >> 32),
        ]
    return Report(at_s, b"".join(attributes))
