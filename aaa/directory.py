"""The directory: this node's own copy of what a login needs, memory-mapped and shared.

Every login worker reads it without a lock; the replicator alone writes it.  It outlives
both the database's absence and our own restarts, so a login never waits for either.
Half of the design's two LMDB environments: `aaa.live` is the other, because LMDB has one
writer at a time and a session must not wait for a bulk change.
"""

import struct
from collections.abc import Iterator, Mapping
from pathlib import Path

import lmdb

from aaa.records import (
    FORMAT,
    NasRecord,
    ProfileRecord,
    SubscriberRecord,
    decode_nas,
    decode_profile,
    decode_subscriber,
    encode,
)
from aaa.ways import WAY_MAX

KEYS_PER_COMMIT_MAX = 1_000  # a commit is synced; readers meanwhile see the state before
NAME_OCTETS_MAX = 253  # one attribute; a longer name cannot be asked for

_id = struct.Struct(">Q")
_META_FORMAT, _META_TABLES, _META_MARK, _META_CLUSTER = b"format", b"tables", b"mark", b"cluster"
_META_CURRENT = b"current"


def open_environment(path: Path, *, map_size_octets: int, readonly: bool) -> lmdb.Environment:
    """The memory map at `path`.  One a process: LMDB forbids opening it twice."""
    if not readonly:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return lmdb.open(
        str(path),
        map_size=map_size_octets,
        max_dbs=8,
        max_readers=512,
        readonly=readonly,
        mode=0o600,
        readahead=False,
    )


class DamagedDirectory(Exception):
    """The file is no memory map that LMDB can read."""


def is_filled(path: Path, *, map_size_octets: int) -> bool:
    """Whether the directory at `path` was ever complete; makes an empty one if there is none.

    Raises:
        DamagedDirectory: it is there and cannot be read.
    """
    try:
        environment = open_environment(path, map_size_octets=map_size_octets, readonly=False)
        try:
            return DirectoryWriter(environment).position() is not None
        finally:
            environment.close()
    except lmdb.Error as error:
        raise DamagedDirectory(str(error)) from None


class Directory:
    """The reading half.  A turn of many look-ups shares one snapshot; `end_turn` lets it go.

    `current_at_s` tells when, in Unix seconds, it was last known to be as the database is;
    that is written down once a minute if nothing else is.
    """

    def __init__(self, environment: lmdb.Environment) -> None:
        self.current_at_s = 0.0
        self._environment = environment
        self._meta = environment.open_db(b"meta", create=False)
        self._nas = environment.open_db(b"nas", create=False)
        self._profiles = environment.open_db(b"profile", create=False)
        self._subscribers = environment.open_db(b"subscriber", create=False)
        self._keys = environment.open_db(b"subscriber-key", create=False)
        self._ways = environment.open_db(b"subscriber-way", create=False)
        self._txn: lmdb.Transaction | None = None
        self._txn_id = -1
        self._tables_version = b""

    def begin_turn(self) -> bool:
        """Take a snapshot if none is held; whether NASes or profiles changed since the last one."""
        if self._txn is not None:
            return False
        self._txn = self._environment.begin()
        txn_id = self._txn.id()
        if txn_id == self._txn_id:
            return False
        self._txn_id = txn_id
        self.current_at_s = float(self._txn.get(_META_CURRENT, b"0", db=self._meta))
        version = self._txn.get(_META_TABLES, b"", db=self._meta)
        changed = version != self._tables_version
        self._tables_version = version
        return changed

    def end_turn(self) -> None:
        """Let the snapshot go: an old one keeps the file from reusing its pages."""
        if self._txn is not None:
            self._txn.abort()
            self._txn = None

    def subscriber(self, tenant_id: int, name: bytes) -> SubscriberRecord | None:
        """Whoever has exactly this name, in the snapshot of the turn."""
        assert self._txn is not None
        if len(name) > NAME_OCTETS_MAX:
            return None
        octets = self._txn.get(_id.pack(tenant_id) + name, db=self._subscribers)
        return None if octets is None else decode_subscriber(octets)

    def subscriber_of(self, number: int) -> SubscriberRecord | None:
        """The same by id."""
        assert self._txn is not None
        key = self._txn.get(_id.pack(number), db=self._keys)
        octets = None if key is None else self._txn.get(key, db=self._subscribers)
        return None if octets is None else decode_subscriber(octets)

    def subscriber_by(self, tenant_id: int, way: str) -> SubscriberRecord | None:
        """Whoever is found in this way (`aaa.ways`)."""
        assert self._txn is not None
        if len(way) > WAY_MAX or not way.isascii():
            return None
        number = self._txn.get(_id.pack(tenant_id) + way.encode(), db=self._ways)
        record = None if number is None else self.subscriber_of(_id.unpack(number)[0])
        return record if record is not None and way in record.ways else None

    def nases(self) -> Iterator[NasRecord]:
        assert self._txn is not None
        for _, octets in self._txn.cursor(self._nas):
            yield decode_nas(octets)

    def profiles(self) -> Iterator[ProfileRecord]:
        assert self._txn is not None
        for _, octets in self._txn.cursor(self._profiles):
            yield decode_profile(octets)


class DirectoryWriter:
    """The writing half, for the replicator.  A commit moves rows and mark together."""

    def __init__(self, environment: lmdb.Environment) -> None:
        self._environment = environment
        self._meta = environment.open_db(b"meta")
        self._nas = environment.open_db(b"nas")
        self._profiles = environment.open_db(b"profile")
        self._subscribers = environment.open_db(b"subscriber")
        self._keys = environment.open_db(b"subscriber-key")  # id -> key, for renames and removals
        self._ways = environment.open_db(b"subscriber-way")  # tenant and way -> id
        with environment.begin(write=True) as txn:
            if txn.get(_META_FORMAT, db=self._meta) != FORMAT:
                self._clear(txn)

    def position(self) -> tuple[bytes, int] | None:
        """(cluster, mark) that the content is complete up to; None: never filled."""
        with self._environment.begin() as txn:
            mark = txn.get(_META_MARK, db=self._meta)
            cluster = txn.get(_META_CLUSTER, db=self._meta)
        if mark is None or cluster is None:
            return None
        return cluster, int(mark)

    def set_position(self, cluster: bytes, mark: int, now_s: float) -> None:
        """All up to `mark` is in; the database was heard of at `now_s` (Unix)."""
        self._environment.reader_check()  # the snapshots of killed workers, so pages come free
        with self._environment.begin(write=True) as txn:
            txn.put(_META_CLUSTER, cluster, db=self._meta)
            txn.put(_META_MARK, str(mark).encode(), db=self._meta)
            txn.put(_META_CURRENT, b"%.3f" % now_s, db=self._meta)

    def put_tables(
        self,
        nases: Mapping[int, NasRecord | None],
        profiles: Mapping[int, ProfileRecord | None],
    ) -> None:
        """Replace NASes and profiles by id; None removes one."""
        with self._environment.begin(write=True) as txn:
            for database, records in ((self._nas, nases), (self._profiles, profiles)):
                for number, record in records.items():
                    if record is None:
                        txn.delete(_id.pack(number), db=database)
                    else:
                        txn.put(_id.pack(number), encode(record), db=database)
            self._bump_tables(txn)

    def put_subscribers(
        self, records: dict[int, tuple[int, bytes, SubscriberRecord] | None]
    ) -> None:
        """Replace subscribers by id: (tenant, name, record), or None for one that is gone."""
        assert len(records) <= KEYS_PER_COMMIT_MAX
        with self._environment.begin(write=True) as txn:
            # All old keys go before any new one comes, so that two may swap their names.
            fresh: list[tuple[int, bytes, SubscriberRecord]] = []
            for number, row in records.items():
                old = txn.get(_id.pack(number), db=self._keys)
                new = None if row is None else _id.pack(row[0]) + row[1]
                if old is not None:
                    self._delete_ways(txn, number, old)
                if old is not None and old != new:
                    self._delete_subscriber(txn, number, old)
                if new is not None and row is not None and len(row[1]) <= NAME_OCTETS_MAX:
                    fresh.append((number, new, row[2]))
            for number, key, record in fresh:
                txn.put(key, encode(record), db=self._subscribers)
                txn.put(_id.pack(number), key, db=self._keys)
                for way in record.ways:
                    txn.put(key[: _id.size] + way.encode(), _id.pack(number), db=self._ways)

    def retain_subscribers(self, seen: set[int]) -> None:
        """Remove every subscriber that a complete reading did not meet."""
        gone = [number for number in self._subscriber_ids() if number not in seen]
        for start in range(0, len(gone), KEYS_PER_COMMIT_MAX):
            self.put_subscribers(dict.fromkeys(gone[start : start + KEYS_PER_COMMIT_MAX], None))

    def tables(self) -> tuple[set[int], dict[int, ProfileRecord]]:
        """The ids of all NASes, and all profiles by id."""
        with self._environment.begin() as txn:
            return (
                {_id.unpack(key)[0] for key, _ in txn.cursor(self._nas)},
                {
                    _id.unpack(key)[0]: decode_profile(octets)
                    for key, octets in txn.cursor(self._profiles)
                },
            )

    def count(self) -> int:
        """How many subscribers it holds."""
        with self._environment.begin() as txn:
            entries: int = txn.stat(self._subscribers)["entries"]
            return entries

    def _subscriber_ids(self) -> list[int]:
        with self._environment.begin() as txn:
            return [_id.unpack(key)[0] for key, _ in txn.cursor(self._keys)]

    def _delete_subscriber(self, txn: lmdb.Transaction, number: int, key: bytes) -> None:
        octets = txn.get(key, db=self._subscribers)
        # Somebody else may have taken the name in an earlier commit.
        if octets is not None and decode_subscriber(octets).id == number:
            txn.delete(key, db=self._subscribers)
        txn.delete(_id.pack(number), db=self._keys)

    def _delete_ways(self, txn: lmdb.Transaction, number: int, key: bytes) -> None:
        octets = txn.get(key, db=self._subscribers)
        record = None if octets is None else decode_subscriber(octets)
        if record is None or record.id != number:
            return
        for way in record.ways:
            at = key[: _id.size] + way.encode()
            # Somebody else may have got it in an earlier commit.
            if txn.get(at, db=self._ways) == _id.pack(number):
                txn.delete(at, db=self._ways)

    def _bump_tables(self, txn: lmdb.Transaction) -> None:
        version = int(txn.get(_META_TABLES, b"0", db=self._meta)) + 1
        txn.put(_META_TABLES, str(version).encode(), db=self._meta)

    def _clear(self, txn: lmdb.Transaction) -> None:
        for database in (self._nas, self._profiles, self._subscribers, self._keys, self._ways):
            txn.drop(database, delete=False)
        for key in (_META_MARK, _META_CLUSTER, _META_CURRENT):
            txn.delete(key, db=self._meta)
        txn.put(_META_FORMAT, FORMAT, db=self._meta)
        self._bump_tables(txn)
