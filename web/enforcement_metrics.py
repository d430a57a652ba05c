"""What is told to NASes in mid-session, and what they make of it, for /metrics."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from aaa.enforcement_status import CoaStatus, EnforcementStatus
from core import status

_NAS = ("tenant", "nas")
_COUNTS = (
    ("requests", "CoA and Disconnect requests begun, whatever became of them"),
    ("resends", "copies of requests that were not answered in time"),
    ("acks", "requests acknowledged"),
    ("silent", "requests that nobody answered"),
    ("unsendable", "requests that could not be sent"),
)


def enforcement(directory: Path) -> Iterator[Metric]:
    """Of this node's jobs process."""
    for said, _ in status.read(directory, "enforcement", EnforcementStatus).values():
        yield from _of(said)
        yield from _by_nas(said.coa)


def _of(said: EnforcementStatus) -> Iterator[Metric]:
    rows = GaugeMetricFamily(
        "turnpike_enforcement_sessions",
        "sessions that were told something, of all nodes and tenants, by how far that is",
        labels=("state",),
    )
    for state, count in said.rows.items():
        rows.add_metric((state,), count)
    results = CounterMetricFamily(
        "turnpike_enforcement_results", "what came of what was sent", labels=("state",)
    )
    for state, count in said.results.items():
        results.add_metric((state,), count)
    yield from (rows, results)
    yield GaugeMetricFamily(
        "turnpike_enforcement_silent_nases",
        "NASes that answer no CoA or Disconnect",
        len(said.silent_nases),
    )
    for field, text in (
        ("pass_sessions", "sessions that the last pass compared"),
        ("pass_differing", "of these, those that had something else than they should have"),
    ):
        yield GaugeMetricFamily(f"turnpike_enforcement_{field}", text, getattr(said, field))
    yield GaugeMetricFamily(
        "turnpike_enforcement_pass_seconds", "how long the last pass took", said.pass_s
    )
    yield CounterMetricFamily(
        "turnpike_coa_strangers", "datagrams from where nothing was asked", said.strangers
    )
    yield CounterMetricFamily(
        "turnpike_coa_socket_errors", "of the sockets for CoA", said.socket_errors
    )


def _by_nas(said: Iterable[CoaStatus]) -> Iterator[Metric]:
    nases = [((str(one.tenant_id), one.nas), one) for one in said]
    for field, text in _COUNTS:
        family = CounterMetricFamily(f"turnpike_coa_{field}", text, labels=_NAS)
        for labels, one in nases:
            family.add_metric(labels, getattr(one, field))
        yield family
    naks = CounterMetricFamily(
        "turnpike_coa_naks", "refusals by Error-Cause; 0: without one", labels=(*_NAS, "cause")
    )
    ignored = CounterMetricFamily(
        "turnpike_coa_ignored", "datagrams that were no answer", labels=(*_NAS, "reason")
    )
    rtt = CounterMetricFamily(
        "turnpike_coa_rtt_seconds", "until the answer, of all answered requests", labels=_NAS
    )
    waiting = GaugeMetricFamily(
        "turnpike_coa_waiting", "requests that wait to be sent", labels=_NAS
    )
    for labels, one in nases:
        for cause, count in one.naks.items():
            naks.add_metric((*labels, cause), count)
        for reason, count in one.ignored.items():
            ignored.add_metric((*labels, reason), count)
        rtt.add_metric(labels, one.rtt_sum_s)
        waiting.add_metric(labels, one.waiting)
    yield from (naks, ignored, rtt, waiting)
