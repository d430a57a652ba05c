"""What the keeper does to the store: blocks in and out, what is due, what the database must hear.

Each is one short write transaction, or a few: logins wait for it.  Knows no database.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import ip_network

import lmdb
from msgspec.structs import replace

from aaa.pools_plan import Network, items
from aaa.pools_records import (
    FREE,
    LEASED,
    WITHDRAWN,
    Block,
    Held,
    Item,
    PoolState,
    decode_block,
    decode_item,
    encode,
    key_of,
    number,
    pool_of,
)
from aaa.pools_store import AddressStore


def blocks(store: AddressStore) -> dict[int, Block]:
    """By id."""
    with store.environment.begin() as txn:
        return {pool_of(key): decode_block(octets) for key, octets in txn.cursor(store.blocks)}


def set_pool(store: AddressStore, pool_id: int, state: PoolState) -> None:
    """What logins are to know of a pool."""
    with store.environment.begin(write=True) as txn:
        txn.put(number.pack(pool_id), encode(state), db=store.pools)


def add(
    store: AddressStore,
    block_id: int,
    block: Block,
    prefix_length: int,
    *,
    unwanted: Collection[bytes] = (),
    held_until_s: int = 0,
) -> None:
    """A block that the database says is ours.  With `held_until_s` nobody knows what of it is
    in use: until then it is given to nobody, and then somebody looks."""
    with store.environment.begin(write=True) as txn:
        if txn.get(number.pack(block_id), db=store.blocks) is not None:
            return
        txn.put(number.pack(block_id), encode(block), db=store.blocks)
        count = store.count(txn, block.pool_id)
        for packed in items(ip_network(block.network), prefix_length):
            key = key_of(block.pool_id, packed)
            is_unwanted = packed in unwanted
            if held_until_s:
                item = Item(block_id, LEASED, until_s=held_until_s, is_unwanted=is_unwanted)
                txn.put(number.pack(held_until_s) + key, b"", db=store.due)
                txn.put(key, b"", db=store.dirty)
                count = replace(count, leased=count.leased + 1)
            elif is_unwanted:
                item = Item(block_id, WITHDRAWN)
                count = replace(count, withdrawn=count.withdrawn + 1)
            else:
                item = Item(block_id, FREE, order=count.next_order)
                txn.put(number.pack(block.pool_id) + number.pack(item.order), key, db=store.free)
                count = replace(count, free=count.free + 1, next_order=count.next_order + 1)
            txn.put(key, encode(item), db=store.items)
        store.set_count(txn, block.pool_id, count)


def want(store: AddressStore, block_id: int, block: Block, unwanted: Collection[bytes]) -> None:
    """From now on these of a block, and no others, are not to be given."""
    with store.environment.begin(write=True) as txn:
        count = store.count(txn, block.pool_id)
        for key, item in list(_items_of(store, txn, block_id, block)):
            is_unwanted = key[8:] in unwanted
            if item.state == LEASED:
                if item.is_unwanted != is_unwanted:
                    txn.put(key, encode(replace(item, is_unwanted=is_unwanted)), db=store.items)
            elif item.state == FREE and is_unwanted:
                _take_from_line(store, txn, key, item)
                count = replace(count, free=count.free - 1, withdrawn=count.withdrawn + 1)
                txn.put(key, encode(Item(block_id, WITHDRAWN)), db=store.items)
            elif item.state == WITHDRAWN and not is_unwanted:
                fresh = Item(block_id, FREE, order=count.next_order)
                txn.put(number.pack(block.pool_id) + number.pack(fresh.order), key, db=store.free)
                txn.put(key, encode(fresh), db=store.items)
                count = replace(
                    count,
                    free=count.free + 1,
                    withdrawn=count.withdrawn - 1,
                    next_order=count.next_order + 1,
                )
        store.set_count(txn, block.pool_id, count)


def leave(store: AddressStore, block_id: int, block: Block) -> bool:
    """Stop giving from a block of which nothing is given; False: something is."""
    with store.environment.begin() as txn:  # asked again and again while something is
        if any(item.state == LEASED for _, item in _items_of(store, txn, block_id, block)):
            return False
    with store.environment.begin(write=True) as txn:
        if any(item.state == LEASED for _, item in _items_of(store, txn, block_id, block)):
            return False
        _empty(store, txn, block_id, block)
        txn.put(number.pack(block_id), encode(replace(block, is_leaving=True)), db=store.blocks)
    return True


def drop(store: AddressStore, block_id: int, block: Block) -> None:
    """The block is not ours any more."""
    with store.environment.begin(write=True) as txn:
        _empty(store, txn, block_id, block)
        txn.delete(number.pack(block_id), db=store.blocks)


def due(store: AddressStore, now_s: float, limit: int) -> list[Held]:
    """Leases of which it is time to ask whether anybody still uses them, the oldest first."""
    found: list[Held] = []
    with store.environment.begin() as txn:
        for octets in txn.cursor(store.due).iternext(keys=True, values=False):
            if len(found) >= limit or pool_of(octets) > now_s:
                break
            key = bytes(octets[8:])
            item = store.item(txn, key)
            if item is not None:
                found.append(Held(key, item))
    return found


def settle(store: AddressStore, held: Iterable[tuple[Held, int | None]]) -> int:
    """Keep each until then, or (None) let it go: unless it changed meanwhile.  Returns how
    many were let go."""
    freed = 0
    with store.environment.begin(write=True) as txn:
        for (key, before), until_s in held:
            item = store.item(txn, key)
            if item is None or item != before or item.state != LEASED:
                continue
            if until_s is None:
                store.put_free(txn, key, item)
                freed += 1
                continue
            txn.delete(number.pack(item.until_s) + key, db=store.due)
            txn.put(number.pack(until_s) + key, b"", db=store.due)
            txn.put(key, encode(replace(item, until_s=until_s)), db=store.items)
            txn.put(key, b"", db=store.dirty)
    return freed


def unsaid(store: AddressStore, limit: int) -> list[Held]:
    """Items that the database does not know as they are now."""
    found: list[Held] = []
    with store.environment.begin() as txn:
        for octets in txn.cursor(store.dirty).iternext(keys=True, values=False):
            if len(found) >= limit:
                break
            item = store.item(txn, octets)
            found.append(Held(bytes(octets), item or Item(0)))
    return found


def said(store: AddressStore, told: Iterable[Held]) -> None:
    """The database knows them so; what changed meanwhile is still to be said."""
    with store.environment.begin(write=True) as txn:
        for key, item in told:
            if (store.item(txn, key) or Item(0)) == item:
                txn.delete(key, db=store.dirty)


def say_again(store: AddressStore, block_id: int, block: Block) -> None:
    """The database has forgotten what is given of this block."""
    with store.environment.begin(write=True) as txn:
        for key, item in list(_items_of(store, txn, block_id, block)):
            if item.state == LEASED:
                txn.put(key, b"", db=store.dirty)


def find(store: AddressStore, keys: Iterable[bytes]) -> Mapping[bytes, Item]:
    """Those of these that are there."""
    with store.environment.begin() as txn:
        return {key: item for key in keys if (item := store.item(txn, key)) is not None}


def _items_of(
    store: AddressStore, txn: lmdb.Transaction, block_id: int, block: Block
) -> Iterator[tuple[bytes, Item]]:
    network: Network = ip_network(block.network)
    cursor = txn.cursor(store.items)
    last = key_of(block.pool_id, network.broadcast_address.packed)
    here = cursor.set_range(key_of(block.pool_id, network.network_address.packed))
    while here and bytes(cursor.key()) <= last:
        item = decode_item(cursor.value())
        if item.block_id == block_id:
            yield bytes(cursor.key()), item
        here = cursor.next()


def _empty(store: AddressStore, txn: lmdb.Transaction, block_id: int, block: Block) -> None:
    count = store.count(txn, block.pool_id)
    for key, item in list(_items_of(store, txn, block_id, block)):
        if item.state == FREE:
            _take_from_line(store, txn, key, item)
            count = replace(count, free=count.free - 1)
        elif item.state == LEASED:
            txn.delete(number.pack(item.until_s) + key, db=store.due)
            count = replace(count, leased=count.leased - 1)
        else:
            count = replace(count, withdrawn=count.withdrawn - 1)
        store.forget(txn, key, item)
        txn.delete(key, db=store.items)
        txn.delete(key, db=store.dirty)
    store.set_count(txn, block.pool_id, count)


def _take_from_line(store: AddressStore, txn: lmdb.Transaction, key: bytes, item: Item) -> None:
    txn.delete(number.pack(pool_of(key)) + number.pack(item.order), db=store.free)
