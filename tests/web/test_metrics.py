"""/metrics as Prometheus reads it."""

from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from aaa.enforcement_status import CoaStatus, EnforcementStatus
from aaa.status import AccountingStatus, ClientStatus, ReplicatorStatus, WorkerStatus
from accounting.spool import SpoolStatus
from accounting.status import IngestStatus, NasQualityStatus, QualityStatus
from core import status
from core.clock import Clock
from core.jobs_status import JobsStatus
from core.radius.counters import LATENCY_BOUNDS_S
from web.metrics import NodeCollector

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


ACCOUNTING = AccountingStatus(
    20, 2, 1, 17, {"spool-full": 3}, [2] * (len(LATENCY_BOUNDS_S) + 1), 0.25
)
SPOOL = SpoolStatus(40, 9_000, 0.5, False, "", 17, 3, 0)


def client(nas: str = "bras-1", **more: object) -> ClientStatus:
    values: dict[str, object] = {
        "tenant_id": 1, "nas": nas, "requests": 9, "duplicates": 1, "status_servers": 2,
        "accepts": 4, "challenges": 1, "unsigned_requests": 0,
        "rejects": {"password": 3, "suspended": 1}, "drops": {"bad-authenticator": 5},
        "latency_buckets": [1] * (len(LATENCY_BOUNDS_S) + 1), "latency_sum_s": 0.5,
        "accounting": ACCOUNTING,
    }  # fmt: skip
    return ClientStatus(**(values | more))  # type: ignore[arg-type]  # the defaults above fit


def scrape(directory: Path) -> Samples:
    registry = CollectorRegistry()
    registry.register(NodeCollector(directory, Clock()))
    return read(generate_latest(registry).decode())


def read(text: str) -> Samples:
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in found, "a series appears once"
            found[key] = sample.value
    return found


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_what_a_worker_counted_is_there_by_nas(tmp_path: Path) -> None:
    said = WorkerStatus(
        7, 1_800_000_000.0, [client(), client("bras-2")], {"unknown-client": 6}, 8, 2, False, SPOOL
    )
    status.write(tmp_path, "worker-0", said)
    status.write(
        tmp_path, "worker-1", WorkerStatus(8, 1.8e9, [client(accepts=1)], {}, 0, 0, False, SPOOL)
    )
    samples = scrape(tmp_path)
    one = {"worker": "0", "tenant": "1", "nas": "bras-1"}
    assert of(samples, "turnpike_radius_requests_total", **one) == 9
    assert of(samples, "turnpike_radius_accepts_total", **one) == 4
    assert of(samples, "turnpike_radius_accepts_total", **(one | {"worker": "1"})) == 1
    assert of(samples, "turnpike_radius_rejects_total", **one, reason="suspended") == 1
    assert of(samples, "turnpike_radius_drops_total", **one, reason="bad-authenticator") == 5
    assert (
        of(
            samples,
            "turnpike_radius_unattributed_drops_total",
            worker="0",
            reason="unknown-client",
        )
        == 6
    )
    assert of(samples, "turnpike_radius_socket_drops_total", worker="0") == 8
    assert of(samples, "turnpike_decisions_unrecorded_total", worker="0") == 2
    assert of(samples, "turnpike_worker_start_time_seconds", worker="0") == 1_800_000_000.0


def test_the_histogram_adds_up(tmp_path: Path) -> None:
    buckets = [*range(len(LATENCY_BOUNDS_S) + 1)]
    said = WorkerStatus(7, 1.8e9, [client(latency_buckets=buckets)], {}, 0, 0, False, SPOOL)
    status.write(tmp_path, "worker-0", said)
    samples = scrape(tmp_path)
    one = {"worker": "0", "tenant": "1", "nas": "bras-1"}
    name = "turnpike_radius_request_seconds"
    total = 0
    for bound, count in zip(LATENCY_BOUNDS_S, buckets, strict=False):
        total += count
        assert of(samples, f"{name}_bucket", **one, le=repr(bound)) == total
    assert of(samples, f"{name}_bucket", **one, le="+Inf") == sum(buckets)
    assert of(samples, f"{name}_count", **one) == sum(buckets)
    assert of(samples, f"{name}_sum", **one) == 0.5


def test_the_replicator_is_there(tmp_path: Path) -> None:
    said = ReplicatorStatus(1, 1.8e9, True, Clock().unix_s() - 2.0, 3, 1, 42, 5)
    status.write(tmp_path, "replicator", said)
    samples = scrape(tmp_path)
    assert of(samples, "turnpike_directory_connected") == 1
    assert 2.0 <= of(samples, "turnpike_directory_age_seconds") < 10.0
    assert of(samples, "turnpike_directory_subscribers") == 42
    assert of(samples, "turnpike_directory_applied_total") == 3
    assert of(samples, "turnpike_directory_rebuilds_total") == 1
    assert of(samples, "turnpike_decisions_shipped_total") == 5


def test_a_directory_that_was_never_current_has_no_age(tmp_path: Path) -> None:
    status.write(tmp_path, "replicator", ReplicatorStatus(1, 1.8e9, False, 0.0, 0, 0, 42, 0))
    samples = scrape(tmp_path)
    assert of(samples, "turnpike_directory_connected") == 0
    assert not any(name == "turnpike_directory_age_seconds" for name, _ in samples)


def test_a_nas_of_any_name_breaks_no_line(tmp_path: Path) -> None:
    name = 'bras "1"\\\n{}é'
    said = WorkerStatus(7, 1.8e9, [client(name)], {}, 0, 0, False, SPOOL)
    status.write(tmp_path, "worker-0", said)
    samples = scrape(tmp_path)
    assert of(samples, "turnpike_radius_requests_total", worker="0", tenant="1", nas=name) == 9


def test_a_node_that_has_just_begun_answers_with_nothing_to_tell(tmp_path: Path) -> None:
    assert scrape(tmp_path) == {}


def test_records_are_counted_from_the_port_to_the_database(tmp_path: Path) -> None:
    said = WorkerStatus(7, 1.8e9, [client()], {}, 0, 0, False, SPOOL)
    status.write(tmp_path, "worker-0", said)
    late = IngestStatus(1, 1.8e9, True, 15, 2, 1, 4, 25, Clock().unix_s() - 61.0, 0.0, 7, True)
    status.write(tmp_path, "ingest", late)
    samples = scrape(tmp_path)
    one = {"worker": "0", "tenant": "1", "nas": "bras-1"}
    assert of(samples, "turnpike_accounting_requests_total", **one) == 20
    assert of(samples, "turnpike_accounting_responses_total", **one) == 17
    assert of(samples, "turnpike_accounting_drops_total", **one, reason="spool-full") == 3
    assert of(samples, "turnpike_accounting_request_seconds_sum", **one) == 0.25
    assert of(samples, "turnpike_spool_records", worker="0") == 40
    assert of(samples, "turnpike_spool_used", worker="0") == 0.5
    assert of(samples, "turnpike_spool_refused_total", worker="0") == 3
    assert of(samples, "turnpike_ingest_waiting_records") == 25
    assert 61 <= of(samples, "turnpike_ingest_oldest_undrained_seconds") < 70
    assert of(samples, "turnpike_ingest_records_total") == 15
    assert of(samples, "turnpike_ingest_dead_letters_total") == 1
    assert of(samples, "turnpike_dead_letters") == 7
    assert of(samples, "turnpike_dead_letters_is_alarming") == 1


def test_how_a_nas_reports_is_there(tmp_path: Path) -> None:
    nas = NasQualityStatus(1, "bras-1", 64, 0.2, 0.01, 3, 4, 5, True, 6, 700, -30)
    unknown = NasQualityStatus(1, "bras-2", 100, 0.0, 0.0, 0, 0, 0, False, 0, 0, None)
    status.write(tmp_path, "quality", QualityStatus(1.8e9, [nas, unknown]))
    samples = scrape(tmp_path)
    one = {"tenant": "1", "nas": "bras-1"}
    assert of(samples, "turnpike_nas_quality_score", **one) == 64
    assert of(samples, "turnpike_nas_missing_stops_ratio", **one) == 0.2
    assert of(samples, "turnpike_nas_suspected_swapped", **one) == 1
    assert of(samples, "turnpike_nas_silent_seconds", **one) == 700
    assert of(samples, "turnpike_nas_clock_skew_seconds", **one) == -30
    skews = [dict(labels)["nas"] for name, labels in samples if name.endswith("clock_skew_seconds")]
    assert skews == ["bras-1"]


def test_jobs_are_there(tmp_path: Path) -> None:
    status.write(tmp_path, "jobs", JobsStatus(1, 1.8e9, True, 1, 20, 3, 4, 2, 5, 6.5))
    samples = scrape(tmp_path)
    assert of(samples, "turnpike_jobs_waiting") == 4
    assert of(samples, "turnpike_jobs_unhandled") == 2
    assert of(samples, "turnpike_jobs_held") == 5
    assert of(samples, "turnpike_jobs_oldest_waiting_seconds") == 6.5
    assert of(samples, "turnpike_jobs_done_total") == 20
    assert of(samples, "turnpike_jobs_failures_total") == 3


def test_what_nases_are_told_in_mid_session_is_there_by_nas(tmp_path: Path) -> None:
    bras = CoaStatus(
        1, "bras-1", 9, 2, 5, {"503": 1, "0": 2}, 1, 0, 0.25, {"authenticator": 7}, 3, 4
    )
    said = EnforcementStatus(
        1, {"due": 6, "done": 8}, {"told": 5}, ["bras-2"], 50, 3, 1.5, 11, 12, [bras]
    )
    status.write(tmp_path, "enforcement", said)
    samples = scrape(tmp_path)
    assert of(samples, "turnpike_enforcement_sessions", state="due") == 6
    assert of(samples, "turnpike_enforcement_results_total", state="told") == 5
    assert of(samples, "turnpike_enforcement_silent_nases") == 1
    assert of(samples, "turnpike_enforcement_pass_seconds") == 1.5
    assert of(samples, "turnpike_coa_acks_total", tenant="1", nas="bras-1") == 5
    assert of(samples, "turnpike_coa_naks_total", tenant="1", nas="bras-1", cause="503") == 1
    labels = {"tenant": "1", "nas": "bras-1", "reason": "authenticator"}
    assert of(samples, "turnpike_coa_ignored_total", **labels) == 7
    assert of(samples, "turnpike_coa_strangers_total") == 11
