"""What accounting promised, judged by pairs, and a backlog by the middle of its slices."""

from bench import accounting_report
from bench.accounting import PAUSED, Backlog
from bench.report import markdown
from bench.tables import DETAIL, SQL, TURNPIKE
from tests.bench.test_report import sample


def drained(repetition: int, seconds: float, private_mb: int) -> Backlog:
    logins = sample(TURNPIKE, repetition, 500)
    return Backlog(repetition, 1_000_000, seconds, private_mb * 10**6, (logins,), (logins,) * 2)


def test_records_stored_are_compared_by_number_and_by_processor() -> None:
    samples = [
        sample(TURNPIKE, 0, 20_000, "stored w256"),
        sample(SQL, 0, 4_000, "stored w256"),
    ]
    text = markdown("today", samples, [], [], [], complete=False)
    assert f"| stored, w = 256 | {SQL} | 4,000 | 5.00 |" in text
    assert f"| records stored, over {SQL} | ≥ 4 | 5.00 | kept |" in text
    assert f"| CPU a record stored, over {SQL} | ≤ 0.25 | 0.20 | kept |" in text


def test_receipts_are_judged_with_ingest_and_without() -> None:
    samples = [
        sample(TURNPIKE, 0, 20_000, "receipts w64"),
        sample(PAUSED, 0, 30_000, "receipts w64"),
        sample(DETAIL, 0, 25_000, "receipts w64"),
    ]
    found = {gate.promise: gate.verdict for gate in accounting_report.gates(samples, [])}
    assert found[f"receipts, w = 64: over {DETAIL}"] == "missed"
    assert found[f"receipts, w = 64, ingest paused: over {DETAIL}"] == "kept"
    assert found[f"receipts, w = 256: over {DETAIL}"] == "not measured"


def test_of_several_backlogs_the_middle_speed_and_the_most_memory_count() -> None:
    backlogs = [drained(0, 40, 200), drained(1, 50, 250), drained(2, 100, 150)]
    found = {gate.promise: gate for gate in accounting_report.gates([], backlogs)}
    assert found["backlog of 1,000,000: drained a second"].found == 20_000
    assert found["backlog of 1,000,000: private memory of ingest, MB"].found == 250
    text = markdown("today", [], [], [], [], backlogs=backlogs, complete=False)
    assert "| 1,000,000 | 50.0 | 20,000 | 250 |" in text


def test_what_was_not_tried_is_not_in_an_incomplete_report() -> None:
    text = markdown("today", [sample(TURNPIKE, 0, 90_000)], [], [], [], complete=False)
    assert "stored" not in text
    assert "backlog" not in text
