"""Whose session is whose: ours, and those that a box tells of."""

from dataclasses import replace
from typing import Any

import pytest

from nas_adapters.actives import Active, compare, find
from nas_adapters.base import SessionRef

OURS = SessionRef(
    acct_session_id="81500012",
    user_name="alice",
    framed_ip="100.64.0.7",
    calling_station="02:00:5E:10:00:01",
)
THEIRS = Active(
    row="*1",
    service="pppoe",
    name="alice",
    address="100.64.0.7",
    calling_station="0200.5e10.0001",
    session_id="0x81500012",
)


def ours(**changed: Any) -> SessionRef:
    return replace(OURS, **changed)


def theirs(**changed: Any) -> Active:
    return replace(THEIRS, **changed)


@pytest.mark.parametrize("written", ["81500012", "0x81500012", "0X81500012", "081500012"])
def test_a_session_is_found_by_its_id_however_it_is_written(written: str) -> None:
    assert find(ours(acct_session_id=written), [theirs(session_id="7"), THEIRS]) == THEIRS


def test_a_later_session_of_the_same_name_and_place_is_not_the_one_that_was_meant() -> None:
    assert find(OURS, [theirs(session_id="0x81500013")]) is None


def test_where_the_box_tells_no_id_name_device_and_address_must_all_agree() -> None:
    assert find(OURS, [theirs(session_id="")]) == theirs(session_id="")
    for other in ("name", "address", "calling_station"):
        assert find(OURS, [theirs(session_id="", **{other: "x"})]) is None
    assert find(OURS, [theirs(session_id=""), theirs(session_id="", row="*2")]) is None


def test_equal_is_equal() -> None:
    assert compare([OURS], [THEIRS]).is_equal
    assert compare([], []).is_equal


def test_what_one_side_does_not_know_is_told() -> None:
    bob = ours(acct_session_id="99", user_name="bob", framed_ip="100.64.0.9", calling_station="")
    carol = theirs(session_id="0x55", name="carol", calling_station="", address="100.64.0.8")
    found = compare([OURS, bob], [THEIRS, carol])
    assert (found.missing_there, found.missing_here, found.moved) == ((bob,), (carol,), ())


def test_a_redial_that_we_were_not_told_of_is_two_differences() -> None:
    """The id of bob's session proves that the box writes ids as we know them."""
    bob, bobs = ours(acct_session_id="99", user_name="bob"), theirs(session_id="0x99", name="bob")
    again = theirs(session_id="0x81500013")
    found = compare([OURS, bob], [again, bobs])
    assert (found.missing_there, found.missing_here) == ((OURS,), (again,))


def test_a_box_whose_ids_are_all_unlike_ours_is_compared_by_name_and_place() -> None:
    found = compare([OURS], [theirs(session_id="session-1")])
    assert found.is_equal


def test_another_address_is_told_with_both() -> None:
    there = theirs(address="100.64.0.99")
    [moved] = compare([OURS], [there]).moved
    assert (moved.ours, moved.theirs) == (OURS, there)
    assert compare([ours(framed_ip="")], [there]).is_equal  # we were never told one


def test_two_sessions_of_one_name_are_matched_each_with_its_own() -> None:
    first, second = ours(acct_session_id="1"), ours(acct_session_id="2", framed_ip="100.64.0.8")
    there = [
        theirs(session_id="", address="100.64.0.8", row="*b"),
        theirs(session_id="", row="*a"),
    ]
    assert compare([first, second], there).is_equal
