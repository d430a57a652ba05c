"""One session is one session, however many workers are asked at the same moment (P13)."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from aaa import live_feed
from core.db import NodeDatabase
from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    Nas,
    accounting_request,
    pap_request,
    tlv,
)
from tests.scenarios.flows import Flows, flows, login, private_url, sql, station
from tests.serving import PASSWORD, SECRET, Turnpike, turnpike_process

PARALLEL = 50
RESERVATION_S = 5
START, STOP = 1, 2
# A second is promised; a busy machine may take longer, and what never comes never comes.
IN_FORCE_WITHIN_S = 10.0
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
        assert time.monotonic() - reserved_at < RESERVATION_S + 5.0
        time.sleep(0.1)
    assert time.monotonic() - reserved_at > RESERVATION_S - 1.0


def open_session(house: Turnpike, username: str, device: str) -> int:
    """As ingest writes it when a Start comes; in force when this returns."""
    [row] = sql(
        private_url(house),
        "INSERT INTO session (tenant_id, nas_id, nas_reported, acct_session_id, class_nonce,"
        " generation, subscriber_id, username, calling_station, mac, circuit_id, nas_identifier,"
        " nas_address, nas_port_id, multi_session_id, started_at, last_seen_at, terminate_cause,"
        " closed_by, session_time_s, input_octets, output_octets, confidence)"
        " SELECT s.tenant_id, n.id, '', s.username, '', 0, s.id, s.username, $2, '', '', '', '',"
        " '', '', now() - interval '1 hour', now(), 0, '', 0, 0, 0, 0"
        " FROM subscriber s JOIN nas n USING (tenant_id) WHERE s.username = $1 RETURNING id",
        username,
        device,
    )
    tell(house, row["id"])
    house.settle(IN_FORCE_WITHIN_S)  # a login that asks too early would take the place
    return int(row["id"])


def tell(house: Turnpike, session_id: int) -> None:
    """As ingest and the sweeper do in their transactions."""

    async def run() -> None:
        database = NodeDatabase(private_url(house))
        async with database.transaction() as tx:
            await live_feed.sessions_changed(tx, [session_id])
        await database.dispose()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("number", "is_over"),
    [
        pytest.param(5, "silent_since = now()", id="nobody can tell of it any more"),
        pytest.param(
            6, "stopped_at = last_seen_at, closed_by = 'reaper'", id="closed by the sweeper"
        ),
    ],
)
def test_a_stale_session_frees_its_user(house: Turnpike, number: int, is_over: str) -> None:
    """The stale half of P13.  When a session is stale is the sweeper's to say; what it says
    here stands in the tables, and is in force a moment later."""
    username = f"one-{number}"
    session_id = open_session(house, username, "a")
    assert login(house, username, PASSWORD, station("b")) == ACCESS_REJECT
    assert login(house, username, PASSWORD, station("A")) == ACCESS_ACCEPT, "it redials"
    time.sleep(RESERVATION_S)
    assert login(house, username, PASSWORD, station("b")) == ACCESS_REJECT
    sql(private_url(house), f"UPDATE session SET {is_over} WHERE id = $1", session_id)
    tell(house, session_id)
    told_at = time.monotonic()
    while login(house, username, PASSWORD, station("b")) == ACCESS_REJECT:
        assert time.monotonic() < told_at + IN_FORCE_WITHIN_S
        time.sleep(0.02)


def test_fifty_parallel_logins_beside_an_open_session_are_refused(house: Turnpike) -> None:
    open_session(house, "one-7", "a")
    open_session(house, "three-7", "a")
    with flows(house, ports=PARALLEL) as many:
        assert race(many, "one-7", 77).count(ACCESS_ACCEPT) == 0
        assert race(many, "three-7", 78).count(ACCESS_ACCEPT) == 2


def report(house: Turnpike, status: int, *attributes: bytes) -> None:
    """An Accounting-Request of the session of one-8, acknowledged."""
    with Nas(house.acct) as nas:
        request = accounting_request(
            tlv(40, status) + tlv(44, "81200001") + tlv(1, "one-8") + b"".join(attributes),
            secret=KEY,
            identifier=status,
        )
        assert nas.ask(request) is not None


def test_from_its_start_to_its_stop_a_session_holds_the_place(house: Turnpike) -> None:
    """Told by the NAS alone; freed by its Stop at once, before that is counted."""
    device = station("02-00-00-00-00-AA")
    request = pap_request("one-8", PASSWORD, device, secret=KEY)
    with Nas(house.auth) as nas:
        accept = nas.answer(request, KEY)
    ours = tlv(25, accept.all(25)[0])
    report(house, START, device, ours)
    time.sleep(RESERVATION_S + 0.5)
    assert login(house, "one-8", PASSWORD, station("b")) == ACCESS_REJECT
    report(house, STOP, device, ours, tlv(46, RESERVATION_S))
    assert login(house, "one-8", PASSWORD, station("b")) == ACCESS_ACCEPT
