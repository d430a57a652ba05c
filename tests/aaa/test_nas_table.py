"""The directory's NASes as the protocol's clients: found, renewed, and counted through changes."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from aaa.directory import Directory, DirectoryWriter
from aaa.nas_table import NasTable
from aaa.records import NasRecord
from core.octets import to_text
from core.radius.clients import Client
from core.radius.packet import attribute, parse
from core.radius.types import NAS_IDENTIFIER
from core.secret import Secret, Vault
from nas_adapters.secrets import seal_secret
from tests.aaa.replica import environment_at

VAULT = Vault(bytes(32), lambda count: b"\x01" * count)


class World:
    """A directory, and a table that a worker keeps of it."""

    def __init__(self, path: Path) -> None:
        self.environment = environment_at(path)
        self.writer = DirectoryWriter(self.environment)
        self.directory = Directory(self.environment)
        self.table = NasTable(VAULT)

    def put(self, **nases: NasRecord | None) -> None:
        """Change NASes by id (n1, n2, ...) and reload."""
        self.writer.put_tables({int(key[1:]): record for key, record in nases.items()}, {})
        self.directory.begin_turn()
        self.table.reload(self.directory)
        self.directory.end_turn()

    def at(self, host: str) -> Client | None:
        boxes = self.table.clients.at(host)
        return None if boxes is None else boxes.anyone


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path / "directory")
    yield one
    one.environment.close()


def nas(number: int, network: str, *, secret: bytes = b"s3cret", identifier: str = "") -> NasRecord:
    name = f"bras-{number}"
    sealed = seal_secret(VAULT, 1, number, Secret(secret))
    return NasRecord(number, 1, name, network, identifier, sealed, "generic", True)


def test_a_nas_is_found_by_its_address_and_a_narrower_network_knows_better(world: World) -> None:
    world.put(
        n1=nas(1, "192.0.2.1/32"),
        n2=nas(2, "192.0.2.0/24"),
        n3=nas(3, "192.0.0.0/16"),
        n4=nas(4, "2001:db8::/32"),
        n5=nas(5, "2001:db8::1/128"),
    )
    found = {
        host: client.name if client else None
        for host in (
            "192.0.2.1",
            "192.0.2.7",
            "192.0.9.9",
            "2001:db8::1",
            "2001:db8::2",
            "10.0.0.1",
        )
        for client in [world.at(host)]
    }
    assert found == {
        "192.0.2.1": "bras-1",
        "192.0.2.7": "bras-2",
        "192.0.9.9": "bras-3",
        "2001:db8::1": "bras-5",
        "2001:db8::2": "bras-4",
        "10.0.0.1": None,
    }


def test_boxes_behind_one_address_are_told_apart_by_what_they_report(world: World) -> None:
    odd = b"olt\x00\xff"
    world.put(
        n1=nas(1, "192.0.2.1/32", identifier="olt-1"),
        n2=nas(2, "192.0.2.1/32", identifier=to_text(odd)),
        n3=nas(3, "192.0.2.1/32"),
    )
    boxes = world.table.clients.at("192.0.2.1")
    assert boxes is not None
    for identifier, name in ((b"olt-1", "bras-1"), (odd, "bras-2"), (b"other", "bras-3")):
        attributes = attribute(NAS_IDENTIFIER, identifier)
        octets = bytes((1, 1)) + (20 + len(attributes)).to_bytes(2, "big") + bytes(16) + attributes
        packet = parse(octets)
        client = boxes.sender(packet)
        assert client is not None
        assert client.name == name


def test_counters_go_on_through_a_change_of_the_secret(world: World) -> None:
    world.put(n1=nas(1, "192.0.2.1/32"))
    before = world.at("192.0.2.1")
    assert before is not None
    before.counters.requests += 5
    world.put(n1=nas(1, "192.0.2.1/32", secret=b"another"))
    after = world.at("192.0.2.1")
    assert after is not None
    assert (after.secret.octets, after.counters.requests) == (b"another", 5)
    assert [known.auth.counters.requests for known in world.table.entries()] == [5]


def test_one_that_did_not_change_stays_the_same_object(world: World) -> None:
    world.put(n1=nas(1, "192.0.2.1/32"), n2=nas(2, "192.0.2.2/32"))
    before = world.at("192.0.2.1")
    world.put(n2=None)
    assert world.at("192.0.2.1") is before
    assert world.at("192.0.2.2") is None
    assert world.table.record(2) is None
    assert len(world.table) == 1


def test_a_secret_that_cannot_be_opened_shuts_out_that_nas_alone(world: World) -> None:
    """As after a restore of the database without its key, or a row that was swapped."""
    other = nas(2, "192.0.2.2/32")
    swapped = msgspec.structs.replace(nas(1, "192.0.2.1/32"), secret_sealed=other.secret_sealed)
    world.put(n1=swapped, n2=other)
    assert world.at("192.0.2.1") is None
    assert world.at("192.0.2.2") is not None
