"""A Stop frees its session's place and its address at once, before it is counted and also while
the database is away: the next login may come a second later.

Looks at every accounting packet of a login worker, so it must cost next to nothing; the
truth about the session is ingest's, from the same packet.
"""

from typing import Final

from aaa.directory import Directory
from aaa.live import Live
from aaa.pools_login import Addresses
from accounting.request import ours
from core.clock import Clock
from core.octets import to_text
from core.radius.packet import Packet
from core.radius.types import ACCT_SESSION_ID, ACCT_STATUS_TYPE, CLASS

_STOP: Final = bytes((0, 0, 0, 2))


class SessionEnds:
    """One a worker, within its turns: the directory's snapshot is that of the turn."""

    def __init__(
        self, directory: Directory, live: Live, clock: Clock, addresses: Addresses | None = None
    ) -> None:
        self._addresses = addresses
        self._directory = directory
        self._live = live
        self._clock = clock

    def saw(self, packet: Packet) -> None:
        """An authentic Accounting-Request came in."""
        first = packet.first
        if first.get(ACCT_STATUS_TYPE) != _STOP or CLASS not in first:
            return
        subscriber_id, nonce = ours(packet)
        if not subscriber_id:
            return
        if self._addresses is not None:
            self._addresses.release(subscriber_id, nonce.encode(), self._clock.unix_s())
        record = self._directory.subscriber_of(subscriber_id)
        if record is None:
            return
        self._live.ended(
            subscriber_id,
            nonce.encode(),
            to_text(first.get(ACCT_SESSION_ID) or b""),
            self._clock.monotonic(),
            sessions=record.sessions,
        )
