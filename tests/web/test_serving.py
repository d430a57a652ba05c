"""The two pages of a real node, after traffic that we know."""

import http.client
import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.asking import ACCESS_ACCEPT, ACCESS_REJECT, Nas, pap_request, status_server
from tests.scenarios.flows import flows, is_let_in, processes_of
from tests.serving import ISP, SECRET, Turnpike, eventually, turnpike_process
from tests.web.test_metrics import Samples, read

KEY = SECRET.encode()

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    with turnpike_process(ISP, RADIUS__REJECT_DELAY_S="0") as one:
        yield one


def get(house: Turnpike, path: str, method: str = "GET") -> tuple[int, str, str]:
    """Status, content type and body."""
    connection = http.client.HTTPConnection("127.0.0.1", house.ports["web"], timeout=5)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type", ""), response.read().decode()
    finally:
        connection.close()


def metrics(house: Turnpike) -> Samples:
    status, content_type, body = get(house, "/metrics")
    assert status == 200
    assert content_type.startswith("text/plain; version=")
    return read(body)


def total(samples: Samples, name: str, **labels: str) -> float:
    """Over all workers."""
    return sum(
        value
        for (found, having), value in samples.items()
        if found == name and labels.items() <= dict(having).items()
    )


def test_known_traffic_is_counted_to_the_last_packet(house: Turnpike) -> None:
    with flows(house) as many:
        assert many.all_hear(ACCESS_ACCEPT)
        for _ in range(2):
            assert many.all_hear(ACCESS_REJECT, "nobody")
    with flows(house, secret="not-the-secret", ports=3) as strangers:
        assert strangers.all_hear(None, within_s=0.2)
    with flows(house, host="127.0.0.99", ports=5) as unknown:
        assert unknown.all_hear(None, within_s=0.2)
    with Nas(house.auth) as nas:
        request = pap_request("nobody", "x", secret=KEY, identifier=3)
        first = nas.ask(request)
        assert nas.ask(request) == first
        assert nas.ask(status_server(secret=KEY, identifier=4)) is not None
    local = {"nas": "local"}

    def counted() -> bool:
        return total(metrics(house), "turnpike_radius_status_servers_total", **local) == 1

    eventually(counted, 5.0)
    time.sleep(1.2)  # the other worker's turn to tell
    samples = metrics(house)
    assert total(samples, "turnpike_radius_accepts_total", **local) == 16
    assert total(samples, "turnpike_radius_rejects_total", **local, reason="unknown-user") == 33
    assert total(samples, "turnpike_radius_duplicates_total", **local) == 1
    assert total(samples, "turnpike_radius_unattributed_drops_total", reason="unknown-client") == 5
    assert total(samples, "turnpike_radius_drops_total", **local) == 3
    assert total(samples, "turnpike_directory_connected") == 1
    assert total(samples, "turnpike_directory_subscribers") == 1
    assert total(samples, "turnpike_radius_request_seconds_count", **local) >= 50
    eventually(lambda: total(metrics(house), "turnpike_decisions_shipped_total") == 49, 5.0)


def test_health_tells_people_and_load_balancers(house: Turnpike) -> None:
    status, content_type, body = get(house, "/healthz")
    assert (status, content_type) == (200, "application/json; charset=utf-8")
    said = json.loads(body)
    assert said.pop("directory_age_s") < 5.0
    assert said == {
        "status": "ok",
        "workers": 2,
        "database": "connected",
        "subscribers": 1,
        "accounting": {"waiting": 0, "oldest_s": 0.0, "alarms": []},
        "addresses": {"alarms": []},
        "enforcement": {"alarms": []},
    }


def test_what_is_not_there_is_not_there_and_nothing_changes_by_a_get(house: Turnpike) -> None:
    assert get(house, "/")[0] == 404
    assert get(house, "/../../etc/passwd")[0] in (400, 404)
    assert get(house, "/healthz", "POST")[0] == 405


def test_a_client_that_never_finishes_its_request_keeps_nobody_waiting(house: Turnpike) -> None:
    slow = [socket.create_connection(("127.0.0.1", house.ports["web"])) for _ in range(50)]
    for sock in slow:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: ")
    began_at = time.monotonic()
    assert get(house, "/healthz")[0] == 200
    assert time.monotonic() - began_at < 5.0  # half of the time that the slow ones have
    assert is_let_in(house)
    for sock in slow:
        sock.close()


def test_it_is_unwell_when_no_worker_lives_and_well_again_with_the_first(house: Turnpike) -> None:
    workers = [pid for pid, command in processes_of(house).items() if "children login" in command]
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)  # a dead one would be replaced
    try:
        eventually(lambda: get(house, "/healthz")[0] == 503, 10.0)
        assert json.loads(get(house, "/healthz")[2])["status"] == "down"
        assert get(house, "/metrics")[0] == 200
        os.kill(workers[0], signal.SIGCONT)
        eventually(lambda: get(house, "/healthz")[0] == 200, 5.0)
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
