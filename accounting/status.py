"""What ingest reports about itself; `web` shows it."""

import msgspec


class IngestStatus(msgspec.Struct):
    """The ingest of this node; counters since it started, times in Unix seconds."""

    pid: int
    started_at: float
    connected: bool
    records: int
    batches: int
    dead_letters: int
    failures: int
    oldest_undrained_at: float  # 0: nothing waits
    drained_at: float  # 0: not since the start
