"""What this node is called among those that share its database.

Made once and kept in the data directory, which is what a node's spool belongs to: the name of
the machine is another after each recreation of a container, and each would seem to be one more
node that is deaf.  Who copies a data directory to make another node removes the file.
"""

import os
import socket
import uuid
from pathlib import Path
from typing import Final

import structlog

from accounting.segment import sync

log = structlog.get_logger()

LENGTH_MAX: Final = 100


def node_name(path: Path) -> str:
    """The name that `path` holds, which is made if there is none.

    A disk that takes no file must not stop what makes room on it: then the name is the
    machine's, and for this run.
    """
    try:
        held = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        held = ""
    if held.isprintable() and 0 < len(held) <= LENGTH_MAX:
        return held
    # The machine's first name, for people who read it.
    name = f"{socket.gethostname().partition('.')[0][:40]}-{uuid.uuid4().hex[:12]}"
    try:
        _keep(path, name)
    except OSError as error:
        log.error("node_name_not_kept", error=str(error))  # noqa: TRY400 - of the disk
        return f"{socket.gethostname()}:{path.parent}"
    return name


def _keep(path: Path, name: str) -> None:
    """Whole or not at all, whenever the power goes."""
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="ascii", errors="replace") as file:
        file.write(name + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync(path.parent)
