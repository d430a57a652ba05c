"""Processes that are killed come back, are told to stop and stop, and leave nobody behind."""

import json
import os
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from core import postgres_pidfile, status
from core.postgres import Cluster
from tests.asking import (
    ACCESS_ACCEPT,
    ACCESS_REJECT,
    ACCOUNTING_RESPONSE,
    Nas,
    accounting_request,
    pap_request,
    read,
    status_server,
    tlv,
)
from tests.scenarios.flows import flows, is_let_in, private_url, processes_of, sql
from tests.serving import ISP, PASSWORD, SECRET, Turnpike, eventually, turnpike_process

REJECT_DELAY_S = 1.0
# Two seconds are asked (faults D1 and D14), and what it takes is told by `make chaos`; here it
# is long, because a busy machine is no fault of ours.
ANSWERS_WITHIN_S = 20.0
KEY = SECRET.encode()

pytestmark = [pytest.mark.scenario, pytest.mark.slow]


@pytest.fixture(scope="module")
def house() -> Iterator[Turnpike]:
    """An instance whose processes these tests may kill, one after the other."""
    with turnpike_process(ISP, RADIUS__REJECT_DELAY_S=str(REJECT_DELAY_S)) as one:
        yield one


@pytest.fixture(autouse=True)
def serves_afterwards(house: Turnpike) -> Iterator[None]:
    yield
    assert is_let_in(house)
    assert "Traceback" not in house.log
    assert "was never awaited" not in house.log
    assert "ResourceWarning" not in house.log


def children(house: Turnpike, role: str) -> list[int]:
    return [
        number
        for number, command in processes_of(house).items()
        if f"app.children {role}" in command
    ]


def test_the_ready_line_is_exactly_what_programs_read(house: Turnpike) -> None:
    ready = [line for line in house.log.splitlines() if line.startswith("ready")]
    assert ready == [
        f"ready auth=127.0.0.1:{house.ports['auth']} acct=127.0.0.1:{house.ports['acct']}"
        f" web=127.0.0.1:{house.ports['web']}"
    ]


def test_every_worker_serves_the_one_port(house: Turnpike) -> None:
    def asked() -> list[int]:
        return [sum(client.requests for client in worker.clients) for worker in house.workers()]

    before = asked()
    with flows(house) as many:
        assert many.all_hear(ACCESS_ACCEPT)
    eventually(
        lambda: (
            len(asked()) == 2 and all(now > then for now, then in zip(asked(), before, strict=True))
        ),
        5.0,
    )


def test_a_request_sent_while_its_worker_is_dead_is_answered_by_the_successor(
    house: Turnpike,
) -> None:
    with flows(house) as many:
        assert many.all_hear(ACCESS_ACCEPT)
        for pid in children(house, "login"):
            os.kill(pid, signal.SIGKILL)
        assert set(many.codes(within_s=ANSWERS_WITHIN_S)) == {ACCESS_ACCEPT}


def test_workers_killed_again_and_again_are_back_each_time(house: Turnpike) -> None:
    """By the packets that waited for them: nobody asks twice."""
    for _ in range(3):
        for pid in children(house, "login"):
            os.kill(pid, signal.SIGKILL)
        with flows(house, ports=8) as many:
            assert set(many.codes(within_s=ANSWERS_WITHIN_S)) == {ACCESS_ACCEPT}
    eventually(
        lambda: set(house.worker_pids().values()) == set(children(house, "login")), ANSWERS_WITHIN_S
    )


def acknowledges(nas: Nas, record: bytes) -> bool:
    reply = nas.ask(record)
    return reply is not None and read(reply, record, KEY, signed=False).code == ACCOUNTING_RESPONSE


def test_the_accounting_port_answers_what_is_accounting(house: Turnpike) -> None:
    with Nas(house.acct) as nas:
        assert nas.answer(status_server(secret=KEY), KEY).code == ACCOUNTING_RESPONSE
        start = accounting_request(tlv(40, 1) + tlv(44, "port"), secret=KEY)
        assert acknowledges(nas, start)
        assert nas.ask(pap_request("alice", PASSWORD, secret=KEY, identifier=9), 0.5) is None


def test_a_session_is_listed_with_what_was_used_once_its_packets_are_acknowledged(
    house: Turnpike,
) -> None:
    def told(status_type: int, seconds: int, received: int, sent: int) -> bytes:
        attributes = tlv(40, status_type) + tlv(44, "listed") + tlv(1, "alice")
        attributes += tlv(42, received) + tlv(43, sent) + tlv(46, seconds)
        return accounting_request(attributes, secret=KEY, identifier=status_type)

    with Nas(house.acct) as nas:
        for packet in (told(1, 0, 0, 0), told(3, 300, 1_000, 70_000), told(2, 500, 1_500, 90_000)):
            assert acknowledges(nas, packet)

    def listed() -> list[dict[str, object]]:
        said = house.command("session", "list", "--acct-session-id", "listed", "--json")
        return [one for one in json.loads(said) if one["stopped_at"]]

    eventually(listed, ANSWERS_WITHIN_S)
    [session] = listed()
    assert (session["subscriber"], session["input_octets"], session["output_octets"]) == (
        "alice", 1_500, 90_000,
    )  # fmt: skip
    [day] = json.loads(house.command("usage", "alice", "--by", "day", "--json"))
    assert (day["upload_octets"], day["download_octets"]) == (1_500, 90_000)


@pytest.mark.parametrize("role", ["replicator", "web", "ingest", "jobs"])
def test_the_other_processes_come_back_as_well_and_logins_do_not_notice(
    house: Turnpike, role: str
) -> None:
    (old,) = children(house, role)
    os.kill(old, signal.SIGKILL)
    assert is_let_in(house)
    eventually(lambda: children(house, role) not in ([], [old]), ANSWERS_WITHIN_S)
    house.settle(within_s=ANSWERS_WITHIN_S)
    eventually(lambda: answers_on(house.ports["web"]), ANSWERS_WITHIN_S)


def answers_on(port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(2.0)
        try:
            sock.connect(("127.0.0.1", port))
            sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
            return sock.recv(12) == b"HTTP/1.0 200"
        except OSError:
            return False


def test_a_private_postgresql_that_is_killed_is_started_again(house: Turnpike) -> None:
    postmaster = postgres_pidfile.read(house.paths.postgres / "data")
    assert postmaster is not None
    os.kill(postmaster.pid, signal.SIGKILL)
    for _ in range(20):
        assert is_let_in(house)
    house.settle(within_s=60.0)
    told = house.apply(
        {
            "tenant": "test-isp",
            "subscriber": [{"username": "after-kill", "password": PASSWORD, "plan": "home"}],
        }
    )
    assert "+ subscriber after-kill" in told
    assert is_let_in(house, "after-kill")


def test_sigterm_lets_a_delayed_reject_out_and_leaves_nobody(house: Turnpike) -> None:
    with Nas(house.auth) as nas:
        request = pap_request("alice", "wrong", secret=KEY)
        nas.send(request)
        time.sleep(0.3)  # it is decided, and waits for its time
        assert len(processes_of(house)) >= 5
        assert house.stop() == 0
        reply = nas.receive(0.1)  # it is there already
        assert reply is not None
        assert read(reply, request, KEY).code == ACCESS_REJECT
    assert processes_of(house) == {}
    house.start()


def test_sigint_is_for_the_supervisor_even_if_a_terminal_tells_everybody(house: Turnpike) -> None:
    for pid, command in processes_of(house).items():
        if "app.children" in command:
            os.kill(pid, signal.SIGINT)
    assert is_let_in(house)
    assert house.stop(signal.SIGINT) == 0
    assert processes_of(house) == {}
    house.start()


def test_a_killed_supervisor_is_outlived_by_the_database_alone_which_the_next_adopts(
    house: Turnpike,
) -> None:
    before = postgres_pidfile.read(house.paths.postgres / "data")
    with Nas(house.auth) as nas:
        nas.send(pap_request("alice", "wrong", secret=KEY))
        time.sleep(0.2)
        assert house.stop(signal.SIGKILL) == -signal.SIGKILL
        house.start()  # at once, while the children of the dead still finish
        reply = nas.receive(REJECT_DELAY_S + 4.0)
        assert reply is not None
        assert reply[0] == ACCESS_REJECT
    assert postgres_pidfile.read(house.paths.postgres / "data") == before
    # It may be ready before its database is, and so before all of them are there.
    eventually(lambda: len(children(house, "")) == 6, ANSWERS_WITHIN_S)


def test_sigterm_during_the_start_leaves_nobody_either(house: Turnpike) -> None:
    house.stop()
    for after_s in (0.3, 0.8, 1.2, 1.6, 2.0):
        house.launch()
        time.sleep(after_s)
        assert house.stop() in (0, -signal.SIGTERM)  # before its first words a signal just ends it
        eventually(
            lambda: processes_of(house) == {}, ANSWERS_WITHIN_S, lambda: str(processes_of(house))
        )
    house.start()


def test_status_files_tell_of_living_processes_alone(house: Turnpike) -> None:
    status.write(house.paths.status, "worker-77", house.workers()[0])
    house.stop()
    house.start()
    assert set(house.worker_pids()) == {"worker-0", "worker-1"}


def test_a_status_that_cannot_be_written_ends_nobody(house: Turnpike) -> None:
    """A full disk looks the same from there; every login once depended on it."""
    before, workers = len(house.log), house.worker_pids()
    eventually(lambda: len(children(house, "")) == 6, ANSWERS_WITHIN_S)
    everybody = set(children(house, ""))
    aside = house.paths.status.with_name("status.aside")
    house.paths.status.rename(aside)
    house.paths.status.touch()  # a plain file: nothing can be written below it
    try:
        eventually(
            lambda: house.log[before:].count("event=status_not_written") >= 3, ANSWERS_WITHIN_S
        )
        time.sleep(2.0)
        assert is_let_in(house)
        assert set(children(house, "")) == everybody
    finally:
        house.paths.status.unlink()
        aside.rename(house.paths.status)
    assert house.log[before:].count("status_not_written name=worker-0") <= 1
    eventually(lambda: house.worker_pids() == workers, ANSWERS_WITHIN_S)
    house.settle()


def test_slots_that_a_power_cut_damaged_are_forgotten_at_the_start(house: Turnpike) -> None:
    house.stop()
    (house.paths.live / "data.mdb").write_bytes(b"\x55" * 65536)
    before = len(house.log)
    house.start()
    assert is_let_in(house)
    assert "slots_unusable" not in house.log[before:]
    assert "child_ended" not in house.log[before:]


def test_an_old_binary_refuses_a_newer_schema(house: Turnpike) -> None:
    (row,) = sql(private_url(house), "SELECT version_num FROM alembic_version")
    set_version(private_url(house), "9999_from_the_future")
    house.stop()
    before = len(house.log)
    house.launch()
    assert house.process.wait(30) == 1
    house.stop()
    said = house.log[before:]
    assert "9999_from_the_future" in said
    assert "run the newer version, or restore a backup" in said
    assert "turnpike: the schema of the database does not fit" in said
    assert processes_of(house) == {}
    cluster = Cluster(house.paths.postgres)
    set_version(cluster.start(), row["version_num"])
    cluster.stop()
    house.start()


def set_version(url: str, version: str) -> None:
    sql(url, "UPDATE alembic_version SET version_num = $1", version)
