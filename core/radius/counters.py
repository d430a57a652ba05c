"""What one socket did for one client, counted; named after the RADIUS server MIBs (RFC 4669, 4671).

Plain integers that the hot path bumps; `app` adds the workers' up and shows them.
"""

# Upper bounds of the latency buckets in seconds: 62.5 us doubling up to 2 s, then the rest.
LATENCY_BOUNDS_S = tuple(62.5e-6 * 2**n for n in range(16))


class Counters:
    """Since the process started.  `drops` and `rejects` are by reason."""

    __slots__ = (
        "accepts",
        "accounting_responses",
        "challenges",
        "drops",
        "duplicates",
        "latency_buckets",
        "latency_sum_s",
        "rejects",
        "requests",
        "status_servers",
        "unsigned_requests",
    )

    def __init__(self) -> None:
        self.requests = 0
        self.duplicates = 0
        self.status_servers = 0
        self.accepts = 0
        self.challenges = 0
        self.accounting_responses = 0
        self.unsigned_requests = 0  # Access-Requests let in without Message-Authenticator
        self.rejects: dict[str, int] = {}
        self.drops: dict[str, int] = {}
        self.latency_buckets = [0] * (len(LATENCY_BOUNDS_S) + 1)
        self.latency_sum_s = 0.0

    def drop(self, reason: str, count: int = 1) -> None:
        self.drops[reason] = self.drops.get(reason, 0) + count

    def reject(self, reason: str) -> None:
        self.rejects[reason] = self.rejects.get(reason, 0) + 1

    def took(self, seconds: float) -> None:
        """How long one request kept us, from its turn to its reply."""
        # Doubling bounds make the bucket the length of a binary number.
        index = int(seconds * 16_000).bit_length()
        self.latency_buckets[index if index < 16 else 16] += 1
        self.latency_sum_s += seconds
