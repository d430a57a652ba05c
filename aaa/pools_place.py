"""Whether what lies on the disk is what this node knew last: decided when it starts and stops.

The store is not synced, since each login would wait for the disk.  So it may be believed after
any end of any process, and after a reboot that came when everything had stopped and was
written.  After a power cut it may lack the last minutes, or more: then it goes as a whole, and
with its name goes the database's belief in it.
"""

import os
import shutil
from pathlib import Path
from typing import Final

import lmdb
import structlog

from aaa.pools_store import AddressStore

log = structlog.get_logger()

BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_MARK: Final = "boot"
_CLEAN: Final = "clean"


def prepare(path: Path, boot_id: str | None = None) -> bool:
    """Before any process opens it; False: what was there has been thrown away.

    A disk that is full must not keep the node from answering logins that need no address.
    """
    try:
        return _prepare(path, boot_id)
    except OSError as error:
        log.error("addresses_not_prepared", error=str(error))  # noqa: TRY400 - of the disk
        return False


def _prepare(path: Path, boot_id: str | None) -> bool:
    boot = _boot_id() if boot_id is None else boot_id
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    mark = path / _MARK
    is_there = (path / "data.mdb").exists()
    said = mark.read_text() if mark.exists() else ""
    believed = not is_there or said == _CLEAN or (said == boot and boot != "")
    if is_there and believed:
        try:
            AddressStore(path).close()
        except lmdb.Error as error:
            log.error("addresses_damaged", error=str(error))  # noqa: TRY400 - of the file
            believed = False
    if not believed:
        log.warning("addresses_forgotten", path=str(path))
        shutil.rmtree(path)
        path.mkdir(mode=0o700)
    # An old mark must not be believed after the next power cut.
    mark.unlink(missing_ok=True)
    _write(mark, boot)
    return believed


def settle(path: Path) -> None:
    """After the last process has closed it: what it holds is on the disk, and may be believed."""
    if not (path / "data.mdb").exists():
        return
    try:
        store = AddressStore(path)
        store.environment.sync(True)
        store.close()
        _write(path / _MARK, _CLEAN)
    except (OSError, lmdb.Error) as error:
        log.error("addresses_not_settled", error=str(error))  # noqa: TRY400 - of the disk


def _boot_id() -> str:
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""  # it may have been another: then only a clean end is believed


def _write(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    with fresh.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
