"""Who counts against a session limit, and who is only the same once more (domain.md §7)."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from aaa.places import Ended, LiveSession, Occupied, Slot, occupied

NOW = 1_800_000_000.0


def session(number: int, device: bytes = b"a", *, multi: str = "") -> LiveSession:
    return LiveSession(number, b"n%d" % number, f"sid-{number}", device, multi, int(NOW))


def slot(number: int, device: bytes = b"a", until: float = NOW + 60) -> Slot:
    return Slot(b"n%d" % number, device, until)


def count(
    *sessions: LiveSession,
    slots: tuple[Slot, ...] = (),
    ended: tuple[Ended, ...] = (),
    device: bytes = b"mine",
) -> Occupied:
    return occupied(sessions, slots, ended, device, NOW)


def test_sessions_of_other_devices_count_and_those_of_this_one_do_not() -> None:
    found = count(session(1, b"a"), session(2, b"mine"), session(3, b"b"), session(4, b"b"))
    assert found == Occupied(3, 0, (1, 3, 4))


def test_where_nobody_tells_the_device_everything_counts() -> None:
    assert count(session(1, b""), session(2, b"a"), device=b"") == Occupied(2, 0, (1, 2))


def test_a_multi_session_counts_once() -> None:
    """domain.md §4.6."""
    links = [session(number, b"%d" % number, multi="bundle") for number in (1, 2, 3)]
    assert count(*links, session(4, b"d")) == Occupied(2, 0, (1, 2, 3, 4))


def test_a_multi_session_that_this_device_has_a_link_of_is_its_own() -> None:
    links = [session(1, b"mine", multi="bundle"), session(2, b"a", multi="bundle")]
    assert count(*links) == Occupied(0, 0, ())
    assert count(*links, device=b"b").open == 1


def test_a_login_counts_until_its_session_is_known_and_not_twice() -> None:
    assert count(slots=(slot(1),)) == Occupied(0, 1, ())
    assert count(session(1), slots=(slot(1),)) == Occupied(1, 0, (1,))
    assert count(session(1, b""), slots=(slot(1),)) == Occupied(1, 0, (1,)), "by its nonce"
    assert count(session(1), slots=(slot(2, b"a"),)) == Occupied(1, 0, (1,)), "the device redials"
    assert count(session(1, b""), slots=(slot(2, b""),)) == Occupied(1, 1, (1,)), "nothing tells"


def test_where_nothing_names_a_session_a_new_one_stands_for_one_login() -> None:
    """No Class and no Calling-Station-Id come back: login and session were two of one device."""
    old, new, newer = (replace(session(n, b""), nonce=b"") for n in (1, 2, 3))
    first, second = (replace(slot(n, b""), before=(1,)) for n in (11, 12))
    assert count(old, slots=(first,)) == Occupied(1, 1, (1,)), "not its own session yet"
    assert count(old, new, slots=(first,)) == Occupied(2, 0, (1, 2))
    assert count(old, new, slots=(first, second)) == Occupied(2, 1, (1, 2))
    assert count(old, new, newer, slots=(first, second)) == Occupied(3, 0, (1, 2, 3))
    told = replace(first, device=b"a")
    assert count(new, slots=(told,)) == Occupied(1, 0, (2,)), "told at the login alone"
    other = replace(new, device=b"b")
    assert count(other, slots=(told,)) == Occupied(1, 1, (2,)), "another device's"


def test_a_slot_of_this_device_or_one_that_ran_out_is_not_counted() -> None:
    assert count(slots=(slot(1, b"mine"), slot(2, until=NOW))) == Occupied(0, 0, ())


def test_a_session_that_ended_here_does_not_count() -> None:
    ended = (Ended(b"n1", "sid-1", NOW),)
    assert count(session(1), session(2, b"b"), ended=ended) == Occupied(1, 0, (2,))


devices = st.sampled_from([b"", b"a", b"b", b"c"])
sessions = st.lists(
    st.builds(
        lambda number, device, multi: session(number, device, multi=multi),
        st.integers(1, 9),
        devices,
        st.sampled_from(["", "", "x", "y"]),
    ),
    max_size=6,
    unique_by=lambda one: one.id,
)
slots = st.lists(st.builds(slot, st.integers(1, 9), devices), max_size=4)
nameless_sessions = st.lists(
    st.builds(
        lambda number, device: replace(session(number, device), nonce=b""),
        st.integers(1, 9),
        devices,
    ),
    max_size=4,
    unique_by=lambda one: one.id,
)


@given(sessions, slots, devices)
def test_an_end_frees_and_never_takes(
    some: list[LiveSession], reserved: list[Slot], device: bytes
) -> None:
    before = occupied(some, [], (), device, NOW)
    assert occupied(some, reserved, (), device, NOW).open == before.open
    for one in some:
        ended = (Ended(one.nonce, one.acct_session_id, NOW),)
        after = occupied(some, [], ended, device, NOW)
        assert one.id not in after.session_ids
        # The last link of this device's own bundle was what made the others its own.
        if not (device and one.device == device and one.multi_session):
            assert after.places <= before.places


@given(sessions, nameless_sessions, slots)
def test_a_login_takes_a_place_or_its_session_does(
    some: list[LiveSession], nameless: list[LiveSession], reserved: list[Slot]
) -> None:
    """And no session frees more than one place of a login."""
    without = occupied(some, reserved, (), b"", NOW).reserved
    both = [*some, *(replace(one, id=one.id + 100) for one in nameless)]
    found = occupied(both, reserved, (), b"", NOW).reserved
    named = {one.device for one in nameless} - {b""}
    known = sum(one.device in named for one in reserved)
    assert max(0, without - known - len(nameless)) <= found <= without


@given(sessions, slots)
def test_a_device_that_tells_itself_never_counts_more_than_one_that_does_not(
    some: list[LiveSession], reserved: list[Slot]
) -> None:
    unknown = occupied(some, reserved, (), b"", NOW)
    for device in (b"a", b"b", b"c"):
        assert occupied(some, reserved, (), device, NOW).places <= unknown.places
