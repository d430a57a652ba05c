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
    "quota": {"at_quota": "block", "quota_octets_left": 0},
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


GB = 10**9
# Sixty of a hundred gigabytes used, four of ten hours.
QUOTA: dict[str, object] = {
    "quota_octets_left": 40 * GB,
    "used_octets": 60 * GB,
    "quota_time_left_s": 21_600,
    "used_time_s": 14_400,
}
ENFORCED = ["throttle", "block", "walled_garden"]


@pytest.mark.parametrize("at_quota", ENFORCED)
@pytest.mark.parametrize("what", ["quota_octets_left", "quota_time_left_s"])
def test_whoever_used_up_either_of_his_quotas_is_over_it(at_quota: str, what: str) -> None:
    decision = authorize(replace(GOOD, **{**QUOTA, "at_quota": at_quota, what: 0}))
    expected = {
        "throttle": Permit(0, throttled=True),
        "block": Deny("quota", "Quota exceeded"),
        "walled_garden": Permit(0, walled_by="quota"),
    }
    assert decision == expected[at_quota]


@pytest.mark.parametrize("left", [0, 40 * GB])
def test_a_quota_that_has_no_effect_has_none(left: int) -> None:
    facts = replace(GOOD, **{**QUOTA, "at_quota": "nothing", "quota_octets_left": left})
    assert authorize(facts) == Permit(0)


@pytest.mark.parametrize("at_quota", ENFORCED)
@pytest.mark.parametrize(
    ("changes", "permit"),
    [
        pytest.param({}, Permit(21_600, limit_octets=40 * GB), id="all that is left"),
        pytest.param(
            {"open_sessions": 2, "reserved": 1},
            Permit(5_400, limit_octets=10 * GB),
            id="a part for each session",
        ),
        pytest.param(
            {"open_sessions": 9, "quota_octets_left": 3, "quota_time_left_s": 3},
            Permit(1, limit_octets=1),
            id="no part is nothing: nothing would be no limit",
        ),
        pytest.param(
            {"session_timeout_s": 3_600}, Permit(3_600, limit_octets=40 * GB), id="a shorter plan"
        ),
        pytest.param(
            {"valid_until_s": NOW + 60}, Permit(60, limit_octets=40 * GB), id="paid for less"
        ),
        pytest.param(
            {"session_timeout_s": 86_400}, Permit(21_600, limit_octets=40 * GB), id="a longer plan"
        ),
        pytest.param({"quota_time_left_s": None}, Permit(0, limit_octets=40 * GB), id="octets"),
        pytest.param({"quota_octets_left": None}, Permit(21_600), id="time"),
        pytest.param({"is_weighed": True}, Permit(21_600), id="the NAS cannot weigh octets"),
        pytest.param(
            {"holds": (WALLED,)}, Permit(21_600, walled_by="dunning"), id="in a garden anyway"
        ),
    ],
)
def test_the_nas_is_told_what_is_left(
    at_quota: str, changes: dict[str, object], permit: Permit
) -> None:
    """The backstop of domain.md §8.5, in parts (§8.6)."""
    assert authorize(replace(GOOD, **{**QUOTA, "at_quota": at_quota, **changes})) == permit


@pytest.mark.parametrize("at_quota", ["throttle", "walled_garden"])
def test_a_garden_by_a_hold_is_stricter_than_the_quota(at_quota: str) -> None:
    over = replace(GOOD, at_quota=at_quota, quota_octets_left=0, holds=(WALLED,))
    assert authorize(over) == Permit(0, walled_by="dunning")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({}, "quota=none", id="none"),
        pytest.param(
            {"at_quota": "throttle", "quota_octets_left": 4, "used_octets": 6},
            "used=6 left=4 at=throttle",
            id="octets",
        ),
        pytest.param(
            {"at_quota": "nothing", "quota_time_left_s": 0, "used_time_s": 9},
            "used_s=9 left_s=0 at=nothing",
            id="time",
        ),
        pytest.param(
            {**QUOTA, "at_quota": "walled_garden"},
            "used=60000000000 left=40000000000 used_s=14400 left_s=21600 at=walled_garden",
            id="both",
        ),
    ],
)
def test_the_trace_tells_the_quota(changes: dict[str, object], words: str) -> None:
    said = {rule: looked_at for rule, looked_at, _ in trace(replace(GOOD, **changes))}
    assert said["has_quota"] == words


def test_the_trace_tells_what_the_quota_makes_of_the_permit() -> None:
    within = replace(GOOD, **QUOTA, at_quota="throttle")
    assert trace(within)[-1] == (
        "permit", "session_timeout_s=21600 limit_octets=40000000000", "profile",
    )  # fmt: skip
    over = replace(within, quota_octets_left=0)
    assert trace(over)[-1] == ("permit", "session_timeout_s=none", "profile, throttled")
    walled = replace(over, at_quota="walled_garden")
    assert trace(walled)[-1][2] == "walled garden by quota"


amounts = st.one_of(st.none(), st.integers(0, 9))
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
    st.sampled_from(["", "throttle", "block", "walled_garden", "nothing"]),
    amounts,
    amounts,
    st.integers(0, 9),
    st.integers(0, 9),
    st.booleans(),
)


@given(facts)
def test_nobody_gets_more_than_is_left_of_his_quota(some: Facts) -> None:
    decision = authorize(some)
    if isinstance(decision, Deny) or some.at_quota in ("", "nothing"):
        return
    over = some.quota_octets_left == 0 or some.quota_time_left_s == 0
    if over:
        assert decision.throttled or decision.walled_by
        assert decision.limit_octets == 0
        return
    assert not decision.throttled
    parts = 1 + some.open_sessions + some.reserved
    if some.quota_time_left_s is not None:
        assert 0 < decision.session_timeout_s <= max(1, some.quota_time_left_s // parts)
    if decision.limit_octets:
        assert some.quota_octets_left is not None
        assert decision.limit_octets <= max(1, some.quota_octets_left // parts)


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
