"""What a node remembers of the addresses it may give: the records of its store, and their keys.

Pure, and the one place that knows how they look in LMDB.
"""

import struct
from typing import Final, NamedTuple

import msgspec

FREE: Final = 0
LEASED: Final = 1
WITHDRAWN: Final = 2  # must not be given

number = struct.Struct(">Q")


class PoolState(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a login needs to know of a pool."""

    name: str
    prefix_length: int
    lease_s: int
    fence_s: float  # Unix seconds, beyond which the node's blocks may be somebody else's


class Block(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Addresses that this node has for itself."""

    pool_id: int
    network: str
    is_leaving: bool = False  # on its way back to the database: gives no more


class Item(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One address or prefix, and who had it last."""

    block_id: int
    state: int = FREE
    holder: bytes = b""  # key of who has or had it
    nonce: bytes = b""  # of the login that has it, 16 hex digits
    given_s: int = 0
    until_s: int = 0  # when to ask whether anybody still uses it
    order: int = 0  # its place in the line of the free
    is_unwanted: bool = False  # to be withdrawn when it comes free
    is_again: bool = False  # the login of `nonce` found that it had it already


class Counts(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Of one pool, on this node."""

    free: int = 0
    leased: int = 0
    next_order: int = 1
    withdrawn: int = 0


class Held(NamedTuple):
    """An item under its key."""

    key: bytes
    item: Item

    @property
    def pool_id(self) -> int:
        return pool_of(self.key)

    @property
    def packed(self) -> bytes:
        return self.key[8:]


encode = msgspec.msgpack.Encoder().encode
decode_pool = msgspec.msgpack.Decoder(PoolState).decode
decode_block = msgspec.msgpack.Decoder(Block).decode
decode_item = msgspec.msgpack.Decoder(Item).decode
decode_counts = msgspec.msgpack.Decoder(Counts).decode


def key_of(pool_id: int, packed: bytes) -> bytes:
    return number.pack(pool_id) + packed


def pool_of(key: bytes) -> int:
    found: int = number.unpack_from(key)[0]
    return found


def holder_of(subscriber_id: int, pool_id: int, device: bytes) -> bytes:
    """Who has an address: begins with the subscriber, whose addresses lie together."""
    return number.pack(subscriber_id) + number.pack(pool_id) + device


def subscriber_of(holder: bytes) -> int:
    """0: nobody."""
    return pool_of(holder) if holder else 0
