"""How much of a worker's spool is still on the disk: what ingest has not unlinked yet.

Counts the segments of one folder, those of earlier processes included, and forgets each
when its file is gone.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from accounting import segment
from accounting.spool_reader import Segment

# Where the records of a segment cannot be counted: rather too many than too few.
OCTETS_PER_RECORD_MIN = 100


@dataclass(frozen=True, slots=True)
class Size:
    records: int
    octets: int


class Backlog:
    """The closed segments of a folder; the one being written is the caller's to add."""

    def __init__(self, directory: Path) -> None:
        self.records = 0
        self.octets = 0
        self._sizes: dict[Path, Size] = {}
        for path in directory.glob("*" + segment.SUFFIX):
            self.add(path, None)

    def __len__(self) -> int:
        return len(self._sizes)

    def add(self, path: Path, records: int | None) -> None:
        """A segment that is closed from now on; None: find out how many records it has."""
        octets = octets_of(path)
        if records is None:
            records = Segment(path).estimate(octets // OCTETS_PER_RECORD_MIN)
        self._sizes[path] = Size(records, octets)
        self._add_up()

    def refresh(self) -> None:
        """Forget those that were unlinked."""
        gone = [path for path in self._sizes if not path.exists()]
        for path in gone:
            del self._sizes[path]
        if gone:
            self._add_up()

    def _add_up(self) -> None:
        self.records = sum(size.records for size in self._sizes.values())
        self.octets = sum(size.octets for size in self._sizes.values())


def octets_of(path: Path) -> int:
    """What a segment takes on the disk, its log and index included."""
    octets = 0
    for file in (path, *segment.beside(path)):
        try:
            octets += os.stat(file).st_size  # noqa: PTH116 - a third of the price of Path.stat
        except FileNotFoundError:
            continue
    return octets
