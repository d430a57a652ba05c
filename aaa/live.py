"""What is going on right now on this node, before the database knows of it.

Two things of subscribers with a session limit.  A slot is reserved in the moment of the
Access-Accept, inside one write transaction, so that of two parallel logins only one finds
the last place free (domain.md §7).  And a Stop frees its session's place at once, also
while the database is away; of those no more are kept than `ENDED_KEPT_MAX`.

Small, shared by all workers, and not synced: after a crash the worst is a slot that is free
too early, and it would have run out within the minute anyway, or a session that counts
until the directory knows its end.  The supervisor makes it empty at each start, because a
power cut may leave it damaged.

It may fail, on a full disk for one: then only the sessions count that the directory has,
which is logged and counted.  A login too many costs less than none at all.
"""

import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

import lmdb
import msgspec
import structlog

from aaa.places import Ended, LiveSession, Occupied, Slot, nameless, occupied, others_of

log = structlog.get_logger()

_id = struct.Struct(">Q")
MAP_SIZE_OCTETS = 1 << 30
LOCK_SIZE_OCTETS = 1 << 16
READERS_MAX = 512
RETRY_S = 1.0
LOG_EVERY_S = 60.0
ENDED_KEPT_S = 60.0  # its Start may still be on the way to the directory
ENDED_KEPT_S_MAX = 86_400.0  # what the directory still calls open then was opened again
ENDED_KEPT_MAX = 32  # a subscriber; of more at once, some count until the directory knows


class _Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of one subscriber."""

    slots: list[Slot] = []
    ended: list[Ended] = []


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Entry).decode
_NOTHING = _Entry()


class Live:
    """Slots by subscriber.

    Times are seconds of the machine's monotonic clock: all its processes have the same, a
    wall clock that is set keeps nobody out, and it begins anew when this is made empty.
    """

    def __init__(self, path: Path) -> None:
        self.failures = 0
        self._path = path
        self._environment: lmdb.Environment | None = None
        self._slots: lmdb._Database | None = None
        self._retry_at = 0.0
        self._log_at = 0.0
        self._open()

    def occupied(
        self, subscriber_id: int, sessions: Sequence[LiveSession], device: bytes, now: float
    ) -> Occupied:
        """What other devices of this subscriber hold; `sessions` are those that he has open."""
        entry = _NOTHING
        try:
            with self._opened(now).begin(db=self._slots) as txn:
                entry = _read(txn, _id.pack(subscriber_id))
        except (lmdb.Error, msgspec.DecodeError) as error:
            self._failed(error, now)
        return occupied(sessions, entry.slots, entry.ended, device, now)

    def reserve(
        self,
        subscriber_id: int,
        device: bytes,
        nonce: bytes,
        *,
        sessions: Sequence[LiveSession] = (),
        limit: int,
        kick: bool,
        now: float,
        until: float,
    ) -> bool:
        """Take a slot, unless `limit` places are taken; with `kick` the oldest makes room.

        The device that asks again replaces its own slot: a modem that redials at once must
        not be refused because of itself.  Whoever could not be written down is let in.
        """
        try:
            with self._opened(now).begin(write=True, db=self._slots) as txn:
                key = _id.pack(subscriber_id)
                entry = _read(txn, key)
                slots = others_of(entry.slots, device, now)
                if occupied(sessions, slots, entry.ended, device, now).places >= limit:
                    if not kick:
                        return False
                    slots = slots[max(0, len(slots) - limit + 1) :]
                slots.append(Slot(nonce, device, until, nameless(sessions)))
                txn.put(key, _encode(_Entry(slots, _still_to_come(entry.ended, sessions, now))))
        except (lmdb.Error, msgspec.DecodeError) as error:
            self._failed(error, now)
        return True

    def ended(
        self,
        subscriber_id: int,
        nonce: bytes,
        acct_session_id: str,
        now: float,
        *,
        sessions: Sequence[LiveSession],
    ) -> None:
        """A session's place is free from now on; `sessions` are those that he has open.

        Of what neither a slot nor a session here is known by, nothing is written: a NAS may
        send any Class it likes.
        """
        over = Ended(nonce, acct_session_id, now)
        key = _id.pack(subscriber_id)
        try:
            environment = self._opened(now)
            with environment.begin(db=self._slots) as txn:
                if not _matters(_read(txn, key), over, sessions):
                    return
            with environment.begin(write=True, db=self._slots) as txn:
                entry = _read(txn, key)
                slots = [slot for slot in entry.slots if slot.nonce != nonce]
                ended = [*_still_to_come(entry.ended, sessions, now), over][-ENDED_KEPT_MAX:]
                txn.put(key, _encode(_Entry(slots, ended)))
        except (lmdb.Error, msgspec.DecodeError) as error:
            self._failed(error, now)  # the slot runs out by itself, the session's end is told

    def close(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _open(self) -> None:
        """Open it, or leave that for later."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            allocate(self._path / "lock.mdb")
            environment = lmdb.open(
                str(self._path),
                map_size=MAP_SIZE_OCTETS,
                max_dbs=4,
                max_readers=READERS_MAX,
                mode=0o600,
                sync=False,
                readahead=False,
            )
        except (OSError, lmdb.Error) as error:
            self._failed(error, self._retry_at)
            return
        try:
            environment.reader_check()  # else each killed worker would keep a reader's place
            self._slots = environment.open_db(b"slots")
        except lmdb.Error as error:
            environment.close()
            self._failed(error, self._retry_at)
            return
        self._environment = environment

    def _opened(self, now: float) -> lmdb.Environment:
        if self._environment is None and now >= self._retry_at:
            self._retry_at = now + RETRY_S
            self._open()
        if self._environment is None:
            raise lmdb.Error("not open")
        return self._environment

    def _failed(self, error: Exception, now: float) -> None:
        self.failures += 1
        if now >= self._log_at:
            self._log_at = now + LOG_EVERY_S
            log.error("slots_unusable", path=str(self._path), error=str(error))
        # A write that failed, as on a full disk, has a class without a name of its own and
        # changed nothing: what is read still counts.  Anything else needs a fresh start.
        if type(error) is not lmdb.Error and not isinstance(error, lmdb.MapFullError):
            self.close()


def allocate(path: Path) -> None:
    """Give the lock file its blocks now: in a hole of it, a full disk would be SIGBUS."""
    if path.exists() and path.stat().st_size >= LOCK_SIZE_OCTETS:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, LOCK_SIZE_OCTETS)
    finally:
        os.close(descriptor)


def _read(txn: lmdb.Transaction, key: bytes) -> _Entry:
    octets = txn.get(key)
    return _NOTHING if octets is None else _decode(octets)


def _matters(entry: _Entry, over: Ended, sessions: Iterable[LiveSession]) -> bool:
    """There is something to free, and it has not been freed yet."""
    name = (over.nonce, over.acct_session_id)
    if any(slot.nonce == over.nonce for slot in entry.slots):
        return True
    return any((one.nonce, one.acct_session_id) == name for one in sessions) and not any(
        (one.nonce, one.acct_session_id) == name for one in entry.ended
    )


def _still_to_come(
    ended: Iterable[Ended], sessions: Iterable[LiveSession], now: float
) -> list[Ended]:
    """The ends that the directory does not know of yet, or did not a moment ago."""
    known = {(one.nonce, one.acct_session_id) for one in sessions}
    return [
        one
        for one in ended
        if now - one.at < ENDED_KEPT_S
        or ((one.nonce, one.acct_session_id) in known and now - one.at < ENDED_KEPT_S_MAX)
    ]
