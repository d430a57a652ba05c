"""When to send a request again, and when to give up (RFC 5080 §2.2.1).

Sans-IO: `Exchange` holds times, not timers.  A driver sends the octets, sleeps until
`resend_at`, and asks again; see ``nas_adapters.coa_lane``.  ``now`` is in seconds of any
monotonic clock; chance comes in as an argument too.
"""

from dataclasses import dataclass
from typing import Final

JITTER_MAX: Final = 0.1  # the RFC's RAND is between -0.1 and +0.1


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Names are the RFC's, and its defaults but for `mrc`.  Times in seconds."""

    irt_s: float = 2.0  # initial retransmission time
    mrt_s: float = 16.0  # longest wait between two sends
    mrd_s: float = 30.0  # give up this long after the first send
    mrc: int = 3  # give up after this many sends; the RFC's 5 keep people waiting for 30 s


class Exchange:
    """One request on its way: how long to wait after each send.

    `jitter`, each time another number in [-0.1, +0.1], keeps those apart whose requests
    were lost together.
    """

    __slots__ = ("_gives_up_at", "_policy", "_wait_s", "resend_at", "sends")

    def __init__(self, policy: RetryPolicy, now: float, jitter: float) -> None:
        """The first send is `now`."""
        assert abs(jitter) <= JITTER_MAX
        self._policy = policy
        self._gives_up_at = now + policy.mrd_s
        self._wait_s = policy.irt_s * (1 + jitter)
        self.sends = 1
        self.resend_at = min(now + self._wait_s, self._gives_up_at)

    def should_resend(self, now: float, jitter: float) -> bool:
        """True: send once more, then wait until `resend_at`.  False: it failed."""
        assert abs(jitter) <= JITTER_MAX
        if self.sends >= self._policy.mrc or now >= self._gives_up_at:
            return False
        self._wait_s *= 2 + jitter
        if self._wait_s > self._policy.mrt_s:
            self._wait_s = self._policy.mrt_s * (1 + jitter)
        self.sends += 1
        self.resend_at = min(now + self._wait_s, self._gives_up_at)
        return True
