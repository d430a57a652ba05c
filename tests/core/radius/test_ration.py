"""Laws of who is served while more comes than can be served (fault P15)."""

from collections import Counter
from collections.abc import Mapping, Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from core.radius.ration import DATAGRAM_EXTRA_OCTETS, PATIENCE_S, Ration
from core.radius.responder import Source

LENGTH = 100
EACH = LENGTH + DATAGRAM_EXTRA_OCTETS  # what room one takes

hosts = st.sampled_from([f"192.0.2.{n}" for n in range(1, 9)])
demands = st.dictionaries(hosts, st.integers(1, 60), min_size=1)


def source(host: str) -> Source:
    return (host, 1024, b"")


def asked(demand: Mapping[str, int], tag: int = 0) -> list[tuple[bytes, Source]]:
    """That many datagrams of each; they can be told apart."""
    return [
        (f"{tag} {host} {n}".encode().ljust(LENGTH), source(host))
        for host, count in demand.items()
        for n in range(count)
    ]


def ration(room: int = 10_000) -> Ration:
    """One with room for so many."""
    return Ration(lambda host: host.startswith("192.0.2."), room_octets=room * EACH)


def by_host(portion: Sequence[tuple[bytes, Source]]) -> Counter[str]:
    return Counter(each[0] for _, each in portion)


def fair(demand: Mapping[str, int], capacity: float) -> dict[str, float]:
    """Max-min fair shares, by the book: who wants least is satisfied first."""
    shares, left = {}, capacity
    for index, (host, wanted) in enumerate(sorted(demand.items(), key=lambda each: each[1])):
        shares[host] = min(float(wanted), left / (len(demand) - index))
        left -= shares[host]
    return shares


@given(demands, st.integers(1, 40))
def test_as_much_is_served_as_can_be_and_nothing_gets_lost_while_there_is_room(
    demand: dict[str, int], capacity: int
) -> None:
    one = ration()
    everything = asked(demand)
    assert one.take(everything, 0.0) == []
    served: list[tuple[bytes, Source]] = []
    while one:
        portion = one.portion(capacity, 0.0)
        assert len(portion) == min(capacity, len(everything) - len(served))
        served += portion
    assert sorted(served) == sorted(everything)
    assert one.shed() == {}
    for host in demand:  # first come, first served, at each host
        assert [each for each in served if each[1][0] == host] == [
            each for each in everything if each[1][0] == host
        ]


@given(demands, st.integers(8, 60))
@settings(max_examples=40)
def test_each_is_served_its_max_min_fair_share_whoever_asks_for_how_much(
    demand: dict[str, int], capacity: int
) -> None:
    """Of a demand that goes on for long, at a capacity that nobody has told."""
    rounds = 40
    one = ration(room=4 * (40 * len(demand) + capacity))
    served: Counter[str] = Counter()
    total = 0
    for now in range(rounds):
        one.take(asked(demand, now), float(now))
        portion = one.portion(capacity, float(now))
        total += len(portion)
        served.update(by_host(portion))
    shed = one.shed()
    wanted = sum(demand.values())
    if wanted >= capacity:
        assert total == rounds * capacity
    for host, share in fair(demand, capacity).items():
        # What is left at the end may be waiting still; a turn may not have been whole.
        slack = 320 + 2 * rounds / len(demand)
        assert abs(served[host] - rounds * share) <= slack
        if demand[host] <= capacity // len(demand):
            assert host not in shed, "it asked for less than its share"


@given(demands, st.integers(1, 60), st.integers(1, 60))
def test_nothing_is_counted_twice_or_lost_from_the_count(
    demand: dict[str, int], room: int, capacity: int
) -> None:
    one = ration(room)
    served: Counter[str] = Counter()
    for now in range(5):
        one.take(asked(demand, now), float(now))
        assert len(one) <= room
        served.update(by_host(one.portion(capacity, float(now))))
    while one:
        served.update(by_host(one.portion(capacity, 4.0)))
    shed = one.shed()
    for host, count in demand.items():
        assert served[host] + shed.get(host, 0) == 5 * count


def test_a_flood_costs_the_flooder_alone_and_its_oldest_first() -> None:
    one = ration(room=400)
    one.take(asked({"192.0.2.1": 10, "192.0.2.2": 1_000, "192.0.2.3": 20}), 0.0)
    assert set(one.shed()) == {"192.0.2.2"}
    served = one.portion(1_000, 0.0)
    assert by_host(served)["192.0.2.1"] == 10
    assert by_host(served)["192.0.2.3"] == 20
    assert by_host(served)["192.0.2.2"] >= 50, "it may have what the others leave"
    assert served[-1][0].split() == [b"0", b"192.0.2.2", b"999"]


def test_a_storm_that_goes_on_is_refused_on_arrival_and_a_quiet_host_is_not() -> None:
    one = ration(room=400)
    one.take(asked({"192.0.2.1": 1_000}), 0.0)
    for now in range(50):
        one.take(asked({"192.0.2.1": 200, "192.0.2.2": 10}, now), now / 100)
        assert len(one) <= 120, "what waits stays short"
        assert by_host(one.portion(20, now / 100))["192.0.2.2"] == 10
    assert set(one.shed()) == {"192.0.2.1"}


def test_the_storm_is_forgotten_as_soon_as_it_is_over() -> None:
    one = ration(room=1_000)
    for now in range(10):
        one.take(asked({"192.0.2.1": 5_000}, now), now / 10)
        one.portion(10, now / 10)
    after = 1.0 + PATIENCE_S
    one.shed()
    one.take(asked({"192.0.2.1": 10, "192.0.2.2": 10}, 99), after)
    assert by_host(one.portion(20, after)) == {"192.0.2.1": 10, "192.0.2.2": 10}
    assert not one
    one.take(asked({"192.0.2.1": 900}, 100), after)
    assert len(one.portion(900, after)) == 900, "and it may ask for all again"


def test_what_waited_too_long_is_dropped_because_its_nas_has_asked_again() -> None:
    one = ration()
    one.take(asked({"192.0.2.1": 3}), 0.0)
    one.take(asked({"192.0.2.1": 2}, 1), 1.0)
    assert len(one.portion(10, 1.0 + PATIENCE_S)) == 2
    assert one.shed() == {"192.0.2.1": 3}


def test_strangers_are_handed_back_and_get_no_queue() -> None:
    one = ration()
    unknown = (b"?", source("203.0.113.1"))
    assert one.take([unknown, *asked({"192.0.2.1": 1}), unknown], 0.0) == [unknown, unknown]
    assert len(one) == 1


def test_more_hosts_than_there_is_room_for_take_no_more_room() -> None:
    """Within a known network anybody may pretend to be many."""
    one = Ration(lambda host: True, room_octets=100 * EACH)
    for now in range(20):
        one.take(asked({f"10.0.{now}.{n}": 1 for n in range(200)}, now), 0.0)
        assert len(one) <= 100
    assert len(one.portion(1_000, 0.0)) > 20
    assert not one
