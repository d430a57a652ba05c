"""Whoever guesses passwords is slowed down; whoever has one gets in (P6)."""

import json
import time
from collections.abc import Iterator

import pytest

from aaa.throttle import STATION_FACTOR
from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, Nas, pap_request
from tests.scenarios.flows import is_let_in, login, station
from tests.serving import PASSWORD, SECRET, Turnpike, eventually, turnpike_process

GUESSES_MAX, LOCK_S = 5, 2
KEY = SECRET.encode()

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    manifest = {
        "tenant": "test-isp",
        "nas": [
            {"name": f"bras-{host}", "address": f"127.0.0.{host}", "secret": SECRET}
            for host in (1, 2)
        ],
        "plan": [{"code": "home"}],
        "subscriber": [
            {"username": name, "password": PASSWORD, "plan": "home"} for name in ("alice", "bob")
        ],
    }
    with turnpike_process(
        manifest,
        RADIUS__REJECT_DELAY_S="0",
        POLICY__GUESSES_MAX=str(GUESSES_MAX),
        POLICY__GUESS_LOCK_S=str(LOCK_S),
    ) as one:
        yield one


class Box:
    """A NAS that asks from one port, as they do; so one worker hears all of it."""

    def __init__(self, nas: Nas) -> None:
        self._nas = nas
        self._identifier = 0

    def login(self, password: str, *more: bytes, username: str = "alice") -> int:
        self._identifier = (self._identifier + 1) % 256
        request = pap_request(username, password, *more, secret=KEY, identifier=self._identifier)
        return self._nas.answer(request, KEY).code


@pytest.fixture
def box(house: Turnpike) -> Iterator[Box]:
    with Nas(house.auth) as nas:
        yield Box(nas)


def reasons(house: Turnpike, stationed: str) -> list[str]:
    told = json.loads(house.command("decision", "list", "--json", "--limit", "1000"))
    return [str(each["reason"]) for each in reversed(told) if each["calling_station"] == stationed]


def test_a_guesser_is_refused_even_the_right_password_and_the_lock_ends(
    house: Turnpike, box: Box
) -> None:
    guesser = station("guesser")
    for number in range(GUESSES_MAX):
        assert box.login(f"guess-{number}", guesser) == ACCESS_REJECT
    locked_at = time.monotonic()
    assert box.login(PASSWORD, guesser) == ACCESS_REJECT
    # The real user, who sits elsewhere, notices nothing.
    assert box.login(PASSWORD, station("home")) == ACCESS_ACCEPT
    assert login(house, "alice", PASSWORD, station("guesser"), host="127.0.0.2") == ACCESS_ACCEPT
    # Going on does not make it longer: a machine that shares the station gets in.
    while time.monotonic() - locked_at < LOCK_S - 0.3:
        assert box.login("guess", guesser) == ACCESS_REJECT
        time.sleep(0.05)
    eventually(lambda: box.login(PASSWORD, guesser) == ACCESS_ACCEPT, 1.0)
    assert time.monotonic() - locked_at < LOCK_S + 1.0

    def told() -> list[str]:
        return reasons(house, "guesser")

    eventually(lambda: "guessing" in told(), 5.0)
    assert told()[:GUESSES_MAX] == ["password"] * GUESSES_MAX
    assert told()[GUESSES_MAX] == "guessing"


def test_a_guesser_of_many_names_is_slowed_but_not_who_lives_at_that_station(
    house: Turnpike, box: Box
) -> None:
    shared = station("shared")
    assert box.login(PASSWORD, shared) == ACCESS_ACCEPT
    for number in range(GUESSES_MAX * STATION_FACTOR):
        assert box.login("guess", shared, username=f"user-{number}") == ACCESS_REJECT
    assert box.login(PASSWORD, shared, username="bob") == ACCESS_REJECT, "who is new there waits"
    assert box.login(PASSWORD, shared) == ACCESS_ACCEPT
    assert box.login(PASSWORD, station("bob's own"), username="bob") == ACCESS_ACCEPT
    eventually(lambda: "guessing" in reasons(house, "shared"), 5.0)


def test_guesses_at_others_from_elsewhere_never_delay_a_login(box: Box) -> None:
    """As long as somebody guesses at her name, from wherever he likes but her own line."""
    ends_at = time.monotonic() + 2 * LOCK_S
    while time.monotonic() < ends_at:
        for number in range(GUESSES_MAX + 1):
            assert box.login("guess", station(f"bot-{number % 3}")) == ACCESS_REJECT
        assert box.login(PASSWORD, station("her own line")) == ACCESS_ACCEPT


def test_mistyping_and_then_getting_it_right_is_no_guessing(box: Box) -> None:
    for _ in range(3):
        for _ in range(GUESSES_MAX - 1):
            assert box.login("mistyped", station("clumsy")) == ACCESS_REJECT
        assert box.login(PASSWORD, station("clumsy")) == ACCESS_ACCEPT


def test_without_a_station_one_guesser_does_not_shut_the_nas(box: Box) -> None:
    for _ in range(GUESSES_MAX + 1):
        assert box.login("guess", username="victim") == ACCESS_REJECT
    assert box.login(PASSWORD) == ACCESS_ACCEPT


def test_the_instance_serves_on(house: Turnpike) -> None:
    assert is_let_in(house)
