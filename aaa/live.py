"""What is going on right now on this node: slots taken by logins whose session has not begun.

A slot is reserved in the moment of the Access-Accept, inside one write transaction, so
that of two parallel logins only one finds the last slot free (domain.md §7).  Small,
shared by all workers, and not synced: after a crash the worst is a slot that is free too
early, and it would have run out within the minute anyway.  The supervisor makes it empty
at each start, because a power cut may leave it damaged.

It may fail, on a full disk for one: whoever asks is then let in as if nobody else were
there, which is logged and counted.  A login too many costs less than none at all.
"""

import os
import struct
from pathlib import Path

import lmdb
import msgspec
import structlog

log = structlog.get_logger()

_id = struct.Struct(">Q")
MAP_SIZE_OCTETS = 1 << 30
LOCK_SIZE_OCTETS = 1 << 16
READERS_MAX = 512
RETRY_S = 1.0
LOG_EVERY_S = 60.0


class Slot(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One session to be: whose `device` it is, and until when it is kept without a Start."""

    nonce: int
    device: bytes  # NAS and station; empty: the NAS does not say
    until: float


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Slot]).decode


class Live:
    """Slots by subscriber.  Times are Unix seconds: they must mean the same to every process."""

    def __init__(self, path: Path) -> None:
        self.failures = 0
        self._path = path
        self._environment: lmdb.Environment | None = None
        self._slots: lmdb._Database | None = None
        self._retry_at = 0.0
        self._log_at = 0.0
        self._open()

    def others(self, subscriber_id: int, device: bytes, now: float) -> int:
        """How many slots other devices of this subscriber hold."""
        try:
            with self._opened(now).begin(db=self._slots) as txn:
                octets = txn.get(_id.pack(subscriber_id))
                return 0 if octets is None else len(_others(_decode(octets), device, now))
        except (lmdb.Error, msgspec.DecodeError) as error:
            self._failed(error, now)
            return 0

    def reserve(
        self,
        subscriber_id: int,
        device: bytes,
        nonce: int,
        *,
        limit: int,
        kick: bool,
        now: float,
        until: float,
    ) -> bool:
        """Take a slot, unless `limit` others are taken; with `kick` the oldest makes room.

        The device that asks again replaces its own slot: a modem that redials at once must
        not be refused because of itself.  Whoever could not be written down is let in.
        """
        try:
            with self._opened(now).begin(write=True, db=self._slots) as txn:
                key = _id.pack(subscriber_id)
                octets = txn.get(key)
                slots = [] if octets is None else _others(_decode(octets), device, now)
                if len(slots) >= limit:
                    if not kick:
                        return False
                    slots = slots[len(slots) - limit + 1 :]
                slots.append(Slot(nonce, device, until))
                txn.put(key, _encode(slots))
        except (lmdb.Error, msgspec.DecodeError) as error:
            self._failed(error, now)
        return True

    def release(self, subscriber_id: int, nonce: int) -> None:
        """Give a slot back: its session ended, or it was never used."""
        if self._environment is None:
            return
        try:
            with self._environment.begin(write=True, db=self._slots) as txn:
                key = _id.pack(subscriber_id)
                octets = txn.get(key)
                if octets is None:
                    return
                slots = [slot for slot in _decode(octets) if slot.nonce != nonce]
                if slots:
                    txn.put(key, _encode(slots))
                else:
                    txn.delete(key)
        except (lmdb.Error, msgspec.DecodeError):
            self.failures += 1  # the slot runs out by itself

    def close(self) -> None:
        if self._environment is not None:
            self._environment.close()
            self._environment = None

    def _open(self) -> None:
        """Open it, or leave that for later."""
        try:
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            _allocate(self._path / "lock.mdb")
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


def _allocate(path: Path) -> None:
    """Give the lock file its blocks now: in a hole of it, a full disk would be SIGBUS."""
    if path.exists() and path.stat().st_size >= LOCK_SIZE_OCTETS:
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, LOCK_SIZE_OCTETS)
    finally:
        os.close(descriptor)


def _others(slots: list[Slot], device: bytes, now: float) -> list[Slot]:
    return [slot for slot in slots if slot.until > now and (not device or slot.device != device)]
