"""Whether this node refuses accounting records, by what its workers say of their spools.

While one does, its NASes are not heard: what the node has counted says nothing about who is
silent (`accounting.hearing`).
"""

from pathlib import Path
from typing import Final

from aaa.status import WorkerStatus
from core import status
from core.clock import Clock

FRESH_S: Final = 10.0  # a worker that is gone says the same for ever


class SpoolWatch:
    """Looks at the reports; what is told are changes since the last look."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._seen: dict[tuple[str, int], tuple[int, int]] = {}

    def is_refusing(self) -> bool:
        """Whether a spool refuses just now, or refused most of what came since the last look:
        one that is full takes a few whenever there is room for a few."""
        now_s = self._clock.unix_s()
        found = status.read(self._directory, "worker-*", WorkerStatus)
        fresh = {
            (name, said.pid): said.spool
            for name, (said, said_at) in found.items()
            if abs(now_s - said_at) < FRESH_S
        }
        seen, self._seen = (
            self._seen,
            {key: (spool.appended, spool.refused) for key, spool in fresh.items()},
        )
        for key, spool in fresh.items():
            appended, refused = seen.get(key, (spool.appended, spool.refused))
            if spool.refusing or spool.refused - refused > spool.appended - appended:
                return True
        return False
