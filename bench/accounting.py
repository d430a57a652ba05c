"""What is asked of servers that account, scenario by scenario; each returns its visits.

Every server reads the same stream of records from its beginning, at its own pace, and each
record must be answered.  Where records stored are compared, a visit ends when the last of
them is in PostgreSQL; where receipts are, when the last has come, and what is left to do is
done before the next visit.

Knows neither how a server is set up nor how figures are judged.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
from typing import Unpack

from bench import freeradius, postgres, processes, radload
from bench.accounting_packets import Stream, whole
from bench.measure import Sample, Server, in_turn, middle, visit
from bench.population import INTERIM_S, NASES
from bench.processes import Failed
from bench.scenarios import OFFERED_PER_S, WINDOWS, Setting
from bench.turnpike import Turnpike

STORED_WINDOW = 256
PAUSED = "Turnpike, ingest paused"
BACKLOG_LOGINS_PER_S = 500
CALM_SLICES = 4
LOOK_EVERY_S = 0.5
LASTS_S_MAX = 22 * 3600
# As a NAS does: what is not answered comes again, with the same identifier.
AS_A_NAS: radload.Options = {
    "timeout_s": 3.0, "retries": 5, "sources": NASES, "sockets": NASES
}  # fmt: skip


def stream(setting: Setting) -> Stream:
    """One that is long enough for all that Turnpike is to read, and ends now.

    What is older than a day is not believed (`accounting.event_time`), so intervals get
    shorter where there are too many of them.
    """
    visits = [setting.records, int(OFFERED_PER_S * setting.open_s)]
    visits += [setting.receipts] * len(WINDOWS) * 2
    records = (
        whole(setting.sessions)  # to warm up
        + setting.repetitions * sum(map(whole, visits))
        + setting.backlog_repetitions * whole(setting.backlog)
    )
    intervals = records / setting.sessions
    interval_s = min(INTERIM_S, int(LASTS_S_MAX / intervals))
    began_at = int(time.time() - intervals * interval_s)
    return Stream(setting.sessions, setting.past, began_at, interval_s)


@dataclass(slots=True)
class Reader:
    """A server, and how much of the stream it has answered."""

    server: Server
    stream: Stream
    file: Path  # of its own, for the requests of a visit
    # Waits until so many records of the stream are stored.
    finish: Callable[[int], None] = lambda _: None
    # Sessions of the stream that are stored, and their output octets.
    tally: Callable[[], tuple[int, int]] | None = None
    position: int = 0

    def read(
        self,
        scenario: str,
        repetition: int,
        records: int,
        *,
        stored: bool = False,
        name: str | None = None,
        **options: Unpack[radload.Options],
    ) -> Sample:
        """One visit with the next records; with `stored` it lasts until they are.

        Raises:
            Failed: not all were answered.
        """
        count = whole(records)
        self.stream.write(self.file, self.position, count)
        self.position += count
        assert self.stream.sent_at(self.position) <= time.time(), "nobody believes the future"
        wanted: radload.Options = {**AS_A_NAS, "count": count}
        wanted.update(options)
        sample = visit(
            scenario, replace(self.server, name=name or self.server.name), repetition, self.file,
            settle=(lambda: self.finish(self.position)) if stored else None, **wanted,
        )  # fmt: skip
        if sample.outcome.answered != count:
            raise Failed(f"{self.server.name}, {scenario}: not all answered: {sample.outcome}")
        return sample

    def check(self) -> None:
        """Everything that was answered is stored, once.

        Raises:
            Failed: it is not.
        """
        if self.tally is None:
            return
        found, expected = self.tally(), self.stream.totals(self.position)
        if found != expected:
            raise Failed(f"{self.server.name} has sessions and octets {found}, not {expected}")


def turnpike_reader(turnpike: Turnpike, stream: Stream, directory: Path) -> Reader:
    """Turnpike with the stream's past in its tables."""
    reader = Reader(
        turnpike.accounting,
        stream,
        directory / "turnpike",
        lambda records: turnpike.wait_counted(stream.past + records),
        lambda: turnpike.sessions_of(stream.sessions),
    )
    stream.write_past(reader.file)
    options: radload.Options = {**AS_A_NAS, "window": STORED_WINDOW, "count": stream.past}
    outcome = radload.load(reader.file, reader.server.port, **options)
    if outcome.answered != stream.past:
        raise Failed(f"{reader.server.name}: the past is not all answered: {outcome}")
    reader.finish(0)
    return reader


def radacct_reader(
    server: Server, cluster: postgres.Cluster, stream: Stream, directory: Path
) -> Reader:
    """FreeRADIUS with the stream's past in radacct already; it answers when it has stored."""
    return Reader(
        server, stream, directory / "radacct", tally=lambda: freeradius.sessions_of(cluster)
    )


def sustained(readers: Sequence[Reader], setting: Setting) -> Iterator[Sample]:
    """Closed loop, until all of it is in PostgreSQL: what a server bears for ever."""
    by_server = {reader.server: reader for reader in readers}
    for repetition in range(setting.repetitions):
        for server in in_turn(list(by_server), repetition):
            slow = by_server[server] is not readers[0]
            yield by_server[server].read(
                f"stored w{STORED_WINDOW}", repetition,
                setting.records_slow if slow else setting.records,
                stored=True, window=STORED_WINDOW,
            )  # fmt: skip


def latency(readers: Sequence[Reader], setting: Setting) -> Iterator[Sample]:
    """Open loop below saturation; Turnpike's ingest works beside it."""
    by_server = {reader.server: reader for reader in readers}
    for repetition in range(setting.repetitions):
        for server in in_turn(list(by_server), repetition):
            reader = by_server[server]
            yield reader.read(
                f"receipts {OFFERED_PER_S}/s", repetition, int(OFFERED_PER_S * setting.open_s),
                rate=OFFERED_PER_S,
            )  # fmt: skip
            reader.finish(reader.position)


def receipts(
    turnpike: Turnpike, ours: Reader, others: Sequence[Reader], setting: Setting
) -> Iterator[Sample]:
    """Closed loop, answers alone: Turnpike with its ingest beside it, and with ingest paused,
    so that it does what a detail file does."""
    visits = {reader.server: reader for reader in (ours, *others)}
    paused = replace(ours.server, name=PAUSED)
    for repetition in range(setting.repetitions):
        for window in WINDOWS:
            scenario = f"receipts w{window}"
            for server in in_turn([*visits, paused], repetition):
                if server == paused:
                    with turnpike.without_ingest():
                        yield ours.read(
                            scenario, repetition, setting.receipts, name=PAUSED, window=window
                        )
                    ours.finish(ours.position)
                    continue
                reader = visits[server]
                yield reader.read(scenario, repetition, setting.receipts, window=window)
                reader.finish(reader.position)


@dataclass(frozen=True, slots=True)
class Backlog:
    """One backlog drained beside logins."""

    repetition: int
    records: int
    seconds: float
    ingest_private_octets: int  # at most
    calm: tuple[Sample, ...]  # logins, by slices of time
    during: tuple[Sample, ...]

    @property
    def per_s(self) -> float:
        return self.records / self.seconds

    def p99_us(self, slices: Sequence[Sample]) -> float | None:
        return middle(slices, lambda one: one.outcome.p99_us)


def backlogs(
    turnpike: Turnpike, reader: Reader, logins: Path, setting: Setting
) -> Iterator[Backlog]:
    """A backlog made while ingest is paused, then drained, and logins before and meanwhile."""
    for repetition in range(setting.backlog_repetitions):

        def log_in(scenario: str, repetition: int = repetition) -> Sample:
            return visit(
                scenario, turnpike.server, repetition, logins,
                rate=BACKLOG_LOGINS_PER_S, seconds=setting.open_s,
            )  # fmt: skip

        calm = [log_in("backlog: calm") for _ in range(CALM_SLICES)]
        with turnpike.without_ingest():
            filled = reader.read(
                "backlog: filled", repetition, setting.backlog, window=STORED_WINDOW
            )
        began_at, drained = time.monotonic(), Event()
        during: list[Sample] = []
        with ThreadPoolExecutor(2) as background:
            peak = background.submit(_peak_octets, turnpike, drained)
            done = background.submit(_drain, reader, drained)
            while not drained.is_set():
                one = log_in("backlog: draining")
                if not during or not drained.is_set():  # all of it beside the drain
                    during.append(one)
            drained_at = done.result()
            yield Backlog(
                repetition, filled.outcome.answered, drained_at - began_at, peak.result(),
                tuple(calm), tuple(during),
            )  # fmt: skip


def _drain(reader: Reader, drained: Event) -> float:
    try:
        reader.finish(reader.position)
        return time.monotonic()
    finally:
        drained.set()


def _peak_octets(turnpike: Turnpike, drained: Event) -> int:
    pid, peak = turnpike.ingest_pid(), 0
    while True:
        peak = max(peak, processes.private_octets(pid))
        if drained.wait(LOOK_EVERY_S):
            return peak
