"""The record of what was decided and why, from a worker to its file.

A login never waits for it: records gather in memory for a turn and go to a local file of
bounded size, from which the replicator ships them to PostgreSQL.  Under a flood a sample
is kept and the rest is counted, so that writing about logins never costs more than the
logins themselves; refusals have an allowance of their own, because they are asked about.
"""

import os
import uuid
from pathlib import Path

import msgspec

KEPT_IN_FLOOD = 100  # beyond the allowance, one of so many
FILES_MAX = 4  # full ones that may wait to be shipped; then the oldest goes


class DecisionRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One answer.  Octets from the network are escaped text (`core.octets`)."""

    at: float  # Unix seconds
    tenant_id: int
    nas_id: int
    nas: str
    username: str
    station: str
    outcome: str  # accept | reject
    reason: str
    method: str
    subscriber_id: int  # 0: nobody
    trace: list[tuple[str, str, str]]


encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(DecisionRecord).decode


class DecisionLog:
    """Appends to `directory`/<uuid>.decisions.  `rate_max` records a second of each outcome
    are kept whole."""

    def __init__(self, directory: Path, *, rate_max: int, file_octets_max: int) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.dropped = 0
        self._directory = directory
        self._rate_max = rate_max
        self._file_octets_max = file_octets_max
        self._second = 0
        self._seen = {"accept": 0, "reject": 0}
        self._waiting: list[bytes] = []
        self._descriptor = -1
        self._octets = 0

    def wants(self, outcome: str, now_s: int) -> bool:
        """Whether this one is to be kept; asked once a decision, before building the record."""
        if now_s != self._second:
            self._second = now_s
            self._seen = {"accept": 0, "reject": 0}
        seen = self._seen[outcome] = self._seen[outcome] + 1
        if seen <= self._rate_max or seen % KEPT_IN_FLOOD == 0:
            return True
        self.dropped += 1
        return False

    def add(self, record: DecisionRecord) -> None:
        self._waiting.append(encode(record))

    def flush(self) -> None:
        """Write what gathered.  A full disk loses it, and only it: it is no receipt."""
        if not self._waiting:
            return
        octets = b"\n".join(self._waiting) + b"\n"
        count = len(self._waiting)
        self._waiting.clear()
        try:
            if (
                self._descriptor < 0
                or self._octets + len(octets) > self._file_octets_max
                or os.fstat(self._descriptor).st_nlink == 0  # shipped and removed meanwhile
            ):
                self._next_file()
            os.write(self._descriptor, octets)
            self._octets += len(octets)
        except OSError:
            self.dropped += count
            self.close()

    def close(self) -> None:
        """Let the file go, so that it is shipped to its end."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _next_file(self) -> None:
        self.close()
        waiting = sorted(self._directory.glob("*.decisions"), key=lambda path: path.stat().st_mtime)
        for path in waiting[: max(0, len(waiting) - FILES_MAX)]:
            path.unlink(missing_ok=True)
        path = self._directory / f"{uuid.uuid4().hex}.decisions"
        self._descriptor = os.open(
            path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL | os.O_CLOEXEC, 0o600
        )
        self._octets = 0
