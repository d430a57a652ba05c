"""What the jobs process reports of enforcement."""

import msgspec


class CoaStatus(msgspec.Struct):
    """Requests to one NAS since the process started (`nas_adapters.coa_values.CoaCounters`)."""

    tenant_id: int
    nas: str
    requests: int
    resends: int
    acks: int
    naks: dict[str, int]  # by Error-Cause
    silent: int
    unsendable: int
    rtt_sum_s: float
    ignored: dict[str, int]
    waiting: int
    in_flight: int


class EnforcementStatus(msgspec.Struct):
    """Counters since the process started."""

    pid: int
    rows: dict[str, int]  # in the table, of all nodes and tenants, by state, a moment ago
    results: dict[str, int]  # by what became of them
    silent_nases: list[str]
    pass_sessions: int  # compared, the last time
    pass_differing: int
    pass_s: float
    strangers: int  # datagrams from where nothing was asked
    socket_errors: int
    coa: list[CoaStatus]
