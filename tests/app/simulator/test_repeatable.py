"""What a seed repeats, how the network's luck is drawn, and how the simulation's time goes."""

import random
from collections import Counter

import pytest

from app.simulator.faults import Faults, copies
from app.simulator.habits import Habits
from app.simulator.makes import MAKES
from app.simulator.nas import Nas
from app.simulator.pace import Pace
from app.simulator.personality import Box
from app.simulator.session import Subscriber
from core.clock import Clock
from tests.app.simulator.driving import NOW, SECRET, Driven, driven


def attributes_of(box: Driven, seed: int) -> list[bytes]:
    """What is asked for three subscribers who come and go for an hour, but for identifiers."""
    box.nas = Nas(box.nas.box, box.nas.personality, SECRET, seed=seed, habits=Habits(session_s=300))
    for name in ("alice", "bob", "carol"):
        box.nas.dial(Subscriber(name, "wonderland", method="pap", download_bps=10**7), box.now)
    for request in box.listen():
        box.answer(request, 2)
    for _ in range(60):
        for request in box.wait(60):
            box.answer(request, 2 if request.code == 1 else 5)
    return [one.octets[20:] for one in box.said]


@pytest.mark.parametrize("make", MAKES)
def test_a_seed_makes_the_same_packets_again_and_another_makes_others(make: str) -> None:
    first, second, other = (attributes_of(driven(MAKES[make]), seed) for seed in (1, 1, 2))
    assert len(first) > 30
    assert first == second
    assert first != other


def test_the_network_loses_doubles_and_delays_as_many_as_it_is_told() -> None:
    chance = random.Random(1)
    faults = Faults(loss=0.05, duplicates=0.1, reordered=0.2, reorder_s=1.0, jitter_s=0.01)
    fates = [copies(faults, chance) for _ in range(20_000)]
    lost = sum(not one for one in fates) / 20_000
    doubled = sum(len(one) == 2 for one in fates) / 20_000
    late = sum(bool(one) and one[0] >= 1.0 for one in fates) / 20_000
    assert (round(lost, 2), round(doubled, 2), round(late, 2)) == (0.05, 0.1, 0.19)


def test_a_network_without_faults_delivers_at_once() -> None:
    assert copies(Faults(), random.Random(1)) == (0.0,)


class SetClock(Clock):
    """A clock that goes when told to."""

    def __init__(self) -> None:
        self.at_s = 0.0

    def unix_s(self) -> float:
        return NOW + self.at_s

    def monotonic(self) -> float:
        return self.at_s


def test_a_simulation_that_begins_in_the_past_catches_up_and_then_keeps_pace() -> None:
    clock = SetClock()
    pace = Pace(clock, speed=100.0, behind_s=990.0)
    assert pace.now() == NOW - 990
    clock.at_s = 5.0
    assert pace.now() == NOW - 490
    clock.at_s = 20.0
    assert pace.now() == NOW + 20


def test_time_can_be_pushed_on() -> None:
    clock = SetClock()
    pace = Pace(clock, speed=10.0)
    pace.advance(300)
    clock.at_s = 2.0
    assert pace.now() == NOW + 320
    assert pace.wait_s(NOW + 420) == 10.0


def test_a_device_dials_again_after_a_disconnect_and_a_lamp_does_not() -> None:
    nas = Nas(Box("bng-1", "192.0.2.1"), MAKES["cisco"], SECRET)
    for redials in (True, False):
        box = driven(MAKES["cisco"])
        box.nas = nas
        session = box.online(subscriber=Subscriber("alice", "x", method="pap", redials=redials))
        nas.end(session, 6, box.now)
        box.listen()
        said = [one.code for one in box.wait(60)]
        assert said == ([1] if redials else [])


def test_a_box_may_tell_its_records_twice_and_they_say_the_same() -> None:
    box = driven(MAKES["huawei"])
    box.nas.faults = Faults(repeats=1.0, repeat_s=20.0)
    session = box.online()
    box.nas.end(session, 1, box.now)
    said = [*box.said, *box.wait(20)]
    records = Counter(one.octets[20:] for one in said if one.code == 4)
    assert list(records.values()) == [2, 2], "Start and Stop, each twice"
    assert len({one.octets[4:20] for one in said if one.code == 4}) == 4, "of packets of their own"
