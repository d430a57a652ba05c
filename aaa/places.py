"""Who holds the places of a session limit: sessions that run, and logins about to be ones.

The count of domain.md §7: open sessions of other devices, those of one multi-session
together, and the slots of logins whose session is not known yet.  Where it cannot be
known, it counts less: a login too many costs less than none at all.

Knows neither where sessions are read from nor where slots are kept.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

import msgspec

# Without word from the database for longer, what its records call open may long be over.
SESSIONS_TRUSTED_S = 15 * 60


class LiveSession(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An open session of a subscriber, as the database last told."""

    id: int
    nonce: bytes  # of its login, 16 hex digits; empty: the NAS does not return our Class
    acct_session_id: str  # escaped text
    device: bytes  # `device.device_of`; empty: the NAS does not say
    multi_session: str  # empty: it is no part of one
    last_seen_s: int


class Slot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session to be: whose `device` it is, and until when it is kept without a Start.

    `before`: the sessions without a nonce that were open already, none of which it can become.
    """

    nonce: bytes
    device: bytes
    until: float
    before: tuple[int, ...] = ()


class Ended(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A session whose Stop was seen here, before the database knows."""

    nonce: bytes
    acct_session_id: str
    at: float


class Occupied(NamedTuple):
    """What other devices of a subscriber hold."""

    open: int  # sessions, a multi-session once
    reserved: int
    session_ids: tuple[int, ...]  # those that `open` counts, oldest first

    @property
    def places(self) -> int:
        return self.open + self.reserved


NOTHING = Occupied(0, 0, ())


def occupied(
    sessions: Sequence[LiveSession],
    slots: Sequence[Slot],
    ended: Collection[Ended],
    device: bytes,
    now: float,
) -> Occupied:
    """Count what devices other than `device` hold; an empty one is like no other.

    A multi-session with a link of this device is this device's own.  A slot is no longer
    counted once its session is there: known by the nonce or, where the NAS does not return
    our Class, by its device; where it does not tell that either, any that is new stands for
    one slot.
    """
    if ended:
        over = {(one.nonce, one.acct_session_id) for one in ended}
        sessions = [one for one in sessions if (one.nonce, one.acct_session_id) not in over]
    own = {one.multi_session for one in sessions if device and one.device == device}
    own.discard("")
    others = [
        one
        for one in sessions
        if not (device and one.device == device) and one.multi_session not in own
    ]
    nonces = {one.nonce for one in sessions}
    devices = {one.device for one in sessions}
    devices.discard(b"")
    waiting = [
        slot
        for slot in others_of(slots, device, now)
        if slot.nonce not in nonces and slot.device not in devices
    ]
    return Occupied(
        len({one.multi_session or one.id for one in others}),
        len(waiting) - _nameless(waiting, sessions) if waiting else 0,
        tuple([one.id for one in others]),
    )


def nameless(sessions: Sequence[LiveSession]) -> tuple[int, ...]:
    """Those of which no login is known by its nonce."""
    return tuple([one.id for one in sessions if not one.nonce])


def _nameless(waiting: Sequence[Slot], sessions: Sequence[LiveSession]) -> int:
    """How many of these slots a session stands for that is newer and tells no name."""
    left = [one for one in sessions if not one.nonce]
    found = 0
    for slot in waiting:
        for at, one in enumerate(left):
            if one.id not in slot.before and not (one.device and slot.device):
                del left[at]
                found += 1
                break
    return found


def others_of(slots: Sequence[Slot], device: bytes, now: float) -> list[Slot]:
    """The slots of other devices that have not run out."""
    return [slot for slot in slots if slot.until > now and (not device or slot.device != device)]
