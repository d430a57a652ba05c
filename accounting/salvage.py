"""Saves what is readable of a damaged segment, and keeps the damaged one for a person.

The saved records keep their segment's name and their sequence numbers, because ingest
may have committed some of them already.  Can be interrupted anywhere: the damaged file
has its second name before the first is given away, and as long as both are the same file
there is work left.
"""

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from accounting import segment

DAMAGED_SUFFIX: Final = ".damaged"
_SALVAGED_SUFFIX: Final = ".salvaged"
_COLUMNS: Final = "seq, received_at, tenant_id, nas_id, host, port, packet"
_INSERT: Final = f"INSERT OR IGNORE INTO record ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_UP: Final = f"SELECT {_COLUMNS} FROM record WHERE seq >= ? ORDER BY seq"  # noqa: S608
_DOWN: Final = f"SELECT {_COLUMNS} FROM record WHERE seq <= ? ORDER BY seq DESC"  # noqa: S608
_TYPES: Final = (int, float, int, int, str, int, bytes)
_SEQ_MAX: Final = 2**63 - 1
# Behind a page that cannot be read the next ones may be whole, so we look behind it, a few
# records on at a time, so often at most.
_STEP: Final = 4
_STEPS_MAX: Final = 50_000

Row = tuple[object, ...]


def is_unfinished(path: Path) -> bool:
    """Whether somebody began to salvage the segment at `path` and did not come to the end."""
    damaged = path.with_suffix(DAMAGED_SUFFIX)
    return damaged.exists() and path.exists() and damaged.samefile(path)


def salvage(path: Path) -> int:
    """Put the segment at `path` aside and what is readable in its place; returns how many
    records that is.  Only for a segment that nobody writes.

    Raises:
        OSError, sqlite3.Error: the disk took no copy; nothing is lost, and it can be tried again.
    """
    damaged, fresh = path.with_suffix(DAMAGED_SUFFIX), path.with_suffix(_SALVAGED_SUFFIX)
    wal, index = segment.beside(path)
    damaged_wal, damaged_index = segment.beside(damaged)
    if not is_unfinished(path):
        # The log first: when the file has its second name, both have.
        damaged_wal.unlink(missing_ok=True)
        damaged.unlink(missing_ok=True)
        if wal.exists():
            os.link(wal, damaged_wal)
        os.link(path, damaged)
        segment.sync(path.parent)
    for file in (fresh, *segment.beside(fresh), damaged_index):
        file.unlink(missing_ok=True)
    segment.make_database(fresh, path.parent.name, path.stat().st_mtime)
    with closing(segment.connect(fresh, "rw")) as database:
        rows = _readable(damaged)
        database.execute("BEGIN")
        database.executemany(_INSERT, rows)
        database.execute("UPDATE meta SET sealed = 1")
        database.execute("COMMIT")
    # Closing made the last checkpoint; whether that is on disk, only an own sync tells.
    segment.sync(fresh, os.O_RDONLY)
    if any(file.exists() for file in segment.beside(fresh)):
        raise OSError(f"{fresh}: the disk took no checkpoint")
    # The damaged log must not be applied to the new file.
    wal.unlink(missing_ok=True)
    index.unlink(missing_ok=True)
    segment.sync(path.parent)
    fresh.rename(path)
    segment.sync(path.parent)
    return len(rows)


def _readable(path: Path) -> list[Row]:
    """Every record that SQLite can still reach: upwards, downwards, and between the holes."""
    found: dict[int, Row] = {}
    try:
        with closing(segment.connect(path, "ro")) as database:
            database.text_factory = _text
            whole = _walk(database, _UP, 0, found)
            if not whole:
                highest_below = max(found, default=0)
                _walk(database, _DOWN, _SEQ_MAX, found)
                _between(database, highest_below, found)
    except sqlite3.Error:
        pass  # not even the first page: what `found` holds is all there is
    return [found[seq] for seq in sorted(found)]


def _text(octets: bytes) -> str:
    """An address with a wrong octet in it is no reason to lose a record."""
    return octets.decode(errors="replace")


def _walk(database: sqlite3.Connection, query: str, start: int, found: dict[int, Row]) -> bool:
    """Read from `start` on until the end (True) or something unreadable."""
    try:
        for row in database.execute(query, (start,)):
            if all(type(value) is kind for value, kind in zip(row, _TYPES, strict=True)):
                found[row[0]] = row
    except sqlite3.Error:
        return False
    return True


def _between(database: sqlite3.Connection, after: int, found: dict[int, Row]) -> None:
    """Look behind each unreadable page up to where the way down came to an end."""
    above = [seq for seq in found if seq > after]
    end = min(above) if above else after + _STEP * _STEPS_MAX
    at = after + 1
    for _ in range(_STEPS_MAX):
        if at >= end:
            return
        before = len(found)
        with suppress(sqlite3.Error):
            for row in database.execute(_UP, (at,)):
                if all(type(value) is kind for value, kind in zip(row, _TYPES, strict=True)):
                    found[row[0]] = row
                if row[0] >= end:
                    return
        # Readable as far as the next hole; else one step into the hole.
        at = max(seq for seq in found if seq < end) + 1 if len(found) > before else at + _STEP
