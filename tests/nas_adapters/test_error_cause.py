"""What a NAS's refusal means (RFC 5176 §3.5)."""

import pytest

from dictionaries.loader import load
from nas_adapters.error_cause import ErrorCause, Remedy, error_cause, remedy, shown


def test_the_names_are_those_of_the_dictionary() -> None:
    definition = load().named("Error-Cause")
    assert definition is not None
    assert {cause.called: cause.number for cause in ErrorCause} == dict(definition.value_of)


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        pytest.param((503,), Remedy.STALE, id="a session that is gone is not asked for again"),
        pytest.param((401, 402, 404, 405, 407, 508), Remedy.PROFILE, id="a bug of ours stops"),
        pytest.param((403, 501), Remedy.NAS, id="a setting of the box stops"),
        pytest.param((504, 506, 502, 505), Remedy.BACK_OFF, id="what may pass is tried later"),
        pytest.param((406,), Remedy.OTHER_WAY, id="what it never takes goes another way"),
        pytest.param((507,), Remedy.WAIT, id="it asks us"),
        pytest.param((201, 202), Remedy.NONE, id="no refusal at all"),
        pytest.param((None, 0, 509, 2**32 - 1), Remedy.UNCLEAR, id="whatever else: look"),
    ],
)
def test_every_cause_calls_for_one_thing(numbers: tuple[int | None, ...], expected: Remedy) -> None:
    assert {remedy(number) for number in numbers} == {expected}


def test_a_cause_is_shown_with_its_number_and_its_meaning() -> None:
    assert shown(503) == "503 Session-Context-Not-Found: it knows no such session"
    assert shown(None) == "refused without an Error-Cause"
    assert shown(777) == "Error-Cause 777, which RFC 5176 does not know"
    assert error_cause(503) is ErrorCause.SESSION_CONTEXT_NOT_FOUND
