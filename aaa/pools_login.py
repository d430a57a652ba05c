"""An address for a login: from a plan's pools to the octets of the Access-Accept.

Every dialect says addresses as the RFCs do, so they need no vendor.  Whoever has an address of
his own gets none from a pool of that kind.
"""

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import lmdb
import msgspec
import structlog

from aaa.pools_plan import DELEGATED_PREFIX, IPV4, IPV6_PREFIX
from aaa.pools_store import AddressStore, NoAddress
from aaa.records import Personal, ServerPool

log = structlog.get_logger()

LOG_EVERY_S: Final = 60.0
_FRAMED_IP: Final = bytes((8, 6))
_prefix = struct.Struct(">BBBB")  # type, length, reserved, prefix length (RFC 3162 §2.3)
_TYPES: Final = {IPV6_PREFIX: 97, DELEGATED_PREFIX: 123}


class Addresses:
    """Of one worker.  A disk that fails costs the logins that need an address, and no others."""

    def __init__(self, path: Path) -> None:
        self.failures = 0
        self._path = path
        self._store: AddressStore | None = None
        self._log_at = 0.0
        self._open()

    def lease(
        self,
        pools: Sequence[ServerPool],
        personal: Personal | None,
        subscriber_id: int,
        device: bytes,
        nonce: bytes,
        now_s: float,
    ) -> bytes:
        """The attributes that say what this login got; `release` takes it back.

        Raises:
            NoAddress: a pool has none for him.
        """
        wanted = [pool for pool in pools if not has_own(personal, pool.kind)]
        if not wanted:
            return b""
        try:
            given = self._opened().lease(
                [pool.id for pool in wanted], subscriber_id, device, nonce, now_s
            )
        except (OSError, lmdb.Error, msgspec.DecodeError) as error:
            self._failed(error, now_s)
            raise NoAddress(f"pool {wanted[0].name}: {error}") from None
        return b"".join(
            [
                octets_of(pool.kind, one.packed, one.prefix_length)
                for pool, one in zip(wanted, given, strict=True)
            ]
        )

    def release(
        self, subscriber_id: int, nonce: bytes, now_s: float, *, refused: bool = False
    ) -> None:
        """The session of this login is over, or (`refused`) there will be none."""
        try:
            self._opened().release(subscriber_id, nonce, refused=refused)
        except (OSError, lmdb.Error, msgspec.DecodeError) as error:
            self._failed(error, now_s)  # the lease runs out by itself

    def close(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _opened(self) -> AddressStore:
        if self._store is None:
            self._open()
        if self._store is None:
            raise lmdb.Error("not open")
        return self._store

    def _open(self) -> None:
        try:
            self._store = AddressStore(self._path)
        except (OSError, lmdb.Error) as error:
            self._failed(error, self._log_at)

    def _failed(self, error: Exception, now_s: float) -> None:
        self.failures += 1
        if now_s >= self._log_at:
            self._log_at = now_s + LOG_EVERY_S
            log.error("addresses_unusable", path=str(self._path), error=str(error))


def has_own(personal: Personal | None, kind: str) -> bool:
    """Whether a subscriber has an address of this kind that is his alone."""
    if personal is None:
        return False
    if kind == IPV4:
        return personal.static_ipv4 is not None
    if kind == IPV6_PREFIX:
        return personal.static_ipv6_prefix is not None
    return personal.delegated_ipv6 is not None


def octets_of(kind: str, packed: bytes, prefix_length: int) -> bytes:
    """Framed-IP-Address, Framed-IPv6-Prefix or Delegated-IPv6-Prefix."""
    if kind == IPV4:
        return _FRAMED_IP + packed
    return _prefix.pack(_TYPES[kind], 20, 0, prefix_length) + packed
