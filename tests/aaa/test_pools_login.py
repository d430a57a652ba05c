"""Addresses of ours at a login: what the NAS is told, and what a Stop gives back."""

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import replace

from aaa import pools_blocks
from aaa.pools_login import Addresses
from aaa.pools_plan import DELEGATED_PREFIX, IPV4, IPV6_PREFIX
from aaa.pools_records import Block, PoolState
from aaa.pools_store import AddressStore
from aaa.records import Personal, ServerPool, SubscriberRecord
from aaa.session_ends import SessionEnds
from core.radius.packet import attribute, parse
from tests.aaa.world import HOME, PASSWORD, SINGLE, STARTED_AT, World
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, Answer, tlv

FRAMED_IP, FRAMED_IPV6_PREFIX, CLASS, DELEGATED = 8, 97, 25, 123
POOLS = (
    ServerPool(1, IPV4, "home"),
    ServerPool(2, DELEGATED_PREFIX, "pd"),
    ServerPool(3, IPV6_PREFIX, "lan"),
)
DUAL = replace(HOME, id=10, code="dual", pools=POOLS)
POOLED = replace(HOME, id=11, code="pooled", pools=POOLS[:1])
ONE = replace(SINGLE, id=12, code="one", pools=POOLS[:1])


@dataclass
class Pooled:
    """A worker of a node that has two of each."""

    world: World
    store: AddressStore
    ends: SessionEnds

    def login(self, name: str = "b", station: str = "station-a") -> Answer:
        return self.world.login(name, PASSWORD, tlv(31, station))

    def stop(self, answer: Answer) -> None:
        [ours] = [value for number, value in answer.attributes if number == CLASS]
        attributes = attribute(40, (2).to_bytes(4, "big")) + attribute(CLASS, ours)
        octets = b"\x04\x01" + (20 + len(attributes)).to_bytes(2, "big") + bytes(16) + attributes
        self.world.access.refresh()
        self.ends.saw(parse(octets))
        self.world.access.end_turn()

    def free(self, pool_id: int = 1) -> int:
        return self.store.counts()[pool_id].free


def value(answer: Answer, wanted: int) -> bytes | None:
    return next((value for number, value in answer.attributes if number == wanted), None)


@pytest.fixture
def pooled(tmp_path: Path) -> Iterator[Pooled]:
    world = World(tmp_path)
    world.writer.put_tables({}, {one.id: one for one in (DUAL, POOLED, ONE)})
    addresses = Addresses(tmp_path / "addresses")
    store = addresses._opened()
    for pool_id, name, network, length in (
        (1, "home", "10.0.0.0/31", 32),
        (2, "pd", "2001:db8:100::/55", 56),
        (3, "lan", "2001:db8:200::/63", 64),
    ):
        state = PoolState(name, length, 3600, STARTED_AT + 3600)
        pools_blocks.set_pool(store, pool_id, state)
        pools_blocks.add(store, pool_id, Block(pool_id, network), length)
    world.access._addresses = addresses
    yield Pooled(world, store, SessionEnds(world.directory, world.live, world.clock, addresses))
    world.decision_log.close()
    addresses.close()


def test_a_login_gets_one_of_each_as_the_rfcs_say_it(pooled: Pooled) -> None:
    pooled.world.add("b", SubscriberRecord(0, DUAL.id, b"", 0), number=2)
    answer = pooled.login()
    assert answer.code == ACCESS_ACCEPT
    assert value(answer, FRAMED_IP) == bytes((10, 0, 0, 0))
    prefix = ip_network("2001:db8:100::/56").network_address.packed
    assert value(answer, DELEGATED) == bytes((0, 56)) + prefix
    lan = ip_network("2001:db8:200::/64").network_address.packed
    assert value(answer, FRAMED_IPV6_PREFIX) == bytes((0, 64)) + lan
    again = pooled.login()
    assert value(again, FRAMED_IP) == value(answer, FRAMED_IP)
    assert pooled.free() == 1


def test_a_plan_without_a_pool_of_ours_gets_nothing_of_it(pooled: Pooled) -> None:
    assert value(pooled.login("nemo"), FRAMED_IP) is None
    assert pooled.free() == 2


def test_who_has_an_address_of_his_own_gets_none_of_the_pool(pooled: Pooled) -> None:
    own = Personal("203.0.113.9", None, None, b"")
    pooled.world.add("b", SubscriberRecord(0, DUAL.id, b"", 0, personal=own), number=2)
    answer = pooled.login()
    assert value(answer, FRAMED_IP) == bytes((203, 0, 113, 9))
    assert value(answer, DELEGATED) is not None
    assert pooled.free() == 2


def test_an_empty_pool_is_a_reject_that_says_so(pooled: Pooled) -> None:
    pooled.world.add("b", SubscriberRecord(0, POOLED.id, b"", 0), number=2)
    answers = [pooled.login(station=f"station-{number}") for number in range(3)]
    assert [answer.code for answer in answers] == [ACCESS_ACCEPT, ACCESS_ACCEPT, ACCESS_REJECT]
    said = pooled.world.decisions()[-1]
    assert said.reason == "pool-empty"
    rule, looked_at, result = said.trace[-1]
    assert (rule, result) == ("address", "pool-empty")
    assert "pool home" in looked_at


def test_a_stop_gives_the_address_back_and_who_had_it_gets_it_again(pooled: Pooled) -> None:
    pooled.world.add("b", SubscriberRecord(0, POOLED.id, b"", 0), number=2)
    first = pooled.login()
    pooled.stop(first)
    assert pooled.free() == 2
    assert value(pooled.login(station="another"), FRAMED_IP) == value(first, FRAMED_IP)


def test_who_is_refused_for_want_of_a_place_keeps_no_address(pooled: Pooled) -> None:
    pooled.world.add("b", SubscriberRecord(0, ONE.id, b"", 0), number=2)
    real = pooled.world.live.reserve

    def lost(*arguments: object, **more: object) -> bool:
        return False

    pooled.world.live.reserve = lost  # type: ignore[method-assign]
    assert pooled.login().code == ACCESS_REJECT
    assert pooled.free() == 2
    pooled.world.live.reserve = real  # type: ignore[method-assign]
    assert pooled.login().code == ACCESS_ACCEPT
    assert pooled.free() == 1
