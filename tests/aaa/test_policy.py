"""May this subscriber be online now, and with what?  Every rule, alone and in order."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aaa.policy import (
    FOREVER,
    NOT_PROVEN_MESSAGE,
    RULES,
    Deny,
    Facts,
    Hold,
    Permit,
    authorize,
    trace,
)

NOW = 1_800_000_000
GOOD = Facts(NOW, known=True)
HELD = Hold("staff", "reject", 0, FOREVER)
WALLED = Hold("dunning", "walled_garden", 0, FOREVER)

# Each objection alone, in the order a help desk would ask.
OBJECTIONS: dict[str, dict[str, object]] = {
    "unknown-user": {"known": False},
    "no-plan": {"entitled": False},
    "suspended": {"holds": (HELD,)},
    "expired": {"valid_until_s": NOW},
    "nas-binding": {"nas_id": 3, "bound_nas_ids": (1, 2)},
    "mac-binding": {"mac": "02005e100001", "bound_macs": ("02005e100002",)},
    "session-limit": {"open_sessions": 1, "session_limit": 1},
    "guessing": {"guesses_exceeded": True},
    "password": {"proof": "failed", "proof_reason": "password"},
}


def test_whom_nothing_speaks_against_is_let_in() -> None:
    assert authorize(GOOD) == Permit(0)


@pytest.mark.parametrize("reason", OBJECTIONS)
def test_one_objection_is_enough(reason: str) -> None:
    decision = authorize(replace(GOOD, **OBJECTIONS[reason]))
    assert isinstance(decision, Deny)
    assert decision.reason == reason


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(OBJECTIONS, 2)))
def test_the_first_objection_wins(first: str, second: str) -> None:
    decision = authorize(replace(GOOD, **{**OBJECTIONS[first], **OBJECTIONS[second]}))
    assert isinstance(decision, Deny)
    assert decision.reason == first


@pytest.mark.parametrize("reason", OBJECTIONS)
def test_who_did_not_prove_himself_hears_the_same_whatever_was_wrong(reason: str) -> None:
    decision = authorize(replace(GOOD, **{**OBJECTIONS[reason], **OBJECTIONS["password"]}))
    assert isinstance(decision, Deny)
    assert decision.message == NOT_PROVEN_MESSAGE


@pytest.mark.parametrize(
    ("changes", "is_let_in"),
    [
        pytest.param({"valid_until_s": NOW + 1}, True, id="one second left"),
        pytest.param({"valid_until_s": NOW}, False, id="the second it ends"),
        pytest.param({"nas_id": 2, "bound_nas_ids": (1, 2)}, True, id="one of its NASes"),
        pytest.param({"mac": "", "bound_macs": ("02005e100002",)}, False, id="no MAC to compare"),
        pytest.param({"mac": "a", "bound_macs": ("b", "a")}, True, id="one of its MACs"),
        pytest.param({"open_sessions": 9, "reserved": 9}, True, id="no limit"),
        pytest.param({"open_sessions": 1, "session_limit": 2}, True, id="one place left"),
        pytest.param({"reserved": 1, "session_limit": 2}, True, id="one place left by logins"),
        pytest.param(
            {"open_sessions": 1, "reserved": 1, "session_limit": 2}, False, id="the last is taken"
        ),
        pytest.param({"open_sessions": 3, "session_limit": 2}, False, id="over the limit already"),
        pytest.param({"holds": (replace(HELD, since_s=NOW + 1),)}, True, id="a hold to come"),
        pytest.param({"holds": (replace(HELD, since_s=NOW),)}, False, id="a hold from now on"),
        pytest.param({"holds": (replace(HELD, until_s=NOW),)}, True, id="a hold that just ended"),
        pytest.param(
            {"holds": (replace(HELD, until_s=NOW + 1),)}, False, id="a hold's last second"
        ),
        pytest.param({"holds": (WALLED, HELD)}, False, id="the stricter of two holds"),
        pytest.param({"proof": "not-asked"}, True, id="a change in mid-session asks no proof"),
    ],
)
def test_the_edges_of_the_rules(changes: dict[str, object], is_let_in: bool) -> None:
    assert isinstance(authorize(replace(GOOD, **changes)), Permit) == is_let_in


@pytest.mark.parametrize(
    ("profile_s", "left_s", "timeout_s"),
    [(0, None, 0), (3600, None, 3600), (0, 60, 60), (3600, 60, 60), (60, 3600, 60)],
)
def test_a_session_lasts_no_longer_than_what_was_paid(
    profile_s: int, left_s: int | None, timeout_s: int
) -> None:
    until_s = FOREVER if left_s is None else NOW + left_s
    facts = replace(GOOD, session_timeout_s=profile_s, valid_until_s=until_s)
    assert authorize(facts) == Permit(timeout_s)


def test_a_walled_hold_lets_in_and_says_who_confines() -> None:
    assert authorize(replace(GOOD, holds=(WALLED,))) == Permit(0, walled_by="dunning")
    over = replace(WALLED, until_s=NOW)
    assert authorize(replace(GOOD, holds=(over,))) == Permit(0)


def test_where_the_oldest_is_to_go_a_full_house_lets_in() -> None:
    full = replace(GOOD, open_sessions=1, reserved=1, session_limit=2, at_limit="kick_oldest")
    assert authorize(full) == Permit(0, kicks_oldest=True)
    assert authorize(replace(full, reserved=0)) == Permit(0)
    assert trace(full)[-1][2] == "profile, the oldest makes room"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "limit=none", id="no limit"),
        pytest.param(
            {"session_limit": 3, "open_sessions": 1, "reserved": 1, "session_ids": (7,)},
            "open=1 reserved=1 limit=3 reject",
            id="not full",
        ),
        pytest.param(
            {"session_limit": 2, "open_sessions": 2, "reserved": 1, "session_ids": (7, 9, 12)},
            "open=2 reserved=1 limit=2 reject sessions=7,9,12",
            id="full",
        ),
        pytest.param(
            {"session_limit": 1, "open_sessions": 21, "session_ids": tuple(range(21))},
            f"open=21 reserved=0 limit=1 reject sessions={','.join(map(str, range(20)))},...",
            id="overfull",
        ),
        pytest.param(
            {"session_limit": 1, "reserved": 1},
            "open=0 reserved=1 limit=1 reject",
            id="full of logins",
        ),
    ],
)
def test_the_trace_lists_the_sessions_that_filled_the_limit(
    changes: dict[str, object], words: str
) -> None:
    """domain.md §7.4."""
    said = {rule: looked_at for rule, looked_at, _ in trace(replace(GOOD, **changes))}
    assert said["within_session_limit"] == words


facts = st.builds(
    Facts,
    st.integers(NOW - 5, NOW + 5),
    st.booleans(),
    st.booleans(),
    st.lists(
        st.builds(
            Hold,
            st.sampled_from(["staff", "dunning"]),
            st.sampled_from(["reject", "walled_garden"]),
            st.integers(NOW - 5, NOW + 5),
            st.one_of(st.just(FOREVER), st.integers(NOW - 5, NOW + 5)),
        ),
        max_size=3,
    ).map(tuple),
    st.one_of(st.just(FOREVER), st.integers(NOW - 5, NOW + 5)),
    st.integers(1, 3),
    st.lists(st.integers(1, 3), max_size=2).map(tuple),
    st.sampled_from(["", "a"]),
    st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
    st.integers(0, 3),
    st.integers(0, 2),
    st.lists(st.integers(1, 9), max_size=3).map(tuple),
    st.integers(0, 2),
    st.sampled_from(["reject", "kick_oldest"]),
    st.booleans(),
    st.sampled_from(["proven", "failed"]),
    st.just("password"),
    st.integers(0, 9),
)


@given(facts)
def test_nobody_gets_in_without_proof_or_past_the_end(some: Facts) -> None:
    """Invariant S3, whatever else is true."""
    decision = authorize(some)
    if isinstance(decision, Permit):
        assert some.known
        assert some.proof == "proven"
        assert decision.session_timeout_s >= 0
        if some.valid_until_s != FOREVER:
            assert 0 < decision.session_timeout_s <= some.valid_until_s - some.now_s


@given(facts)
def test_the_trace_tells_the_decision_rule_by_rule(some: Facts) -> None:
    decision, steps = authorize(some), trace(some)
    names = [rule.name for rule in RULES]
    if isinstance(decision, Deny):
        assert [name for name, _, _ in steps] == names[: len(steps)]
        assert steps[-1][2] == decision.reason
        assert all(result == "ok" for _, _, result in steps[:-1])
    else:
        assert [name for name, _, _ in steps] == [*names, "permit"]
        assert all(result == "ok" for _, _, result in steps[:-1])
