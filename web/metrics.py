"""GET /metrics in Prometheus' text format: what the processes of this node last reported.

Each worker is a series of its own, so that a worker's restart looks like what it is, a
counter that begins again.  A NAS's name is the only label that people choose.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from aaa.status import ClientStatus, ReplicatorStatus, WorkerStatus
from accounting.status import IngestStatus
from core import status
from core.clock import Clock
from core.jobs_status import JobsStatus
from core.radius.counters import LATENCY_BOUNDS_S
from web.enforcement_metrics import enforcement
from web.quality_metrics import quality

_NAS = ("worker", "tenant", "nas")
_COUNTS = (
    ("requests", "Access-Requests from known clients"),
    ("duplicates", "retransmissions, answered again or ignored"),
    ("status_servers", "Status-Server requests answered"),
    ("accepts", "Access-Accepts decided"),
    ("challenges", "Access-Challenges sent"),
    ("unsigned_requests", "Access-Requests let in without Message-Authenticator"),
)
_ACCOUNTING_COUNTS = (
    ("requests", "Accounting-Requests from known clients"),
    ("duplicates", "retransmissions, answered again or ignored"),
    ("status_servers", "Status-Server requests answered at the accounting port"),
    ("responses", "records that are on the disk, and acknowledged"),
)
_SPOOL_GAUGES = (
    ("records", "records in segments that ingest has not removed yet"),
    ("octets", "what these segments take on the disk"),
    ("used", "the fuller of the two limits; 1 is full"),
    ("is_alarming", "1 while the spool is nearly full, or refuses records"),
)
_SPOOL_COUNTS = (
    ("appended", "records made durable"),
    ("refused", "records not taken, or not made durable"),
    ("failures", "of the disk"),
)
_INGEST_COUNTS = (
    ("records", "records stored in the database"),
    ("batches", "transactions"),
    ("dead_letters", "records that could not be counted"),
    ("failures", "of the database"),
)
_POOL_GAUGES = (
    ("free", "addresses of this node that a login may get at once"),
    ("leased", "addresses that this node has given, or holds back"),
    ("unowned_blocks", "blocks that no node has"),
    ("is_empty", "1 while the next login that needs one is refused"),
)
_JOBS_GAUGES = (
    ("running", "jobs that run now"),
    ("waiting", "jobs that wait, of all nodes and tenants, also for a later time"),
    ("unhandled", "of these, of a kind that this version does not know"),
    ("held", "jobs that failed and wait for people"),
)
_JOBS_COUNTS = (("done", "jobs done"), ("failures", "attempts that ended in an error"))


class NodeCollector(Collector):
    """Reads the status files at every scrape."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock

    def collect(self) -> Iterable[Metric]:
        workers = status.read(self._directory, "worker-*", WorkerStatus)
        said = {name.removeprefix("worker-"): worker for name, (worker, _) in workers.items()}
        yield from _by_nas(said)
        yield from _accounting_by_nas(said)
        yield from _by_worker(said)
        yield from _of_spools(said)
        now_s = self._clock.unix_s()
        replicator = status.read(self._directory, "replicator", ReplicatorStatus)
        for report, _ in replicator.values():
            yield from _of_replicator(report, now_s)
        ingest = status.read(self._directory, "ingest", IngestStatus)
        for ingesting, _ in ingest.values():
            yield from _of_ingest(ingesting, now_s)
        jobs = status.read(self._directory, "jobs", JobsStatus)
        for working, _ in jobs.values():
            yield from _of_jobs(working)
        yield from enforcement(self._directory)
        yield from quality(self._directory)


def _by_nas(workers: dict[str, WorkerStatus]) -> Iterator[Metric]:
    for field, text in _COUNTS:
        family = CounterMetricFamily(f"turnpike_radius_{field}", text, labels=_NAS)
        for labels, client in _clients(workers):
            family.add_metric(labels, getattr(client, field))
        yield family
    for field, text in (
        ("rejects", "Access-Rejects by reason"),
        ("drops", "requests not answered"),
    ):
        family = CounterMetricFamily(f"turnpike_radius_{field}", text, labels=(*_NAS, "reason"))
        for labels, client in _clients(workers):
            for reason, count in getattr(client, field).items():
                family.add_metric((*labels, reason), count)
        yield family
    histogram = HistogramMetricFamily(
        "turnpike_radius_request_seconds",
        "logins, from their turn to their reply; a reject's delay is not in it",
        labels=_NAS,
    )
    for labels, client in _clients(workers):
        histogram.add_metric(labels, _cumulative(client.latency_buckets), client.latency_sum_s)
    yield histogram


def _accounting_by_nas(workers: dict[str, WorkerStatus]) -> Iterator[Metric]:
    for field, text in _ACCOUNTING_COUNTS:
        family = CounterMetricFamily(f"turnpike_accounting_{field}", text, labels=_NAS)
        for labels, client in _clients(workers):
            family.add_metric(labels, getattr(client.accounting, field))
        yield family
    drops = CounterMetricFamily(
        "turnpike_accounting_drops", "requests not answered", labels=(*_NAS, "reason")
    )
    histogram = HistogramMetricFamily(
        "turnpike_accounting_request_seconds", "until the record is on the disk", labels=_NAS
    )
    for labels, client in _clients(workers):
        said = client.accounting
        for reason, count in said.drops.items():
            drops.add_metric((*labels, reason), count)
        histogram.add_metric(labels, _cumulative(said.latency_buckets), said.latency_sum_s)
    yield from (drops, histogram)


def _of_spools(workers: dict[str, WorkerStatus]) -> Iterator[Metric]:
    for field, text in _SPOOL_GAUGES:
        gauge = GaugeMetricFamily(f"turnpike_spool_{field}", text, labels=("worker",))
        for name, worker in workers.items():
            gauge.add_metric((name,), float(getattr(worker.spool, field)))
        yield gauge
    for field, text in _SPOOL_COUNTS:
        counter = CounterMetricFamily(f"turnpike_spool_{field}", text, labels=("worker",))
        for name, worker in workers.items():
            counter.add_metric((name,), getattr(worker.spool, field))
        yield counter


def _of_ingest(said: IngestStatus, now_s: float) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "turnpike_ingest_connected", "1 while the database takes records", float(said.connected)
    )
    yield GaugeMetricFamily(
        "turnpike_ingest_waiting_records", "on the disk and not in the database", said.waiting
    )
    oldest_at = said.oldest_undrained_at
    yield GaugeMetricFamily(
        "turnpike_ingest_oldest_undrained_seconds",
        "how long the oldest record has waited for the database",
        max(0.0, now_s - oldest_at) if oldest_at else 0.0,
    )
    yield GaugeMetricFamily(
        "turnpike_dead_letters",
        "records in the database that could not be counted, of all nodes",
        said.dead_letters_kept,
    )
    yield GaugeMetricFamily(
        "turnpike_dead_letters_is_alarming",
        "1 while these are more than accounting.dead_letters_alarm_at",
        float(said.dead_letters_alarm),
    )
    for field, text in _INGEST_COUNTS:
        yield CounterMetricFamily(f"turnpike_ingest_{field}", text, getattr(said, field))


def _by_worker(workers: dict[str, WorkerStatus]) -> Iterator[Metric]:
    unknown = CounterMetricFamily(
        "turnpike_radius_unattributed_drops",
        "datagrams that belong to no known client, by reason",
        labels=("worker", "reason"),
    )
    full = CounterMetricFamily(
        "turnpike_radius_socket_drops",
        "datagrams lost to a full buffer, or held back in an overload",
        labels=("worker",),
    )
    unrecorded = CounterMetricFamily(
        "turnpike_decisions_unrecorded", "decisions that were not sampled", labels=("worker",)
    )
    unlimited = CounterMetricFamily(
        "turnpike_slots_failed",
        "session slots that could not be read or written: those logins met no limit",
        labels=("worker",),
    )
    started = GaugeMetricFamily(
        "turnpike_worker_start_time_seconds", "when the worker started", labels=("worker",)
    )
    for name, worker in workers.items():
        for reason, count in worker.unknown_drops.items():
            unknown.add_metric((name, reason), count)
        full.add_metric((name,), worker.socket_drops)
        unrecorded.add_metric((name,), worker.decisions_dropped)
        unlimited.add_metric((name,), worker.slots_failed)
        started.add_metric((name,), worker.started_at)
    yield from (unknown, full, unrecorded, unlimited, started)


def _of_replicator(said: ReplicatorStatus, now_s: float) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "turnpike_directory_connected", "1 while the database answers", float(said.connected)
    )
    if said.caught_up_at:
        yield GaugeMetricFamily(
            "turnpike_directory_age_seconds",
            "since the directory was last known to be current",
            max(0.0, now_s - said.caught_up_at),
        )
    yield GaugeMetricFamily("turnpike_directory_subscribers", "in the directory", said.subscribers)
    for field, text in (
        ("applied", "changes applied to the directory"),
        ("rebuilds", "times that the directory was filled anew"),
    ):
        yield CounterMetricFamily(f"turnpike_directory_{field}", text, getattr(said, field))
    yield CounterMetricFamily(
        "turnpike_decisions_shipped", "decisions stored in the database", said.decisions_shipped
    )
    for field, text in _POOL_GAUGES:
        gauge = GaugeMetricFamily(f"turnpike_pool_{field}", text, labels=("tenant", "pool"))
        for pool in said.pools:
            gauge.add_metric((str(pool.tenant_id), pool.pool), float(getattr(pool, field)))
        yield gauge


def _of_jobs(said: JobsStatus) -> Iterator[Metric]:
    for field, text in _JOBS_GAUGES:
        yield GaugeMetricFamily(f"turnpike_jobs_{field}", text, getattr(said, field))
    yield GaugeMetricFamily(
        "turnpike_jobs_oldest_waiting_seconds",
        "how long the oldest job could have been run by now",
        said.oldest_waiting_s,
    )
    for field, text in _JOBS_COUNTS:
        yield CounterMetricFamily(f"turnpike_jobs_{field}", text, getattr(said, field))


def _clients(workers: dict[str, WorkerStatus]) -> Iterator[tuple[tuple[str, ...], ClientStatus]]:
    for name, worker in workers.items():
        for client in worker.clients:
            yield (name, str(client.tenant_id), client.nas), client


def _cumulative(buckets: list[int]) -> list[tuple[str, float]]:
    bounds = [*(repr(bound) for bound in LATENCY_BOUNDS_S), "+Inf"]
    total, found = 0, []
    for bound, count in zip(bounds, buckets, strict=True):
        total += count
        found.append((bound, float(total)))
    return found


class MetricsPage:
    """GET /metrics."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(NodeCollector(directory, clock))

    async def get(self, request: web.Request) -> web.Response:
        del request
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )
