"""Where things lie under the data directory.  One place, so that no two parts disagree."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Paths:
    """The files and folders of one instance."""

    data_dir: Path

    @property
    def lock(self) -> Path:
        return self.data_dir / "turnpike.lock"

    @property
    def node_name(self) -> Path:
        return self.data_dir / "node.name"

    @property
    def postgres(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def directory(self) -> Path:
        return self.data_dir / "directory"

    @property
    def replicator_lock(self) -> Path:
        return self.data_dir / "replicator.lock"

    @property
    def live(self) -> Path:
        return self.data_dir / "live"

    @property
    def addresses(self) -> Path:
        return self.data_dir / "addresses"

    @property
    def decisions(self) -> Path:
        return self.data_dir / "decisions"

    @property
    def spool(self) -> Path:
        return self.data_dir / "spool"

    @property
    def status(self) -> Path:
        return self.data_dir / "status"
