"""Fault D7: the power fails at any octet of anything that the spool ever wrote.

A process spools records over a disk that remembers every change and every sync, and where
each receipt was given among them.  Then the power is cut a thousand times: what was synced
is there; of what was not, nothing, all, or any part in any order, the last write torn.
"""

import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from accounting.spool_reader import segments
from tests.accounting.spooling import number_of, record
from tests.faults.disk import Change, Disk, build

CUTS = 1_200
SECTOR = 512
RECORDS = 3_000


@dataclass
class File:
    """What of a file is on the platter for sure, and what was written since."""

    synced: bytearray = field(default_factory=bytearray)
    since: list[Change] = field(default_factory=list)


@dataclass
class Platter:
    """Files, the names that are synced, and the changes of names that are not."""

    files: dict[str, File] = field(default_factory=lambda: defaultdict(File))
    names: dict[str, str] = field(default_factory=dict)  # as a program sees them now
    synced_names: dict[str, str] = field(default_factory=dict)
    renames: list[dict[str, str]] = field(default_factory=list)  # each state since the sync
    inodes: int = 0

    def apply(self, change: Change) -> None:
        """Do what the program did."""
        if change.kind in "WT":
            if change.path not in self.names:
                self.inodes += 1
                self._rename({**self.names, change.path: str(self.inodes)})
            self.files[self.names[change.path]].since.append(change)
        elif change.kind == "R":
            names = dict(self.names)
            names[change.other] = names.pop(change.path)
            self._rename(names)
        elif change.kind == "U" and change.path in self.names:
            self._rename({path: inode for path, inode in self.names.items() if path != change.path})
        elif change.kind == "S" and change.path in self.names:
            inode = self.names[change.path]
            file = self.files[inode]
            for one in file.since:
                _write(file.synced, one)
            file.since.clear()
            # As every journaling file system has it, a synced new file has a name.
            if inode not in self.synced_names.values():
                self.synced_names[change.path] = inode
        elif change.kind == "S":  # the folder
            self.synced_names, self.renames = dict(self.names), []

    def _rename(self, names: dict[str, str]) -> None:
        self.names = names
        self.renames.append(names)

    def cut(self, how: str, random: Random, torn: Change | None) -> dict[str, bytes]:
        """What is found when the power is back.  `torn`: a write that was under way."""
        names = self.synced_names
        if self.renames and how != "nothing":
            names = self.renames[-1] if how == "all" else random.choice([names, *self.renames])
        found = {}
        for path, inode in names.items():
            file = self.files[inode]
            octets, since = bytearray(file.synced), list(file.since)
            if torn is not None and self.names.get(torn.path) == inode:
                since.append(torn)
            if how == "some":
                since = [one for one in since if random.random() < 0.5]
                random.shuffle(since)
            for one in [] if how == "nothing" else since:
                _write(octets, one if how == "all" else _part(one, random))
            found[path] = bytes(octets)
        return found


def _write(octets: bytearray, change: Change) -> None:
    if change.kind == "T":
        size = change.offset
        octets[size:] = bytes(max(0, size - len(octets)))
        return
    end = change.offset + len(change.octets)
    if len(octets) < end:
        octets.extend(bytes(end - len(octets)))
    octets[change.offset : end] = change.octets


def _part(change: Change, random: Random) -> Change:
    """A write of which the disk did only some sectors."""
    if change.kind == "T" or len(change.octets) <= SECTOR or random.random() < 0.5:
        return change
    size = random.randrange(0, len(change.octets), SECTOR)
    return Change("W", change.path, "", change.offset, change.octets[:size])


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Disk:
    directory = tmp_path_factory.mktemp("power")
    return build(directory, directory / "disk")


@pytest.fixture(scope="module")
def changes(disk: Disk) -> list[Change]:
    """Of a process that filled several segments with records of all sizes."""
    root = Path(disk.path)
    root.mkdir()
    subprocess.run(
        [
            sys.executable, "-m", "tests.faults.appending", str(root / "spool"),
            "--acks", str(root / "acks"), "--count", str(RECORDS), "--burst", "40",
            "--segment", "1200", "--every", "0.001", "--sizes",
        ],
        env=disk.environment(traces=True), check=True,
        stdout=subprocess.DEVNULL, timeout=60,
    )  # fmt: skip
    return [change for change in disk.changes() if not change.path.endswith("-shm")]


@pytest.mark.slow
@pytest.mark.parametrize("how", ["nothing", "all", "some"])
def test_the_acknowledged_survives_a_power_cut_at_any_octet(
    changes: list[Change], tmp_path: Path, how: str
) -> None:
    random = Random(how)
    moments = sorted(random.randrange(len(changes)) for _ in range(CUTS // 3))
    platter, acknowledged = Platter(), set[int]()
    cuts = 0
    for n, change in enumerate(changes):
        while moments and moments[0] == n:
            moments.pop(0)
            torn = None
            if change.kind == "W" and not change.path.endswith("/acks"):
                size = random.randrange(len(change.octets))
                torn = Change("W", change.path, "", change.offset, change.octets[:size])
            _check(platter.cut(how, random, torn), tmp_path / str(cuts), acknowledged)
            cuts += 1
        if change.path.endswith("/acks"):
            acknowledged.update(map(int, change.octets.split()))
        else:
            platter.apply(change)
    assert cuts == CUTS // 3
    assert len(acknowledged) >= RECORDS


def _check(found: dict[str, bytes], root: Path, acknowledged: set[int]) -> None:
    folder = root / "0"
    folder.mkdir(parents=True)
    for path, octets in found.items():
        (folder / Path(path).name).write_bytes(octets)
    read: list[int] = []
    for segment in segments(root):
        assert segment.is_finished
        for spooled in segment.batch(0, 100_000):
            number = number_of(spooled.packet)
            assert spooled.packet == record(number, len(spooled.packet)).packet
            read.append(number)
        segment.remove()
    assert len(read) == len(set(read))
    assert acknowledged <= set(read), "acknowledged and lost"
    assert not list(folder.glob("*.damaged")), "a power cut damages nothing"
    for litter in folder.iterdir():
        litter.unlink()
