"""An address of ours from the file that describes its pool to the NAS that is told, and back."""

import json
import signal
from collections.abc import Iterator
from ipaddress import IPv4Address

import pytest

from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    ACCOUNTING_RESPONSE,
    Answer,
    Nas,
    accounting_request,
    pap_request,
    read,
    tlv,
)
from tests.serving import PASSWORD, SECRET, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]

KEY = SECRET.encode()
NAMES = ("alice", "bob", "carol", "dave")
MANIFEST = {
    "tenant": "test-isp",
    "nas": [{"name": "local", "address": "127.0.0.1", "secret": SECRET}],
    "pool": [
        {
            "name": "home",
            "kind": "ipv4",
            "networks": ["100.64.0.0/30"],
            "exclude": ["100.64.0.0"],
        }
    ],
    "plan": [{"code": "home", "ipv4_pool": "home"}],
    "subscriber": [{"username": name, "password": PASSWORD, "plan": "home"} for name in NAMES],
}


@pytest.fixture
def turnpike() -> Iterator[Turnpike]:
    with turnpike_process(MANIFEST, RADIUS__REJECT_DELAY_S="0.1") as one:
        yield one


def login(turnpike: Turnpike, name: str) -> Answer:
    with Nas(turnpike.auth) as nas:
        request = pap_request(name, PASSWORD, tlv(31, f"station of {name}"), secret=KEY)
        return nas.answer(request, KEY)


def address(answer: Answer) -> str:
    assert answer.code == ACCESS_ACCEPT
    return str(IPv4Address(answer.all(8)[0]))


def report(turnpike: Turnpike, status: int, name: str, accept: Answer) -> None:
    parts = (
        *(tlv(40, status), tlv(44, f"sid-{name}"), tlv(1, name), tlv(31, f"station of {name}")),
        *(tlv(8, accept.all(8)[0]), tlv(25, accept.all(25)[0])),
    )
    octets = accounting_request(b"".join(parts), secret=KEY)
    with Nas(turnpike.acct) as nas:
        reply = nas.ask(octets)
        assert reply is not None
        assert read(reply, octets, KEY, signed=False).code == ACCOUNTING_RESPONSE


def pool(turnpike: Turnpike) -> dict[str, object]:
    [found] = json.loads(turnpike.command("pool", "list", "--json"))
    assert isinstance(found, dict)
    return found


def test_an_address_is_given_told_kept_and_given_back(turnpike: Turnpike) -> None:
    eventually(lambda: login(turnpike, "alice").code == ACCESS_ACCEPT, 10.0)
    accepts = {name: login(turnpike, name) for name in NAMES[:3]}
    had = {name: address(accept) for name, accept in accepts.items()}
    assert sorted(had.values()) == ["100.64.0.1", "100.64.0.2", "100.64.0.3"]
    assert login(turnpike, "dave").code == ACCESS_REJECT
    decision = json.loads(turnpike.command("explain", "alice", "--json"))
    assert {"attribute": "Framed-IP-Address", "value": "out of pool home"} in decision["attributes"]
    for name, accept in accepts.items():
        report(turnpike, 1, name, accept)
    eventually(lambda: pool(turnpike)["leased"] == 3, 20.0)
    shown = json.loads(turnpike.command("pool", "show", "home", "--json"))
    assert {one["username"]: one["address"] for one in shown["leases"]} == {
        name: f"{one}/32" for name, one in had.items()
    }
    eventually(lambda: _refusal(turnpike) == "pool-empty", 20.0)
    # Whatever dies, the addresses of sessions stay theirs.
    turnpike.stop(signal.SIGKILL)
    turnpike.start()
    assert login(turnpike, "dave").code == ACCESS_REJECT
    assert address(login(turnpike, "bob")) == had["bob"]
    report(turnpike, 2, "alice", accepts["alice"])
    assert address(login(turnpike, "dave")) == had["alice"]
    turnpike.stop()
    turnpike.start()
    assert address(login(turnpike, "dave")) == had["alice"]


def _refusal(turnpike: Turnpike) -> object:
    listed = json.loads(turnpike.command("decision", "list", "--json"))
    return next((one["reason"] for one in listed if one["username"] == "dave"), None)
