"""One session is one session, however many workers are asked at the same moment (P13)."""

import time
from collections.abc import Iterator

import pytest

from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, pap_request
from tests.scenarios.flows import Flows, flows, login, station
from tests.serving import PASSWORD, SECRET, Turnpike, turnpike_process

PARALLEL = 50
RESERVATION_S = 5
KEY = SECRET.encode()

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    manifest = {
        "tenant": "test-isp",
        "nas": [{"name": "local", "address": "127.0.0.1", "secret": SECRET}],
        "plan": [
            {"code": "one", "session_limit": 1},
            {"code": "three", "session_limit": 3},
            {"code": "kick", "session_limit": 1, "at_limit": "kick_oldest"},
        ],
        "subscriber": [
            {"username": f"{plan}-{number}", "password": PASSWORD, "plan": plan}
            for plan in ("one", "three", "kick")
            for number in range(10)
        ],
    }
    with turnpike_process(
        manifest, RADIUS__REJECT_DELAY_S="0", POLICY__RESERVATION_S=str(RESERVATION_S)
    ) as one:
        yield one


def race(many: Flows, username: str, identifier: int) -> list[int | None]:
    """Fifty devices log in at once, each from a port of its own."""
    requests = [
        pap_request(
            username,
            PASSWORD,
            station(f"02:00:00:00:00:{number:02x}"),
            secret=KEY,
            identifier=identifier,
        )
        for number in range(PARALLEL)
    ]
    for nas, request in zip(many.sockets, requests, strict=True):
        nas.send(request)
    return [reply[0] if (reply := nas.receive()) is not None else None for nas in many.sockets]


@pytest.mark.parametrize(("plan", "limit"), [("one", 1), ("three", 3), ("kick", PARALLEL)])
def test_of_fifty_parallel_logins_exactly_the_limit_is_let_in(
    house: Turnpike, plan: str, limit: int
) -> None:
    with flows(house, ports=PARALLEL) as many:
        for number in range(10):
            codes = race(many, f"{plan}-{number}", number)
            assert codes.count(ACCESS_ACCEPT) == limit
            assert codes.count(ACCESS_REJECT) == PARALLEL - limit


def test_a_modem_that_redials_is_not_refused_because_of_itself(house: Turnpike) -> None:
    time.sleep(RESERVATION_S)
    for _ in range(5):
        assert login(house, "one-0", PASSWORD, station("02-00-00-00-00-AA")) == ACCESS_ACCEPT
    assert login(house, "one-0", PASSWORD, station("02-00-00-00-00-BB")) == ACCESS_REJECT


def test_a_login_that_never_became_a_session_frees_its_place(house: Turnpike) -> None:
    assert login(house, "one-1", PASSWORD, station("a")) == ACCESS_ACCEPT
    reserved_at = time.monotonic()
    while login(house, "one-1", PASSWORD, station("b")) == ACCESS_REJECT:
        assert time.monotonic() - reserved_at < RESERVATION_S + 1.0
        time.sleep(0.1)
    assert time.monotonic() - reserved_at > RESERVATION_S - 1.0
