"""What can go wrong with a NAS and its network, on demand.

Everything here is a switch that tests and scenarios set; nothing happens by itself.
`copies` is the network: of one datagram it says when which copies arrive.
"""

import random
from dataclasses import dataclass
from enum import StrEnum


class Coa(StrEnum):
    """How a NAS answers CoA and Disconnect."""

    OBEY = "obey"  # as its vendor does
    NAK_503 = "nak_503"  # it says that it knows no such session
    NO_EFFECT = "ack_without_effect"
    SILENT = "silent"
    FORGED = "forged"  # an ACK that was signed with another secret, and nothing done


@dataclass(frozen=True, slots=True)
class Faults:
    """Of one NAS.  Parts are between 0 and 1, and hold for every datagram of either direction."""

    loss: float = 0.0
    duplicates: float = 0.0
    reordered: float = 0.0  # of those that take `reorder_s` longer than their successors
    reorder_s: float = 0.05
    delay_s: float = 0.0
    jitter_s: float = 0.0
    repeats: float = 0.0  # of the records: told once more, acknowledged or not
    repeat_s: float = 60.0  # of the simulation's time, at most until then
    gigawords: bool = True  # False: counters wrap at 2^32 and nobody says so
    reuses_session_ids: bool = False  # counts from the beginning again at every reboot
    coa: Coa = Coa.OBEY


NONE = Faults()


def copies(faults: Faults, chance: random.Random) -> tuple[float, ...]:
    """After how many seconds a datagram arrives, once for each copy; () if it is lost."""
    # Every number is drawn whatever came of the one before, so that switching one fault on
    # leaves the others where they were.
    lost, doubled, late, first, second = (chance.random() for _ in range(5))
    if lost < faults.loss:
        return ()
    delay_s = faults.delay_s + first * faults.jitter_s
    if late < faults.reordered:
        delay_s += faults.reorder_s
    if doubled < faults.duplicates:
        return (delay_s, delay_s + second * (faults.jitter_s or 0.02))
    return (delay_s,)
