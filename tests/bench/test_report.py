"""A gate says what was promised, what was found, and does not call noise a failure."""

import pytest

from bench import radload
from bench.measure import Sample, Server, in_turn, paired_ratio
from bench.report import gates, markdown
from bench.tables import FILES, TURNPIKE, Gate

OUTCOME = radload.Outcome(
    sent=1,
    answered=1,
    lost=0,
    retransmitted=0,
    no_slot=0,
    late=0,
    malformed=0,
    wrong_authenticator=0,
    wrong_message_authenticator=0,
    without_message_authenticator=0,
    wrong_code=0,
    codes={"2": 1},
    seconds=1.0,
    answered_per_s=1.0,
    sent_per_s=1.0,
    reply_octets_mean=88.0,
    generator_cpu_s=0.1,
)


def sample(server: str, repetition: int, per_s: float, scenario: str = "pap w64") -> Sample:
    return Sample(scenario, server, repetition, per_s, 1e6 / per_s, 0.0, OUTCOME)


def test_servers_are_compared_with_their_neighbours_in_time() -> None:
    ours = [sample(TURNPIKE, n, per_s) for n, per_s in enumerate((60, 120, 90))]
    theirs = [sample(FILES, n, per_s) for n, per_s in enumerate((30, 60, 30))]
    # The medians alone would say 90 / 30.
    assert paired_ratio(ours, theirs, lambda one: one.per_s) == 2.0


def test_a_repetition_that_only_one_took_part_in_is_left_out() -> None:
    ours = [sample(TURNPIKE, 0, 60), sample(TURNPIKE, 1, 600)]
    assert paired_ratio(ours, [sample(FILES, 0, 30)], lambda one: one.per_s) == 2.0
    assert paired_ratio(ours, [], lambda one: one.per_s) is None


def test_the_order_turns_round() -> None:
    servers = [Server(name, 1, ()) for name in ("a", "b", "c")]
    assert [one.name for one in in_turn(servers, 0)] == ["a", "b", "c"]
    assert [one.name for one in in_turn(servers, 1)] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("found", "bound", "at_least", "verdict"),
    [
        pytest.param(1.5, 1.5, True, "kept", id="at the bound"),
        pytest.param(1.36, 1.5, True, "kept within the noise", id="90 % of it"),
        pytest.param(1.3, 1.5, True, "missed", id="less"),
        pytest.param(0.65, 0.6, False, "kept within the noise", id="a little dear"),
        pytest.param(0.7, 0.6, False, "missed", id="too dear"),
        pytest.param(None, 1.5, True, "not measured", id="nothing found"),
    ],
)
def test_a_gate_passes_at_nine_tenths(
    found: float | None, bound: float, at_least: bool, verdict: str
) -> None:
    assert Gate("promise", found, bound, at_least).verdict == verdict


def test_answering_the_known_in_a_flood_has_no_tolerance() -> None:
    assert Gate("flood", 0.998, 0.999, True, 1.0).verdict == "missed"


def test_a_report_names_what_was_kept_and_what_was_not_measured() -> None:
    samples = [sample(TURNPIKE, 0, 90_000), sample(FILES, 0, 45_000)]
    text = markdown("today", samples, [], [], ["a note"])
    assert "| pap, w = 64 | FreeRADIUS files | 45,000 | 2.00 |" in text
    assert "| pap, w = 64: throughput over FreeRADIUS files | ≥ 1.5 | 2.00 | kept |" in text
    verdicts = {gate.promise: gate.verdict for gate in gates(samples, [], [])}
    assert verdicts["pap, w = 64: throughput over FreeRADIUS + PostgreSQL"] == "not measured"
