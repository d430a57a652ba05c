"""A worker's spool on its own disk: one thread, and one commit for all that waits.

The event loop appends to a queue and is told of durable records by the handful; all else
happens in the thread, so a disk that is slow, full or broken costs accounting its answers
and logins nothing.  Nobody waits for company: what comes while a commit is on its way
goes with the next one.

When the disk fails, the records at hand are refused (their NAS sends them again), the
segment is set aside, and after a pause a new one is tried.  A failed fsync is never
repeated.  Knows nothing of RADIUS.
"""

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic

import structlog

from accounting import segment
from accounting.backlog import Backlog
from accounting.segment import SegmentWriter
from accounting.spool import Record, Settled, SpoolStatus, Ticket
from core.clock import Clock

log = structlog.get_logger()

FULL: Final = "spool-full"
FAILING: Final = "spool-failing"
STOPPED: Final = "spool-stopped"
BUSY: Final = "spool-busy"  # more wait for the disk than we keep in memory

RECORDS_PER_COMMIT_MAX: Final = 4096
SETTLED_PER_TURN_MAX: Final = 128  # of the event loop, which has logins to answer as well
LOOK_EVERY_S: Final = 1.0  # at what ingest has unlinked
ALARM_CLEARS_AT: Final = 0.9  # of the level where it began, so that it does not flutter
STOP_WITHIN_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much one worker may keep, and when a segment has had enough."""

    octets_max: int = 2 * 2**30
    records_max: int = 5_000_000
    waiting_max: int = 16_384  # in memory
    alarm_at: float = 0.7
    segment_octets_max: int = 64 * 2**20
    segment_records_max: int = 100_000
    segment_age_s: float = 60.0  # ingest reads it before; this is about space
    # While ingest is so many segments behind, small ones would only be more files.
    segments_by_age_max: int = 4
    pause_s: float = 2.0  # after a failure of the disk


class DiskSpool(Generic[Ticket]):
    """Writes `root`/`worker`/<uuid>.segment."""

    def __init__(
        self, root: Path, worker: str, clock: Clock, limits: SpoolLimits | None = None
    ) -> None:
        self._directory = root / worker
        self._worker = worker
        self._clock = clock
        self._limits = limits or SpoolLimits()
        self._waiting: deque[tuple[Record, Ticket]] = deque()
        self._waiting_max = self._limits.waiting_max
        self._refusing = ""  # why; written by the thread alone
        self._refused = 0  # counted by the loop, as all answers are
        self._is_asleep = False
        self._is_waking = False
        self._is_stopping = False
        self._wake = threading.Event()
        # From here on the thread's own; `status` looks at them and needs no exact moment.
        self._segment: SegmentWriter | None = None
        self._backlog: Backlog | None = None
        self._is_alarming = False
        self._appended = 0
        self._failures = 0
        self._retry_at = 0.0
        self._look_at = 0.0

    def start(self, settled: Settled[Ticket]) -> None:
        self._loop = asyncio.get_running_loop()
        self._settled = settled
        self._thread = threading.Thread(target=self._run, name=f"spool-{self._worker}", daemon=True)
        self._thread.start()

    def append(self, record: Record, ticket: Ticket) -> str:
        refusing = self._refusing
        if self._is_stopping:
            refusing = STOPPED
        elif not refusing and len(self._waiting) >= self._waiting_max:
            refusing = BUSY
        if refusing:
            self._refused += 1
            return refusing
        self._waiting.append((record, ticket))
        if self._is_asleep and not self._is_waking:
            # When this turn of the loop is over: what else it brings comes along.
            self._is_waking = True
            self._loop.call_soon(self._wake_up)
        return ""

    async def stop(self) -> None:
        self._is_stopping = True
        self._wake.set()
        await asyncio.to_thread(self._thread.join, STOP_WITHIN_S)
        if self._thread.is_alive():
            log.error("spool_hangs", worker=self._worker, waiting=len(self._waiting))
        await asyncio.sleep(0)  # what the thread said last is settled in this turn

    @property
    def status(self) -> SpoolStatus:
        records, octets = self._kept()
        return SpoolStatus(
            records=records,
            octets=octets,
            used=self._used(records, octets),
            is_alarming=self._is_alarming or bool(self._refusing),
            refusing=self._refusing,
            appended=self._appended,
            refused=self._refused,
            failures=self._failures,
        )

    # On the loop, called by the thread.

    def _wake_up(self) -> None:
        self._is_waking = False
        self._wake.set()

    def _settle(self, tickets: Sequence[Ticket], is_durable: bool, at: int = 0) -> None:
        if not is_durable:
            self._refused += min(SETTLED_PER_TURN_MAX, len(tickets) - at)
        end = at + SETTLED_PER_TURN_MAX
        if end < len(tickets):
            self._loop.call_soon(self._settle, tickets, is_durable, end)
        self._settled(tickets[at:end], is_durable)

    # In the thread.

    def _run(self) -> None:
        while not self._is_stopping or self._waiting:
            try:
                self._prepare()
                self._write()
            except (sqlite3.Error, OSError) as error:
                self._fail(error)
            except Exception as error:
                # A bug: what it concerned is refused, so its NAS asks again, and a thread
                # that lives on says more of it than one that is gone.
                log.exception("spool_bug", worker=self._worker)
                self._fail(error)
            self._sleep()
        if self._segment is not None:
            try:
                self._close_segment()
            except (sqlite3.Error, OSError) as error:
                self._fail(error)

    def _prepare(self) -> None:
        """See to it that there is a segment to write to, unless there may be none."""
        now = self._clock.monotonic()
        if now < self._retry_at:
            return
        if self._backlog is None:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            segment.sync(self._directory.parent)
            _clean(self._directory)
            self._backlog = Backlog(self._directory)
        if now >= self._look_at:
            self._look_at = now + LOOK_EVERY_S
            self._backlog.refresh()
        self._watch_level()
        current = self._segment
        if current is not None and self._has_had_enough(current, now):
            self._close_segment()
        if self._refusing != FULL and self._segment is None:
            self._segment = SegmentWriter(
                self._directory, self._worker, now_s=self._clock.unix_s(), now_monotonic=now
            )
        if self._refusing == FAILING:
            self._refusing = ""
            log.warning("spool_recovered", worker=self._worker)

    def _has_had_enough(self, current: SegmentWriter, now: float) -> bool:
        limits = self._limits
        if not current.records:
            return False
        if self._refusing == FULL:
            return True  # ingest can unlink only what is closed
        if (
            current.octets >= limits.segment_octets_max
            or current.records >= limits.segment_records_max
        ):
            return True
        assert self._backlog is not None
        return (
            now >= current.opened_at + limits.segment_age_s
            and len(self._backlog) < limits.segments_by_age_max
        )

    def _write(self) -> None:
        batch = self._take()
        if not batch:
            return
        records, tickets = zip(*batch, strict=True)
        if self._segment is None:
            self._tell(tickets, is_durable=False)
            return
        try:
            self._segment.append(records)
        except BaseException:
            self._tell(tickets, is_durable=False)
            raise
        self._appended += len(records)
        self._watch_level()  # first, so that nothing is taken for which there is no room
        self._tell(tickets, is_durable=True)
        self._segment.tidy()

    def _take(self) -> list[tuple[Record, Ticket]]:
        take, count = self._waiting.popleft, min(len(self._waiting), RECORDS_PER_COMMIT_MAX)
        return [take() for _ in range(count)]

    def _tell(self, tickets: Sequence[Ticket], *, is_durable: bool) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits for an answer
            self._loop.call_soon_threadsafe(self._settle, tickets, is_durable)

    def _close_segment(self) -> None:
        current = self._segment
        assert current is not None
        current.seal()
        self._segment = None
        if current.records and self._backlog is not None:
            self._backlog.add(current.path, current.records)

    def _fail(self, error: Exception) -> None:
        self._failures += 1
        if self._refusing != FAILING:
            self._refusing = FAILING
            log.error("spool_failing", worker=self._worker, error=str(error))
        self._retry_at = self._clock.monotonic() + self._limits.pause_s
        current, self._segment = self._segment, None
        if current is not None:
            current.set_aside()
            if current.records and self._backlog is not None:
                self._backlog.add(current.path, current.records)
        while batch := self._take():
            self._tell([ticket for _, ticket in batch], is_durable=False)

    def _watch_level(self) -> None:
        records, octets = self._kept()
        used = self._used(records, octets)
        if used >= 1.0 and not self._refusing:
            self._refusing = FULL
            log.error("spool_full", worker=self._worker, records=records, octets=octets)
        elif used < 1.0 and self._refusing == FULL:
            self._refusing = ""
            log.warning("spool_takes_records_again", worker=self._worker)
        alarm_at = self._limits.alarm_at
        if used >= alarm_at and not self._is_alarming:
            self._is_alarming = True
            log.error("spool_filling", worker=self._worker, records=records, octets=octets)
        elif used < alarm_at * ALARM_CLEARS_AT and self._is_alarming:
            self._is_alarming = False
            log.info("spool_level_normal", worker=self._worker, records=records)

    def _sleep(self) -> None:
        """Until there is something to write, or to look after."""
        self._wake.clear()
        self._is_asleep = True
        # Said first and looked at then: what is appended in between is not overlooked.
        if not self._waiting and not self._is_stopping:
            self._wake.wait(self._pause_s())
        self._is_asleep = False

    def _pause_s(self) -> float | None:
        """How long nothing can happen; None: until the next record."""
        now = self._clock.monotonic()
        if now < self._retry_at:
            return self._retry_at - now
        if self._backlog is None or self._backlog.records or self._segment is None:
            return LOOK_EVERY_S
        if self._refusing == FULL:  # what was filled just now is to be closed
            return LOOK_EVERY_S
        if self._segment.records:
            return max(0.05, self._segment.opened_at + self._limits.segment_age_s - now)
        return None

    def _kept(self) -> tuple[int, int]:
        backlog, current = self._backlog, self._segment
        return (
            (backlog.records if backlog else 0) + (current.records if current else 0),
            (backlog.octets if backlog else 0) + (current.octets if current else 0),
        )

    def _used(self, records: int, octets: int) -> float:
        return max(records / self._limits.records_max, octets / self._limits.octets_max)


def _clean(directory: Path) -> None:
    """Remove what is left of segments that never became one, or are removed but for their log."""
    for path in list(directory.iterdir()):
        base = path.with_name(path.name.split(".")[0] + segment.SUFFIX)
        if path.name.startswith(".") or ".damaged" in path.name:
            continue
        if not base.exists() and not segment.has_writer(base):
            with suppress(OSError):
                path.unlink()
