"""Whose secret is it?  By source address, and behind one address by NAS-Identifier."""

from ipaddress import ip_network

import pytest

from core.radius.authenticity import SharedSecret
from core.radius.clients import HOSTS_FOUND_MAX, Boxes, Client, Clients
from core.radius.counters import Counters
from core.radius.packet import Packet, parse
from tests.asking import access_request, tlv

NAMES = (
    ("host", "192.0.2.1/32", b""),
    ("wide", "192.0.0.0/16", b""),
    ("narrow", "192.0.2.0/24", b""),
    ("wide6", "2001:db8::/32", b""),
    ("narrow6", "2001:db8:1::/48", b""),
    ("host6", "2001:db8:1::7/128", b""),
    ("left", "198.51.100.1/32", b"left"),
    ("right", "198.51.100.1/32", b"right"),
    ("named", "203.0.113.1/32", b"named"),
    ("unnamed", "203.0.113.1/32", b""),
)


def client(name: str) -> Client:
    return Client(1, name, SharedSecret(b"s"), True, Counters())


CLIENTS = Clients(
    [(ip_network(network), identifier, client(name)) for name, network, identifier in NAMES]
)


def asking(identifier: bytes | None) -> Packet:
    return parse(access_request(b"" if identifier is None else tlv(32, identifier), secret=b"s"))


def sender(boxes: Boxes | None, identifier: bytes | None = None) -> str | None:
    if boxes is None:
        return None
    found = boxes.sender(asking(identifier))
    return None if found is None else found.name


@pytest.mark.parametrize(
    ("host", "name"),
    [
        pytest.param("192.0.2.1", "host", id="an address before its networks"),
        pytest.param("192.0.2.2", "narrow", id="the narrower network before the wider"),
        pytest.param("192.0.2.255", "narrow", id="the last address of a network"),
        pytest.param("192.0.3.0", "wide", id="the first address after it"),
        pytest.param("192.1.0.0", None, id="outside of all"),
        pytest.param("2001:db8:1::7", "host6", id="IPv6 address"),
        pytest.param("2001:db8:1::8", "narrow6", id="IPv6 network"),
        pytest.param("2001:db8:2::1", "wide6", id="wider IPv6 network"),
        pytest.param("2001:db9::1", None, id="IPv6 outside of all"),
    ],
)
def test_the_longest_prefix_knows_best(host: str, name: str | None) -> None:
    assert sender(CLIENTS.at(host)) == name


@pytest.mark.parametrize(
    ("host", "identifier", "name"),
    [
        ("198.51.100.1", b"left", "left"),
        ("198.51.100.1", b"right", "right"),
        ("198.51.100.1", b"third", None),
        ("198.51.100.1", b"lef", None),
        ("198.51.100.1", b"left\0", None),
        ("198.51.100.1", None, None),
        ("203.0.113.1", b"named", "named"),
        ("203.0.113.1", b"other", "unnamed"),
        ("203.0.113.1", None, "unnamed"),
        ("192.0.2.1", b"anything", "host"),
    ],
)
def test_boxes_behind_one_address_are_told_apart_by_name(
    host: str, identifier: bytes | None, name: str | None
) -> None:
    assert sender(CLIENTS.at(host), identifier) == name


def test_a_box_alone_at_its_address_is_known_before_its_packet_is_read() -> None:
    def only(host: str, *names: str) -> Client | None:
        network = ip_network(host)
        boxes = Clients((network, name.encode(), client(name)) for name in names).at(host)
        assert boxes is not None
        return boxes.only

    unnamed, named = only("192.0.2.1", ""), only("192.0.2.1", "named")
    assert unnamed is not None
    assert unnamed.name == ""
    assert named is not None
    assert named.name == "named"
    assert only("192.0.2.1", "left", "right") is None
    assert only("192.0.2.1", "left", "") is None


def test_nobody_is_known_to_an_empty_table() -> None:
    assert Clients().at("192.0.2.1") is None


def test_more_hosts_than_are_remembered_are_found_all_the_same() -> None:
    clients = Clients([(ip_network("10.0.0.0/8"), b"", client("wide"))])
    for _ in range(2):
        for number in range(HOSTS_FOUND_MAX + 100):
            assert sender(clients.at(f"10.0.{number >> 8}.{number & 255}")) == "wide"
    assert clients.at("11.0.0.1") is None
