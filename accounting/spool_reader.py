"""What ingest sees of the spools: segments, read while they are written, then removed.

Only reads: the database opens read-only, and its log is left as it is.  A segment of a
process that was killed needs nothing special, SQLite finds its last commit by itself.  A
*damaged* one, which a power cut cannot make but a dying disk can, is put aside with what
is readable saved under its name (`accounting.salvage`), so ingest neither stops nor
counts anything twice.
"""

import sqlite3
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from accounting import segment
from accounting.salvage import is_unfinished, salvage

log = structlog.get_logger()

_SELECT: Final = """
SELECT seq, received_at, tenant_id, nas_id, host, port, packet
  FROM record WHERE seq > ? ORDER BY seq LIMIT ?
"""
# What SQLite says of files that are not what it wrote.  A missing table is one (ERROR); a
# lock, a missing file or a read error is not.
_DAMAGE: Final = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_SCHEMA,
)

Row = tuple[int | float | str | bytes, ...]


class SpooledRecord(NamedTuple):
    """One accounting packet as the spool kept it.  `seq` is its place in the segment."""

    seq: int
    received_at: float
    tenant_id: int
    nas_id: int
    host: str
    port: int
    packet: bytes


class Segment:
    """One segment, opened when first asked.  One thread at a time.

    Raises, from what reads:
        FileNotFoundError: it is gone, and so nothing of it is missing elsewhere.
        sqlite3.Error: it cannot be read now; a damaged one only as long as it is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.id = path.stem
        self.worker = path.parent.name
        self._database: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        return f"Segment({self.worker}/{self.id})"

    def batch(self, after_seq: int, limit: int) -> list[SpooledRecord]:
        """The next records, oldest first.  Empty: there are none, or none yet."""
        rows = self._query(_SELECT, (after_seq, limit))
        return [SpooledRecord._make(row) for row in rows]

    @property
    def last_seq(self) -> int:
        """Of the newest record; 0: there is none."""
        [(seq,)] = self._query("SELECT coalesce(max(seq), 0) FROM record", ())
        return int(seq)

    @property
    def is_sealed(self) -> bool:
        """Whether its writer said that nothing more comes."""
        [(sealed,)] = self._query("SELECT sealed FROM meta", ())
        return bool(sealed)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more can come: sealed, or its writer is gone.

        Ask first and read then: what was read before may not have been all.
        """
        # In this order: a writer seals before it goes.
        return not segment.has_writer(self.path) or self.is_sealed

    def estimate(self, otherwise: int) -> int:
        """How many records it has, without a word about what is wrong with it."""
        try:
            return self.last_seq
        except (sqlite3.Error, OSError):
            return otherwise
        finally:
            self.close()

    def remove(self) -> None:
        """Unlink it.  Only when it is finished and all of it is committed elsewhere."""
        self.close()
        segment.remove(self.path)

    def close(self) -> None:
        """Let go; the next question opens it again."""
        if self._database is not None:
            self._database.close()
            self._database = None

    def _query(self, query: str, parameters: tuple[int, ...]) -> list[Row]:
        try:
            return self._ask(query, parameters)
        except sqlite3.DatabaseError as error:
            self.close()
            if not self.path.exists():
                raise FileNotFoundError(self.path) from error
            # The low octet is the kind, the others say more of it.
            # Text that is none has no code: it is Python's own complaint.
            kind = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if kind not in _DAMAGE or segment.has_writer(self.path):
                raise
            saved = salvage(self.path)
            log.error(  # noqa: TRY400 - where we noticed says nothing about the disk
                "spool_segment_damaged",
                segment=str(self.path),
                error=str(error),
                records_saved=saved,
            )
        return self._ask(query, parameters)

    def _ask(self, query: str, parameters: tuple[int, ...]) -> list[Row]:
        if self._database is None:
            if is_unfinished(self.path):
                salvage(self.path)
            self._database = segment.connect(self.path, "ro")
        rows: list[Row] = self._database.execute(query, parameters).fetchall()
        # SQLite takes keys on trust, and ingest takes these for the place where it is.
        keys = [row[0] for row in rows]
        if keys != sorted(set(keys)):
            raise sqlite3.DatabaseError("sequence numbers out of order")
        return rows


def segments(root: Path) -> list[Segment]:
    """All segments of all workers under `root`, those that are gone included, oldest first."""
    paths = root.glob("*/*" + segment.SUFFIX)
    return [Segment(path) for path in sorted(paths, key=lambda path: path.name)]
