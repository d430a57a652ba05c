"""One file of a spool: SQLite, written by one process, read by another, then unlinked.

A segment appears under its name whole, with its tables, and on disk.  Records are durable
when `append` returns.  While somebody writes it there is a locked file beside it, which
the kernel unlocks whatever happens to the writer; so a segment is finished when it says
that it is sealed, or when nobody holds that lock.

After an error nothing more is asked of a segment but `set_aside`: what a failed fsync
left in the page cache looks clean and is not on the disk, so a second fsync would
lie.  That is why checkpoints are made here, where their errors are seen, and never by
SQLite on its own, which would swallow them, nor when the file is closed.
"""

import fcntl
import os
import sqlite3
import uuid
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

from accounting.spool import Record

FORMAT: Final = 1
SUFFIX: Final = ".segment"
WRITER_SUFFIX: Final = ".writer"  # the lock
FRESH_SUFFIX: Final = ".fresh"  # not yet a segment; removed by whoever finds it
# The log has its blocks from the beginning and begins anew when they are used up: where a
# file need not grow, an fdatasync costs a sixth of the time and half of the CPU.
LOG_OCTETS: Final = 2**20
_PAGE_OCTETS: Final = 4096
# Each step of a statement gives up the interpreter's lock and has to win it back from the
# event loop, so one statement takes many rows.
ROWS_PER_STATEMENT: Final = (256, 32, 4, 1)
ROW_OVERHEAD_OCTETS: Final = 48  # of a record in the file, beside the packet

CREATE = """
BEGIN;
CREATE TABLE meta (
    format INTEGER NOT NULL, worker TEXT NOT NULL, created_at REAL NOT NULL, sealed INTEGER NOT NULL
);
CREATE TABLE record (
    seq INTEGER PRIMARY KEY, received_at REAL NOT NULL, tenant_id INTEGER NOT NULL,
    nas_id INTEGER NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL, packet BLOB NOT NULL
);
COMMIT;
"""
_INSERT = "INSERT INTO record (received_at, tenant_id, nas_id, host, port, packet) VALUES "
_STATEMENTS = tuple(
    (rows, _INSERT + ", ".join(["(?, ?, ?, ?, ?, ?)"] * rows)) for rows in ROWS_PER_STATEMENT
)


class SegmentWriter:
    """The writing side.  One thread at a time.

    Raises, from all methods but `set_aside`:
        sqlite3.Error, OSError: the disk failed or is full; `set_aside` is what is left to do.
    """

    def __init__(self, directory: Path, worker: str, *, now_s: float, now_monotonic: float) -> None:
        self.records = 0
        self.octets = 0  # about what the records take in the file
        self.opened_at = now_monotonic
        self._log_octets = 0  # about what is in the log and not yet in the file
        name = str(_ordered_uuid(now_s))
        self.path = directory / (name + SUFFIX)
        fresh = directory / (name + FRESH_SUFFIX)
        self._lock_path = directory / (name + WRITER_SUFFIX)
        self._lock = os.open(self._lock_path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            make_database(fresh, worker, now_s)
            log, _ = beside(self.path)
            log.write_bytes(bytes(LOG_OCTETS))  # to SQLite an empty one
            sync(log, os.O_RDONLY)
            fresh.rename(self.path)
            sync(directory)
            self._database = connect(self.path, "rw")
            self._database.execute("PRAGMA wal_autocheckpoint = 0")
            # A second connection, idle: SQLite makes a checkpoint when the last one closes,
            # and this one, which may not write, makes none.
            self._guard = connect(self.path, "ro")
            self._guard.execute("SELECT sealed FROM meta").fetchone()
        except (sqlite3.Error, OSError):
            for path in (fresh, self.path, *beside(fresh), *beside(self.path)):
                with suppress(OSError):
                    path.unlink()
            self._unlock()
            raise

    def append(self, records: Sequence[Record]) -> None:
        """Store `records`; on return they survive a power cut."""
        execute = self._database.execute
        execute("BEGIN")
        at, left = 0, len(records)
        for rows, statement in _STATEMENTS:
            while left >= rows:
                execute(statement, tuple(chain.from_iterable(records[at : at + rows])))
                at += rows
                left -= rows
        execute("COMMIT")
        octets = sum([len(record[-1]) for record in records])
        octets += ROW_OVERHEAD_OCTETS * len(records)
        self.records += len(records)
        self.octets += octets
        self._log_octets += octets + 2 * _PAGE_OCTETS  # the last page again, and the root

    def tidy(self) -> None:
        """Let the log begin anew when it has become long."""
        if self._log_octets >= LOG_OCTETS:
            self._checkpoint()

    def seal(self) -> None:
        """Say that nothing more will come, and close."""
        self._database.execute("UPDATE meta SET sealed = 1")
        self._checkpoint()
        self._close()

    def set_aside(self) -> None:
        """Close without another write.  What was stored before stays for the reader."""
        self._close()

    def _checkpoint(self) -> None:
        # It copies what no reader holds back; the rest is for the next time.
        self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        self._log_octets = 0

    def _close(self) -> None:
        for connection in (self._database, self._guard):
            with suppress(sqlite3.Error):
                connection.close()
        if not self.records:
            with suppress(OSError):
                remove(self.path)
        self._unlock()

    def _unlock(self) -> None:
        with suppress(OSError):
            self._lock_path.unlink()
        os.close(self._lock)


def make_database(path: Path, worker: str, now_s: float) -> None:
    """An empty segment at `path`, on disk but for its name."""
    database = connect(path, "rwc")
    try:
        # Nobody sees it yet, so one sync at the end is enough.
        database.execute("PRAGMA synchronous = OFF")
        database.execute("PRAGMA journal_mode = WAL")
        database.executescript(CREATE)
        database.execute("INSERT INTO meta VALUES (?, ?, ?, 0)", (FORMAT, worker, now_s))
    finally:
        database.close()
    if any(file.exists() for file in beside(path)):
        raise OSError(f"{path}: the disk took no checkpoint")
    sync(path, os.O_RDONLY)


def has_writer(path: Path) -> bool:
    """Whether a process is writing the segment at `path` now."""
    try:
        descriptor = os.open(path.with_suffix(WRITER_SUFFIX), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def remove(path: Path) -> None:
    """Unlink a segment and what lies beside it; the segment first, so that no half is found.

    Raises:
        OSError: it is still there.
    """
    path.unlink(missing_ok=True)
    for file in (*beside(path), path.with_suffix(WRITER_SUFFIX)):
        with suppress(OSError):
            file.unlink()


def beside(path: Path) -> tuple[Path, Path]:
    """SQLite's log and index of a database."""
    return path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def sync(path: Path, flags: int = os.O_RDONLY | os.O_DIRECTORY) -> None:
    """Make a folder's names durable, or a file's octets."""
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def connect(path: Path, mode: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=1.0,
        check_same_thread=False,
    )
    database.execute("PRAGMA synchronous = FULL")
    return database


def _ordered_uuid(now_s: float) -> uuid.UUID:
    """Version 7 (RFC 9562 §5.7): names sort by age."""
    milliseconds = int(now_s * 1000) & (2**48 - 1)
    octets = bytearray(milliseconds.to_bytes(6, "big") + os.urandom(10))
    octets[6] = octets[6] & 0x0F | 0x70
    octets[8] = octets[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(octets))
