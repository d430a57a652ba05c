"""The addresses that this node may give, and to whom it gave them: shared by all its workers.

A login takes an address in one write transaction here and asks no database; `pools_keeper`
brings blocks of them and carries away what was given.  An address goes to somebody else only
after the Stop of the session that had it, or after the keeper has found that nobody uses it.

Not synced: what a killed process wrote, the kernel has.  What a power cut takes, nobody
remembers, so that store is thrown away as a whole (`pools_place`), and every block of it is
held back for a lease time.
"""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import lmdb
import structlog
from msgspec.structs import replace

from aaa.live import READERS_MAX, allocate
from aaa.pools_records import (
    FREE,
    LEASED,
    WITHDRAWN,
    Counts,
    Item,
    PoolState,
    decode_counts,
    decode_item,
    decode_pool,
    encode,
    holder_of,
    number,
    pool_of,
)

log = structlog.get_logger()

MAP_SIZE_OCTETS: Final = 1 << 31
REMEMBERED_MAX: Final = 16  # addresses of a subscriber that a login looks at
_ID: Final = b"id"


class NoAddress(Exception):
    """There is none to give, or none that may be given; the text says of which pool, and why."""


class Given(NamedTuple):
    """What a login got out of a pool."""

    packed: bytes
    prefix_length: int


class AddressStore:
    """Give and take back.  Times are Unix seconds: they outlive a restart of the machine."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        allocate(path / "lock.mdb")
        self.environment = lmdb.open(
            str(path),
            map_size=MAP_SIZE_OCTETS,
            max_dbs=10,
            max_readers=READERS_MAX,
            mode=0o600,
            sync=False,
            readahead=False,
        )
        self.environment.reader_check()
        opened = self.environment.open_db
        self.meta = opened(b"meta")
        self.pools = opened(b"pool")
        self.blocks = opened(b"block")
        self.items = opened(b"item")
        self.free = opened(b"free")  # pool and order -> item, the longest free first
        self.holders = opened(b"holder")
        self.due = opened(b"due")  # until and item -> nothing
        self.dirty = opened(b"dirty")  # items that the database does not know as they are
        self.counted = opened(b"counts")
        self.id = self._named()

    def lease(
        self,
        pool_ids: Sequence[int],
        subscriber_id: int,
        device: bytes,
        nonce: bytes,
        now_s: float,
    ) -> list[Given]:
        """An item of each of these pools, or of none.

        The device that asks again gets what it has; whoever comes back gets what he had, if
        nobody else has got it meanwhile.  A login that tells no device is like no other.

        Raises:
            NoAddress: a pool has none for him.
            lmdb.Error: the disk is full, or worse.
        """
        with self.environment.begin(write=True) as txn:  # what raises changes nothing
            return [
                self._give(txn, pool_id, subscriber_id, device, nonce, int(now_s))
                for pool_id in pool_ids
            ]

    def release(self, subscriber_id: int, nonce: bytes, *, refused: bool = False) -> int:
        """The session of this login is over; returns how many items came free.

        With `refused` there never was one, and what its device had before, it still has.
        """
        with self.environment.begin() as txn:
            found = self._of_login(txn, subscriber_id, nonce)
        if not found:
            return 0
        with self.environment.begin(write=True) as txn:
            found = [
                (key, item)
                for key, item in self._of_login(txn, subscriber_id, nonce)
                if not (refused and item.is_again)
            ]
            for key, item in found:
                self.put_free(txn, key, item)
        return len(found)

    def counts(self) -> dict[int, Counts]:
        """By pool."""
        with self.environment.begin() as txn:
            return {pool_of(key): decode_counts(octets) for key, octets in txn.cursor(self.counted)}

    def remembers(self, told: str) -> bool:
        """Whether what the database calls this store is this one, or as it was before; not one
        that went on where this is only a copy."""
        name, beat = _read(told)
        mine, last = _read(self.id)
        return name == mine and beat <= last

    def beat(self) -> None:
        """Go by a new number, which no copy of before has."""
        name, beat = _read(self.id)
        self._call(f"{name}.{beat + 1}")

    def begin_anew(self) -> None:
        """Be another store than any that the database has heard of."""
        self._call(uuid.uuid4().hex)

    def close(self) -> None:
        self.environment.close()

    def put_free(self, txn: lmdb.Transaction, key: bytes, item: Item) -> None:
        """A leased item is nobody's any more; who had it is remembered."""
        pool_id = pool_of(key)
        count = self.count(txn, pool_id)
        txn.delete(number.pack(item.until_s) + key, db=self.due)
        if item.is_unwanted:
            self.forget(txn, key, item)
            fresh = Item(item.block_id, WITHDRAWN)
            count = replace(count, leased=count.leased - 1, withdrawn=count.withdrawn + 1)
        else:
            fresh = Item(item.block_id, FREE, item.holder, order=count.next_order)
            txn.put(number.pack(pool_id) + number.pack(fresh.order), key, db=self.free)
            count = replace(
                count,
                free=count.free + 1,
                leased=count.leased - 1,
                next_order=count.next_order + 1,
            )
        txn.put(key, encode(fresh), db=self.items)
        txn.put(key, b"", db=self.dirty)
        self.set_count(txn, pool_id, count)

    def count(self, txn: lmdb.Transaction, pool_id: int) -> Counts:
        octets = txn.get(number.pack(pool_id), db=self.counted)
        return Counts() if octets is None else decode_counts(octets)

    def set_count(self, txn: lmdb.Transaction, pool_id: int, count: Counts) -> None:
        txn.put(number.pack(pool_id), encode(count), db=self.counted)

    def item(self, txn: lmdb.Transaction, key: bytes) -> Item | None:
        octets = txn.get(key, db=self.items)
        return None if octets is None else decode_item(octets)

    def forget(self, txn: lmdb.Transaction, key: bytes, item: Item) -> None:
        """Remember no longer who had it; he may have another by now."""
        if item.holder and txn.get(item.holder, db=self.holders) == key:
            txn.delete(item.holder, db=self.holders)

    def _give(
        self,
        txn: lmdb.Transaction,
        pool_id: int,
        subscriber_id: int,
        device: bytes,
        nonce: bytes,
        now_s: int,
    ) -> Given:
        octets = txn.get(number.pack(pool_id), db=self.pools)
        if octets is None:
            raise NoAddress(f"this node has nothing of pool {pool_id} yet")
        pool = decode_pool(octets)
        if now_s > pool.fence_s:
            raise NoAddress(
                f"pool {pool.name}: without the database for so long, nobody knows whose these are"
            )
        holder = holder_of(subscriber_id, pool_id, device or b"\0" + nonce)
        key = self._own(txn, pool_id, subscriber_id, holder) or self._next(txn, pool_id)
        if key is None:
            raise NoAddress(f"pool {pool.name}: all that this node has are given")
        item = self.item(txn, key)
        assert item is not None, "what is remembered or free is there"
        self._hand_over(txn, key, item, holder, nonce, now_s, pool)
        return Given(key[8:], pool.prefix_length)

    def _own(
        self, txn: lmdb.Transaction, pool_id: int, subscriber_id: int, holder: bytes
    ) -> bytes | None:
        """What this device has or had, else what another of the subscriber had and left."""
        key = txn.get(holder, db=self.holders)
        if key is not None:
            item = self.item(txn, bytes(key))
            if item is not None and item.state != WITHDRAWN and not item.is_unwanted:
                return bytes(key)
        prefix = holder_of(subscriber_id, pool_id, b"")
        cursor = txn.cursor(self.holders)
        found = cursor.set_range(prefix)
        for _ in range(REMEMBERED_MAX):
            if not found or not bytes(cursor.key()).startswith(prefix):
                break
            other = bytes(cursor.value())
            item = self.item(txn, other)
            if item is not None and item.state == FREE:
                return other
            found = cursor.next()
        return None

    def _next(self, txn: lmdb.Transaction, pool_id: int) -> bytes | None:
        """The one that has been free for longest: who had it is least likely to come back."""
        prefix = number.pack(pool_id)
        cursor = txn.cursor(self.free)
        if cursor.set_range(prefix) and bytes(cursor.key()).startswith(prefix):
            return bytes(cursor.value())
        return None

    def _hand_over(
        self,
        txn: lmdb.Transaction,
        key: bytes,
        item: Item,
        holder: bytes,
        nonce: bytes,
        now_s: int,
        pool: PoolState,
    ) -> None:
        pool_id = pool_of(key)
        if item.state == FREE:
            txn.delete(number.pack(pool_id) + number.pack(item.order), db=self.free)
            count = self.count(txn, pool_id)
            self.set_count(
                txn, pool_id, replace(count, free=count.free - 1, leased=count.leased + 1)
            )
        else:
            assert item.holder == holder, "what somebody has, nobody else gets"
            txn.delete(number.pack(item.until_s) + key, db=self.due)
        if item.holder != holder:
            self.forget(txn, key, item)
        until_s = now_s + pool.lease_s
        is_again = item.state == LEASED
        fresh = Item(
            item.block_id, LEASED, holder, nonce, now_s, until_s, 0, item.is_unwanted, is_again
        )
        txn.put(key, encode(fresh), db=self.items)
        txn.put(holder, key, db=self.holders)
        txn.put(number.pack(until_s) + key, b"", db=self.due)
        txn.put(key, b"", db=self.dirty)

    def _of_login(
        self, txn: lmdb.Transaction, subscriber_id: int, nonce: bytes
    ) -> list[tuple[bytes, Item]]:
        found = []
        prefix = number.pack(subscriber_id)
        cursor = txn.cursor(self.holders)
        here = cursor.set_range(prefix)
        while here and bytes(cursor.key()).startswith(prefix):
            key = bytes(cursor.value())
            item = self.item(txn, key)
            if item is not None and item.state == LEASED and item.nonce == nonce:
                found.append((key, item))
            here = cursor.next()
        return found

    def _call(self, name: str) -> None:
        with self.environment.begin(write=True) as txn:
            txn.put(_ID, name.encode(), db=self.meta)
        self.id = name

    def _named(self) -> str:
        """What the database knows this store by: a name, and how often it was told."""
        with self.environment.begin(write=True) as txn:
            found = txn.get(_ID, db=self.meta)
            if found is None:
                found = uuid.uuid4().hex.encode()
                txn.put(_ID, found, db=self.meta)
            return bytes(found).decode()


def _read(told: str) -> tuple[str, int]:
    name, _, beat = told.partition(".")
    return name, int(beat or 0)
