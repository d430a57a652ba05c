"""The database of an instance, for as long as the daemon runs.

Named by a URL it is somebody else's, and only its schema is our business; otherwise it is
the private cluster, which is started, watched, and started again when it was killed.
"""

import asyncio
import threading

import structlog

from app.paths import Paths
from app.supervised import KEY_REFUSED, REFUSED, run_once
from core.config import Settings
from core.errors import Invalid, Refused
from core.postgres import Cluster

log = structlog.get_logger()

WATCH_EVERY_S = 0.2  # a look at a small file
RETRY_S = 1.0
RETRY_S_MAX = 5.0


class DatabaseKeeper:
    """Knows the URL once `open` returned."""

    def __init__(self, settings: Settings, paths: Paths) -> None:
        self._settings = settings
        self._cluster = (
            None
            if settings.database_url
            else Cluster(paths.postgres, bin_dir=settings.database.bin_dir)
        )
        self._lock = threading.Lock()
        self._closed = False

    async def open(self, *, patient: bool) -> Settings:
        """Settings with the URL of a database whose schema is ours; waits until there is one.

        `patient` goes on trying where a first start would refuse: logins are served from
        the directory meanwhile.

        Raises:
            Refused: there is no PostgreSQL to run, or its schema or key is not ours.
        """
        wait_s = 0.2
        while True:
            try:
                settings = await self._started()
                status = await run_once(("migrate",), settings)
            except (Refused, OSError) as error:
                if isinstance(error, Refused) and not patient:
                    raise
                log.error("database_not_started", reason=str(error))  # noqa: TRY400 - no bug
            else:
                if status == 0:
                    return settings
                if status == REFUSED:
                    raise Refused(
                        "the schema of the database does not fit this version (see above)"
                    )
                if status == KEY_REFUSED:
                    raise Invalid(
                        f"key_file {self._settings.key_path} is not the key of this database "
                        "(see above)",
                        field="key_file",
                    )
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, RETRY_S_MAX)

    async def keep(self) -> None:
        """Start the private cluster again whenever it is gone, until cancelled."""
        wait_s = WATCH_EVERY_S
        while self._cluster is not None:
            await asyncio.sleep(wait_s)
            wait_s = WATCH_EVERY_S
            if await asyncio.to_thread(self._cluster.is_running):
                continue
            log.warning("database_gone")
            try:
                await asyncio.to_thread(self._start, self._cluster)
            except (Refused, OSError) as error:
                log.error("database_not_started", reason=str(error))  # noqa: TRY400 - no bug
                wait_s = RETRY_S

    def close(self) -> None:
        """Stop the private cluster, unless a command still uses it; for good."""
        if self._cluster is not None:
            with self._lock:  # a start that was under way goes on in its thread
                self._closed = True
                self._cluster.stop()

    async def _started(self) -> Settings:
        if self._cluster is None:
            return self._settings
        url = await asyncio.to_thread(self._start, self._cluster)
        return self._settings.model_copy(update={"database_url": url})

    def _start(self, cluster: Cluster) -> str:
        with self._lock:
            if self._closed:
                raise Refused("told to stop")
            return cluster.start()
