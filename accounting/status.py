"""What ingest reports about itself; `web` shows it."""

from typing import Final

import msgspec

LATE_AFTER_S: Final = 60.0
"""A record that waits so long for the database is an alarm (fault O4)."""


class IngestStatus(msgspec.Struct):
    """The ingest of this node; counters since it started, times in Unix seconds."""

    pid: int
    started_at: float
    connected: bool
    records: int
    batches: int
    dead_letters: int
    failures: int
    waiting: int  # records on the disk that are not in the database, a moment ago
    oldest_undrained_at: float  # 0: nothing waits
    drained_at: float  # 0: not since the start
    dead_letters_kept: int = 0  # in the database, of all nodes; `dead_letters` are our own
    dead_letters_alarm: bool = False


class NasQualityStatus(msgspec.Struct):
    """How a NAS reported lately (`accounting.quality`)."""

    tenant_id: int
    nas: str
    score: int
    missing_stop_share: float
    repeated_share: float
    unreadable: int
    ambiguous: int
    implausible: int
    swapped: bool
    silent_gaps: int
    silent_s: int
    skew_s: int | None


class QualityStatus(msgspec.Struct):
    """Of the NASes that said anything, the worst first and not without end."""

    at: float
    nases: list[NasQualityStatus]
