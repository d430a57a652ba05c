"""What is asked of the servers, scenario by scenario; each returns its visits.

Knows neither how a server is set up nor how figures are judged.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from bench import processes, radload, replies
from bench.measure import Sample, Server, in_turn, visit
from bench.processes import Failed
from bench.turnpike import Turnpike, installation

WINDOWS = (64, 256)
OFFERED_PER_S = 2_000
FLOOD_PER_S = 50_000
STORM_SUBSCRIBERS = 10_000
STORM_AFTER_S = 0.5

CHANGE_STORM = f"""
UPDATE entitlement SET valid_until = now() + interval '1 year'
WHERE subscriber_id IN (SELECT id FROM subscriber ORDER BY id LIMIT {STORM_SUBSCRIBERS})
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """How much of everything."""

    repetitions: int = 5
    subscribers: int = 100_000
    requests: int = 100_000  # a visit
    requests_slow: int = 20_000  # a visit to a server that asks a database each time
    open_s: float = 5.0
    storm_s: float = 3.0
    sizes: tuple[int, int] = (10_000, 1_000_000)
    # Accounting (`bench.accounting`).
    sessions: int = 20_480
    past: int = 204_800  # sessions, a quarter of them open
    records: int = 300_000  # a visit
    records_slow: int = 80_000
    receipts: int = 60_000  # a visit
    backlog: int = 1_000_000
    backlog_repetitions: int = 2


QUICK = Setting(
    repetitions=1, subscribers=2_000, requests=4_000, requests_slow=1_000,
    open_s=1.0, storm_s=1.0, sizes=(1_000, 5_000),
    sessions=1_024, past=2_048, records=20_000, records_slow=8_000, receipts=16_000,
    backlog=50_000, backlog_repetitions=1,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Peer:
    """A server and what it is good for in a comparison."""

    server: Server
    methods: tuple[str, ...]
    requests: int


def probe(server: Server, files: Mapping[str, Path], methods: Sequence[str]) -> None:
    """Every method is answered rightly before anything is measured; also warms the server.

    Raises:
        Failed: it is not.
    """
    for method in methods:
        replies.check(server.name, server.port, files[method], method)
        sample = visit("probe", server, 0, files[method], window=32, count=2_000, timeout_s=3)
        if sample.outcome.answered != sample.outcome.sent:
            raise Failed(f"{server.name} leaves {method} unanswered: {sample.outcome}")


def throughput(
    peers: Sequence[Peer], files: Mapping[str, Path], setting: Setting
) -> Iterator[Sample]:
    """Closed loop: as many logins as a window of outstanding requests lets through."""
    by_server = {peer.server: peer for peer in peers}
    for repetition in range(setting.repetitions):
        for method, file in files.items():
            for window in WINDOWS:
                for server in in_turn(list(by_server), repetition):
                    peer = by_server[server]
                    if method in peer.methods:
                        yield visit(
                            f"{method} w{window}", server, repetition, file,
                            window=window, count=peer.requests,
                        )  # fmt: skip


def latency(peers: Sequence[Peer], file: Path, setting: Setting) -> Iterator[Sample]:
    """Open loop below saturation, latency from when a request was due."""
    servers = [peer.server for peer in peers]
    for repetition in range(setting.repetitions):
        for server in in_turn(servers, repetition):
            yield visit(
                f"open {OFFERED_PER_S}/s", server, repetition, file,
                rate=OFFERED_PER_S, seconds=setting.open_s,
            )  # fmt: skip


def change_storm(turnpike: Turnpike, file: Path, setting: Setting) -> Iterator[Sample]:
    """The open loop, calm and while 10 000 subscribers change in one transaction.

    Raises:
        Failed: they did not change.
    """
    storm = min(STORM_SUBSCRIBERS, setting.subscribers)

    def change() -> str:
        time.sleep(STORM_AFTER_S)
        return turnpike.sql(CHANGE_STORM)

    with ThreadPoolExecutor(1) as background:
        for repetition in range(setting.repetitions):
            for name in ("storm: before", "storm: during"):
                changed = background.submit(change) if name == "storm: during" else None
                yield visit(
                    name, turnpike.server, repetition, file,
                    rate=OFFERED_PER_S, seconds=setting.storm_s,
                )  # fmt: skip
                if changed is not None and (done := changed.result()) != f"UPDATE {storm}":
                    raise Failed(f"the storm did not happen: {done}")
                time.sleep(1.0)  # let the replicator finish before the next calm


@dataclass(frozen=True, slots=True)
class Flood:
    """One flood beside known traffic."""

    kind: str
    server: str
    repetition: int
    flood: radload.Outcome
    known: Sample
    private_growth_octets: int
    log_lines: int | None


def floods(
    peers: Sequence[Peer],
    files: Mapping[str, Path],
    forged: Path,
    setting: Setting,
    turnpike: Turnpike | None,
) -> Iterator[Flood]:
    """Known traffic while others send 50 000/s: from unknown addresses (P4), and from the
    NAS's own address with a wrong Message-Authenticator (P5).  No retransmissions."""
    for repetition in range(setting.repetitions):
        for kind, source, sources in (
            ("unknown senders", radload.FLOOD_SOURCE, 20_000),
            ("forged, known address", "127.0.0.1", 1),
        ):
            for server in in_turn([peer.server for peer in peers], repetition):
                private = _private_octets(server)
                lines = turnpike.log_lines() if turnpike and server == turnpike.server else None
                with radload.flooding(
                    forged, server.port, FLOOD_PER_S, setting.open_s + 1, source, sources
                ) as flood:
                    time.sleep(0.3)
                    known = visit(
                        f"flood: {kind}", server, repetition, files["pap"],
                        rate=OFFERED_PER_S, seconds=setting.open_s,
                    )  # fmt: skip
                if turnpike and lines is not None:
                    lines = turnpike.log_lines() - lines
                growth = _private_octets(server) - private
                yield Flood(kind, server.name, repetition, flood[0], known, growth, lines)


@dataclass(frozen=True, slots=True)
class Size:
    """What a number of subscribers costs."""

    subscribers: int
    store_s: float  # `turnpike apply` of all of them
    build_s: float  # start without a directory, until it is complete
    ready_s: float  # start with it
    worker_private_octets: int
    samples: tuple[Sample, ...]


def sizes(files: Mapping[int, Path], setting: Setting) -> list[Size]:
    """Two installations side by side, one small and one large."""
    found: dict[int, Size] = {}
    with ExitStack() as stack:
        running: dict[Server, int] = {}
        installed: dict[int, Turnpike] = {}
        for subscribers in setting.sizes:
            turnpike, store_s = stack.enter_context(installation(subscribers))
            turnpike.name = f"Turnpike, {subscribers} subscribers"
            turnpike.forget_directory()
            build_s = _build(turnpike)
            ready_s = stack.enter_context(turnpike.serving())
            running[turnpike.server] = subscribers
            installed[subscribers] = turnpike
            probe(turnpike.server, {"pap": files[subscribers]}, ["pap"])
            found[subscribers] = Size(subscribers, store_s, build_s, ready_s, 0, ())
        samples: list[Sample] = []
        for repetition in range(setting.repetitions):
            for server in in_turn(list(running), repetition):
                file = files[running[server]]
                options = radload.Options(window=WINDOWS[0], count=setting.requests)
                samples.append(visit("size", server, repetition, file, **options))
        for subscribers, turnpike in installed.items():
            found[subscribers] = replace(
                found[subscribers],
                worker_private_octets=turnpike.worker_private_octets(),
                samples=tuple(one for one in samples if one.server == turnpike.name),
            )
    return list(found.values())


def _build(turnpike: Turnpike) -> float:
    started_at = time.monotonic()
    with turnpike.serving(timeout_s=600):
        assert turnpike.program is not None
        turnpike.program.wait_for(lambda said: "directory_current" in said, 600)
        return time.monotonic() - started_at


def _private_octets(server: Server) -> int:
    return sum(one.private_octets for one in processes.memory(list(server.roots)))
