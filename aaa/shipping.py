"""Carries the workers' decision files to PostgreSQL, and forgets old decisions there.

Run by the replicator while the database is there.  A record's identity is its file and
its place in it, so what is shipped twice is stored once; a file goes when it is shipped
to its end and nobody writes to it any more.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import structlog
from sqlalchemy import text

from aaa.decisions import DecisionRecord, decode
from core.clock import Clock
from core.db import NodeDatabase, copy_rows

log = structlog.get_logger()

OCTETS_PER_PASS_MAX = 1 << 20
ABANDONED_S = 120.0  # a file that nobody has touched for so long has no writer
PRUNE_EVERY_S = 3600.0
PRUNE_ROWS_MAX = 10_000

_COLUMNS = (
    "tenant_id", "decision_uid", "at", "nas_id", "nas_name", "username", "calling_station",
    "outcome", "reason", "method", "subscriber_id", "trace",
)  # fmt: skip
_STAGE = """
CREATE TEMP TABLE shipped_decision (
    tenant_id bigint, decision_uid text, at timestamptz, nas_id bigint, nas_name text,
    username text, calling_station text, outcome text, reason text, method text,
    subscriber_id bigint, trace text
) ON COMMIT DROP
"""
_STORE = """
INSERT INTO decision (tenant_id, decision_uid, at, nas_id, nas_name, username, calling_station,
                      outcome, reason, method, subscriber_id, trace)
SELECT tenant_id, decision_uid, at, nas_id, nas_name, username, calling_station,
       outcome, reason, method, subscriber_id, trace::jsonb
  FROM shipped_decision
    ON CONFLICT (decision_uid) DO NOTHING
"""
_PRUNE = """
DELETE FROM decision WHERE id IN (SELECT id FROM decision WHERE at < :before LIMIT :rows)
"""

_encode_trace = msgspec.json.Encoder().encode


class DecisionShipper:
    """Ships from `root`/<worker>/*.decisions."""

    def __init__(self, root: Path, database: NodeDatabase, clock: Clock, *, keep_days: int) -> None:
        self.shipped = 0
        self._root = root
        self._database = database
        self._clock = clock
        self._keep = timedelta(days=keep_days)
        self._offsets: dict[Path, int] = {}
        self._prune_at = 0.0

    async def ship(self) -> None:
        """One pass over all files; a long one continues with the next pass."""
        paths = list(self._root.glob("*/*.decisions"))
        self._offsets = {path: self._offsets.get(path, 0) for path in paths}
        for path in paths:
            try:
                await self._ship_file(path)
            except FileNotFoundError:  # its worker made room for newer ones
                continue
        await self._prune()

    async def _ship_file(self, path: Path) -> None:
        offset = self._offsets[path]
        octets = self._unshipped(path, offset)
        whole = octets[: octets.rfind(b"\n") + 1]  # the last line may still be on its way
        rows = list(_rows(path.stem, offset, whole))
        if rows:
            async with self._database.transaction() as tx:
                await tx.execute(text(_STAGE))
                await copy_rows(tx, "shipped_decision", _COLUMNS, rows)
                await tx.execute(text(_STORE))
            self.shipped += len(rows)
        self._offsets[path] = offset + len(whole)

    def _unshipped(self, path: Path, offset: int) -> bytes:
        """What `path` holds beyond `offset`; a file with nothing more to come is removed."""
        status = path.stat()
        if status.st_size == offset:
            if self._clock.unix_s() - status.st_mtime > ABANDONED_S:
                path.unlink()
            return b""
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(OCTETS_PER_PASS_MAX)

    async def _prune(self) -> None:
        if self._clock.monotonic() < self._prune_at:
            return
        async with self._database.transaction() as tx:
            result = await tx.execute(
                text(_PRUNE),
                {"before": self._clock.now() - self._keep, "rows": PRUNE_ROWS_MAX},
            )
        if result.rowcount < PRUNE_ROWS_MAX:  # type: ignore[attr-defined]  # DELETE has one
            self._prune_at = self._clock.monotonic() + PRUNE_EVERY_S


def _rows(stem: str, offset: int, octets: bytes) -> Iterator[tuple[object, ...]]:
    for line in octets.splitlines(keepends=True):
        uid = f"{stem}:{offset}"
        offset += len(line)
        try:
            record = decode(line)
        except msgspec.DecodeError as error:
            log.warning("decision_unreadable", uid=uid, error=str(error))
            continue
        yield _row(uid, record)


def _row(uid: str, record: DecisionRecord) -> tuple[object, ...]:
    return (
        record.tenant_id,
        uid,
        datetime.fromtimestamp(record.at, UTC),
        record.nas_id,
        record.nas,
        record.username,
        record.station,
        record.outcome,
        record.reason,
        record.method,
        record.subscriber_id or None,
        _encode_trace(record.trace).decode(),
    )
