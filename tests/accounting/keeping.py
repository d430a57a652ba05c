"""Sessions and usage as ingest would have written them, for those who read them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

from accounting.models import Session, UsageQuarter
from core.db import NodeDatabase, Tx

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)

SESSION: dict[str, Any] = {
    "tenant_id": 1,
    "nas_id": 1,
    "nas_reported": "bras-1",
    "acct_session_id": "81a0",
    "class_nonce": "",
    "generation": 0,
    "subscriber_id": None,
    "username": "alice",
    "calling_station": "02-00-5E-10-00-01",
    "mac": "02005e100001",
    "circuit_id": "",
    "nas_identifier": "bras-1",
    "nas_address": "192.0.2.1",
    "nas_port": 7,
    "nas_port_id": "",
    "framed_ip": None,
    "framed_ipv6": None,
    "delegated_ipv6": None,
    "multi_session_id": "",
    "started_at": NOON,
    "last_seen_at": NOON + HOUR,
    "stopped_at": NOON + HOUR,
    "terminate_cause": 1,
    "closed_by": "stop",
    "session_time_s": 3600,
    "input_octets": 1_000,
    "output_octets": 2_000,
    "confidence": 0,
}
OPEN: dict[str, Any] = {"stopped_at": None, "closed_by": "", "terminate_cause": 0}
USAGE: dict[str, Any] = {
    "tenant_id": 1,
    "subscriber_id": 1,
    "session_id": 1,
    "begins_at": NOON,
    "input_octets": 10,
    "output_octets": 100,
    "session_time_s": 60,
    "confidence": 0,
}


async def keep(url: str, *sessions: dict[str, Any], usage: tuple[dict[str, Any], ...] = ()) -> None:
    """Store what differs from `SESSION` and `USAGE`; sessions are numbered from 1 unless told."""
    node = NodeDatabase(url)
    rows = [
        SESSION | {"id": number, "acct_session_id": f"{number:x}"} | session
        for number, session in enumerate(sessions, start=1)
    ]
    try:
        async with node.transaction() as tx:
            if rows:
                await tx.execute(insert(Session), rows)
            if usage:
                await tx.execute(insert(UsageQuarter), [USAGE | row for row in usage])
    finally:
        await node.dispose()


class Reading:
    """How many rows of a table a transaction looks at from here on."""

    def __init__(self, tx: Tx, table: str) -> None:
        self._tx = tx
        self._table = table
        self._before = (0, 0)

    @staticmethod
    async def of(tx: Tx, table: str) -> "Reading":
        reading = Reading(tx, table)
        reading._before = await reading._counts()
        return reading

    async def rows(self) -> int:
        """None of them by reading the whole table."""
        scans, rows = await self._counts()
        assert scans == self._before[0], "an index must serve"
        return rows - self._before[1]

    async def _counts(self) -> tuple[int, int]:
        counts = (
            await self._tx.execute(
                text(
                    "SELECT seq_scan, idx_tup_fetch FROM pg_stat_xact_user_tables"
                    " WHERE relname = :table"
                ),
                {"table": self._table},
            )
        ).one()
        return int(counts.seq_scan), int(counts.idx_tup_fetch)
