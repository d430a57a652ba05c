"""How each NAS reports, for /metrics: gauges over the last two days, the worst NASes first."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from accounting.status import QualityStatus
from core import status

_LABELS: Final = ("tenant", "nas")
_GAUGES: Final = (
    ("quality_score", "score", "how well the NAS reports: 100 is best"),
    ("missing_stops_ratio", "missing_stop_share", "sessions that ended without a Stop"),
    ("repeated_ratio", "repeated_share", "records that told nothing new"),
    ("unreadable_records", "unreadable", "records that could not be counted"),
    ("ambiguous_intervals", "ambiguous", "intervals whose counters may have gone round"),
    ("implausible_intervals", "implausible", "intervals with more than the line carries"),
    ("suspected_swapped", "swapped", "1 if upload and download seem to be the wrong way round"),
    ("silent_gaps", "silent_gaps", "times that most of its sessions fell silent together"),
    ("silent_seconds", "silent_s", "how long they were silent"),
    ("clock_skew_seconds", "skew_s", "its clock against ours, positive if ahead"),
)


def quality(directory: Path) -> Iterator[Metric]:
    """What ingest last said."""
    for said, _ in status.read(directory, "quality", QualityStatus).values():
        for name, field, text in _GAUGES:
            family = GaugeMetricFamily(f"turnpike_nas_{name}", text, labels=_LABELS)
            for nas in said.nases:
                if (value := getattr(nas, field)) is not None:
                    family.add_metric((str(nas.tenant_id), nas.nas), float(value))
            yield family
