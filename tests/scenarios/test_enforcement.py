"""What is decided is what the network does: from a command to the box, by whole processes."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, DISCONNECT_REQUEST
from tests.scenarios.boxes import box
from tests.serving import PASSWORD, SECRET, Turnpike, eventually, turnpike_process

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    with turnpike_process(RADIUS__REJECT_DELAY_S="0") as one:
        yield one


def online(house: Turnpike, username: str) -> bool:
    return bool(
        json.loads(house.command("session", "list", "--open", "--username", username, "--json"))
    )


def test_a_suspension_ends_the_session_at_once_and_a_resumption_lets_him_in_again(
    house: Turnpike,
) -> None:
    with box(house, "127.0.0.31") as bras:
        house.apply(
            {
                "tenant": "test-isp",
                "nas": [
                    {
                        "name": "bras-31",
                        "address": bras.host,
                        "secret": SECRET,
                        "vendor": "mikrotik",
                        "coa_port": bras.port,
                    }
                ],
                "plan": [{"code": "home", "download": "50M", "upload": "20M"}],
                "subscriber": [{"username": "alice", "password": PASSWORD, "plan": "home"}],
            }
        )
        assert bras.dial("alice", b"s-1").code == ACCESS_ACCEPT
        eventually(lambda: online(house, "alice"), 10)
        said = house.command("subscriber", "suspend", "alice")
        committed_at = time.monotonic()
        assert "1 session" in said
        eventually(lambda: bras.told(DISCONNECT_REQUEST), 10, lambda: house.log[-2000:])
        [(at, asked)] = bras.told(DISCONNECT_REQUEST)
        assert asked.first(44) == b"s-1"
        assert at - committed_at < 1.0
        assert bras.login("alice").code == ACCESS_REJECT
        eventually(lambda: not online(house, "alice"), 10)
        assert json.loads(house.command("enforcement", "list", "--json")) == []
        assert "resumed" in house.command("subscriber", "resume", "alice")
        house.settle()
        assert bras.dial("alice", b"s-2").code == ACCESS_ACCEPT
