import pytest

from aaa.zones import (
    ORDINARY,
    Zone,
    clock,
    minute_of,
    overlap,
    restored,
    stored,
    weight_at,
    weight_of,
    zone_of,
)

NIGHT = Zone(22 * 60, 6 * 60, 0)
NOON = Zone(12 * 60, 13 * 60 + 15, 250)


def test_a_zone_ends_before_its_last_minute_and_may_cross_midnight() -> None:
    def at(written: str) -> int:
        return weight_at((NIGHT, NOON), minute_of(written))

    assert [at(t) for t in ("21:45", "22:00", "00:00", "05:45", "06:00")] == [100, 0, 0, 0, 100]
    assert [at(t) for t in ("12:00", "13:00", "13:15")] == [250, 250, 100]
    assert weight_at((), 0) == ORDINARY


def test_midnight_is_either_end_of_the_day() -> None:
    for last in (0, 24 * 60):
        evening = zone_of(18 * 60, last, 50)
        assert weight_at((evening,), 23 * 60 + 45) == 50
        assert weight_at((evening,), 0) == ORDINARY
    whole = zone_of(0, 24 * 60, 50)
    assert {weight_at((whole,), minute) for minute in range(0, 24 * 60, 15)} == {50}


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        pytest.param("06:10", 'write "06:00" or "06:15"', id="no quarter of an hour"),
        pytest.param("25:00", '"00:00" to "24:00"', id="no hour"),
        pytest.param("10:75", '"00:00" to "24:00"', id="no minute"),
        pytest.param("6:00", "22:30", id="one digit"),
        pytest.param(6, "22:30", id="a number"),
    ],
)
def test_what_is_no_boundary_is_refused_with_a_remedy(written: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        minute_of(written)


def test_a_zone_without_length_is_refused() -> None:
    for minute in (0, 360):
        with pytest.raises(ValueError, match="without length"):
            zone_of(minute, minute, 0)
    with pytest.raises(ValueError, match="without length"):
        zone_of(24 * 60, 0, 0)


@pytest.mark.parametrize(
    ("written", "hundredths"), [(0, 0), (0.5, 50), (1, 100), (0.07, 7), (10, 1000)]
)
def test_weights_are_whole_hundredths(written: float, hundredths: int) -> None:
    assert weight_of(written) == hundredths


@pytest.mark.parametrize(
    "written", [-1, 10.01, 0.125, "0.5", True, None, float("nan"), float("inf")]
)
def test_what_is_no_weight_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="weight"):
        weight_of(written)


def test_zones_that_share_a_minute_are_found() -> None:
    assert overlap((NIGHT, NOON)) is None
    assert overlap((NIGHT, Zone(6 * 60, 12 * 60, 0), NOON)) is None
    assert overlap((NIGHT, Zone(5 * 60, 7 * 60, 0))) == 5 * 60
    assert overlap((NOON, Zone(0, 24 * 60, 0))) == 12 * 60


def test_zones_come_back_from_the_database_as_they_were() -> None:
    assert restored(stored((NIGHT, NOON))) == (NIGHT, NOON)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        [1],
        [{"from": "00:00", "to": "06:00"}],
        [{"from": "00:00", "to": "06:10", "weight_hundredths": 0}],
        [{"from": "00:00", "to": "06:00", "weight_hundredths": -1}],
    ],
)
def test_what_is_no_zone_in_the_database_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it is that is wrong
        restored(wrong)


def test_a_zone_is_shown_in_the_words_of_the_manifest() -> None:
    assert str(NIGHT) == "22:00-06:00 x0"
    assert str(NOON) == "12:00-13:15 x2.5"
    assert clock(24 * 60) == "24:00"
