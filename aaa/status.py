"""What the processes of a RADIUS node report about themselves; `web` shows it."""

import msgspec

from aaa.pools_state import PoolStatus
from accounting.spool import SpoolStatus


class AccountingStatus(msgspec.Struct):
    """One NAS at the accounting port of one worker; counters since the worker started."""

    requests: int
    duplicates: int
    status_servers: int
    responses: int  # records that are on the disk, and their NAS was told
    drops: dict[str, int]
    latency_buckets: list[int]
    latency_sum_s: float


class ClientStatus(msgspec.Struct):
    """One NAS at one worker; counters since the worker started."""

    tenant_id: int
    nas: str
    requests: int
    duplicates: int
    status_servers: int
    accepts: int
    challenges: int
    unsigned_requests: int
    rejects: dict[str, int]
    drops: dict[str, int]
    latency_buckets: list[int]
    latency_sum_s: float
    accounting: AccountingStatus


class WorkerStatus(msgspec.Struct):
    """One login worker."""

    pid: int
    started_at: float
    clients: list[ClientStatus]
    unknown_drops: dict[str, int]
    socket_drops: int  # datagrams that the kernel dropped because the buffer was full
    decisions_dropped: int
    compiled: bool
    spool: SpoolStatus
    slots_failed: int = 0  # `live` could not be asked or told: that login met no session limit


class ReplicatorStatus(msgspec.Struct):
    """The replicator of this node."""

    pid: int
    started_at: float
    connected: bool
    caught_up_at: float
    applied: int
    rebuilds: int
    subscribers: int
    decisions_shipped: int
    pools: list[PoolStatus] = []
