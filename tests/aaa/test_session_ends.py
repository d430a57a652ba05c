"""A Stop with our Class frees the place of its session at once, whatever the database does."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from aaa.device import device_of
from aaa.places import LiveSession
from aaa.records import SubscriberRecord
from aaa.session_ends import SessionEnds
from core.radius.packet import attribute, parse
from tests.aaa.world import PASSWORD, SINGLE, STARTED_AT, World
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, tlv

STOP, INTERIM = 2, 3
NUMBER = 2
NONCE = "00000000000000aa"
RUNNING = LiveSession(
    481, NONCE.encode(), "81200001", device_of(1, b"station-a"), "", int(STARTED_AT)
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.decision_log.close()


@pytest.fixture
def ends(world: World) -> SessionEnds:
    return SessionEnds(world.directory, world.live, world.clock)


def see(
    world: World,
    ends: SessionEnds,
    status: int,
    *classes: bytes,
    sid: str = "81200001",
) -> None:
    parts = [attribute(40, status.to_bytes(4, "big")), attribute(44, sid.encode())]
    attributes = b"".join([*parts, *(attribute(25, one) for one in classes)])
    octets = b"\x04\x01" + (20 + len(attributes)).to_bytes(2, "big") + bytes(16) + attributes
    packet = parse(octets)
    if world.access.refresh():
        world.responder.clients = world.access.nases.clients
    ends.saw(packet)
    world.access.end_turn()


def ours(nonce: str = NONCE, number: int = NUMBER) -> bytes:
    return b"ai:%016x" % number + nonce.encode()


def code(world: World, station: str = "station-b") -> int:
    return world.login("b", PASSWORD, tlv(31, station)).code


def with_session(world: World, **changes: object) -> None:
    one = replace(RUNNING, **changes)
    world.add("b", SubscriberRecord(0, SINGLE.id, b"", 0, sessions=(one,)), number=NUMBER)


def test_the_session_in_the_directory_does_not_count_any_more(
    world: World, ends: SessionEnds
) -> None:
    with_session(world)
    assert code(world) == ACCESS_REJECT
    see(world, ends, STOP, b"another server's", ours())
    assert code(world) == ACCESS_ACCEPT


def test_the_slot_of_a_session_that_was_over_at_once_is_free(
    world: World, ends: SessionEnds
) -> None:
    world.add("b", SubscriberRecord(0, SINGLE.id, b"", 0), number=NUMBER)
    answer = world.login("b", PASSWORD, tlv(31, "station-a"))
    assert code(world) == ACCESS_REJECT
    see(world, ends, STOP, answer.all(25)[0])
    assert code(world) == ACCESS_ACCEPT


@pytest.mark.parametrize(
    ("status", "classes", "sid"),
    [
        pytest.param(INTERIM, (ours(),), "81200001", id="an Interim"),
        pytest.param(STOP, (), "81200001", id="no Class"),
        pytest.param(STOP, (b"another server's",), "81200001", id="not our Class"),
        pytest.param(STOP, (ours("00000000000000ab"),), "81200001", id="another login"),
        pytest.param(STOP, (ours(number=3),), "81200001", id="another subscriber"),
        pytest.param(STOP, (ours(),), "81200002", id="another session of the login"),
    ],
)
def test_what_is_no_end_of_the_session_frees_nothing(
    world: World, ends: SessionEnds, status: int, classes: tuple[bytes, ...], sid: str
) -> None:
    with_session(world)
    see(world, ends, status, *classes, sid=sid)
    assert code(world) == ACCESS_REJECT
