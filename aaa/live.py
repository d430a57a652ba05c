"""What is going on right now on this node: slots taken by logins whose session has not begun.

A slot is reserved in the moment of the Access-Accept, inside one write transaction, so
that of two parallel logins only one finds the last slot free (domain.md §7).  Small,
shared by all workers, and not synced: after a crash the worst is a slot that is free too
early, and it would have run out within the minute anyway.
"""

import struct
from pathlib import Path

import lmdb
import msgspec

_id = struct.Struct(">Q")
MAP_SIZE_OCTETS = 1 << 30


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
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._environment = lmdb.open(
            str(path),
            map_size=MAP_SIZE_OCTETS,
            max_dbs=4,
            max_readers=512,
            mode=0o600,
            sync=False,
            writemap=True,
            map_async=True,
            readahead=False,
        )
        self._environment.reader_check()  # else each killed worker would keep a reader's place
        self._slots = self._environment.open_db(b"slots")

    def others(self, subscriber_id: int, device: bytes, now: float) -> int:
        """How many slots other devices of this subscriber hold."""
        with self._environment.begin(db=self._slots) as txn:
            octets = txn.get(_id.pack(subscriber_id))
        return 0 if octets is None else len(_others(_decode(octets), device, now))

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
        not be refused because of itself.
        """
        with self._environment.begin(write=True, db=self._slots) as txn:
            key = _id.pack(subscriber_id)
            octets = txn.get(key)
            slots = [] if octets is None else _others(_decode(octets), device, now)
            if len(slots) >= limit:
                if not kick:
                    return False
                slots = slots[len(slots) - limit + 1 :]
            slots.append(Slot(nonce, device, until))
            txn.put(key, _encode(slots))
            return True

    def release(self, subscriber_id: int, nonce: int) -> None:
        """Give a slot back: its session ended, or it was never used."""
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

    def close(self) -> None:
        self._environment.close()


def _others(slots: list[Slot], device: bytes, now: float) -> list[Slot]:
    return [slot for slot in slots if slot.until > now and (not device or slot.device != device)]
