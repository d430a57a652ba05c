"""The accounting port over real sockets: a receipt is a record on the disk, and nothing else is."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest
import pytest_asyncio

from accounting.handler import AccountingHandler
from accounting.spool_reader import SpooledRecord, segments
from accounting.spool_writer import DiskSpool, SpoolLimits
from core.clock import Clock
from core.radius.authenticity import SharedSecret
from core.radius.clients import Client, Clients
from core.radius.counters import Counters
from core.radius.dedup import DuplicateCache
from core.radius.responder import Later, Port, Responder
from core.radius.server import RadiusServer
from core.udp import Endpoint, bind
from tests.accounting.spooling import until
from tests.asking import (
    ACCOUNTING_RESPONSE,
    Answer,
    access_request,
    accounting_request,
    read,
    status_server,
    tlv,
)

SECRET = b"xyzzy5461"
NAS_ID = 11


class Turn:
    def begin(self) -> None: ...

    def end(self) -> None: ...


@dataclass
class AccountingPort:
    """One worker's accounting port, served in this process, and a NAS that asks it."""

    root: Path
    spool: DiskSpool[Later]
    handler: AccountingHandler
    server: RadiusServer
    client: Client
    nas: socket.socket

    async def hears(self) -> bytes:
        async with asyncio.timeout(5):
            return await asyncio.get_running_loop().sock_recv(self.nas, 4096)

    async def asks(self, request: bytes) -> Answer:
        self.nas.send(request)
        return read(await self.hears(), request, SECRET, signed=False)

    def stored(self) -> list[SpooledRecord]:
        found = []
        for segment in segments(self.root):
            found += segment.batch(0, 1_000_000)
            segment.close()
        return found


@pytest_asyncio.fixture
async def port(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[AccountingPort]:
    clock = Clock()
    limits: SpoolLimits = getattr(request, "param", SpoolLimits())
    spool = DiskSpool[Later](tmp_path, "0", clock, limits)
    handler = AccountingHandler(spool, lambda client: client.id * 10, clock)
    client = Client(NAS_ID, "nas", SharedSecret(SECRET), True, Counters())
    responder = Responder(
        Port.ACCT,
        handler,
        DuplicateCache(),
        clients=Clients([(ip_network("127.0.0.1"), b"", client)]),
    )
    sock = bind("127.0.0.1", 0, receive_buffer_octets=2**20)
    server = RadiusServer(Endpoint(sock), responder, clock, turn=Turn())
    handler.start(server)
    nas = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    nas.setblocking(False)
    nas.connect(sock.getsockname())
    yield AccountingPort(tmp_path, spool, handler, server, client, nas)
    server.stop_receiving()
    await server.drained()
    await spool.stop()
    server.close()
    sock.close()
    nas.close()


async def test_a_receipt_means_that_the_packet_is_on_the_disk_as_it_came(
    port: AccountingPort,
) -> None:
    request = accounting_request(
        tlv(40, 1) + tlv(33, b"one") + tlv(44, b"id") + tlv(33, b"two"), secret=SECRET
    )
    answer = await port.asks(request)
    assert answer.code == ACCOUNTING_RESPONSE
    assert answer.all(33) == [b"one", b"two"]
    [record] = port.stored()
    assert record.packet == request
    assert (record.tenant_id, record.nas_id) == (NAS_ID * 10, NAS_ID)
    assert (record.host, record.port) == port.nas.getsockname()
    assert abs(record.received_at - Clock().unix_s()) < 5
    assert port.client.counters.accounting_responses == 1
    assert sum(port.client.counters.latency_buckets) == 1


async def test_copies_are_one_record_and_get_the_same_receipt(port: AccountingPort) -> None:
    request = accounting_request(tlv(40, 3), secret=SECRET)
    for _ in range(50):
        port.nas.send(request)
    first = await port.hears()
    for _ in range(5):
        port.nas.send(request)
        assert await port.hears() == first
    assert len(port.stored()) == 1


async def test_a_burst_is_answered_completely(port: AccountingPort) -> None:
    requests = {
        n: accounting_request(tlv(40, 3) + tlv(44, f"s{n}"), secret=SECRET, identifier=n)
        for n in range(256)
    }
    for request in requests.values():
        port.nas.send(request)
    answers = [await port.hears() for _ in requests]
    for octets in answers:
        read(octets, requests[octets[1]], SECRET, signed=False)
    assert {octets[1] for octets in answers} == set(requests)
    assert [record.packet for record in port.stored()] == list(requests.values())
    assert port.client.counters.accounting_responses == 256


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param(b"", id="nothing at all"),
        pytest.param(tlv(44, b"id"), id="no status type"),
        pytest.param(tlv(40, 99), id="an unknown status type"),
        pytest.param(tlv(40, b"x"), id="a status type of one octet"),
        pytest.param(tlv(40, 2) + tlv(1, b"a\0\xff'; drop"), id="a hostile name"),
        pytest.param(tlv(40, 2) + tlv(44, bytes(253)), id="the longest id"),
        pytest.param(tlv(40, 2) + tlv(26, b"\0"), id="a broken vendor attribute"),
    ],
)
async def test_what_nobody_understands_is_stored_and_acknowledged(
    port: AccountingPort, attributes: bytes
) -> None:
    request = accounting_request(attributes, secret=SECRET)
    assert (await port.asks(request)).code == ACCOUNTING_RESPONSE
    assert [record.packet for record in port.stored()] == [request]


async def test_what_is_not_authentic_or_not_accounting_is_not_stored(port: AccountingPort) -> None:
    port.nas.send(accounting_request(tlv(40, 1), secret=b"guess"))
    port.nas.send(access_request(tlv(1, b"x"), secret=SECRET))
    port.nas.send(b"\x04\x01\x00")
    question = status_server(secret=SECRET)
    port.nas.send(question)
    assert read(await port.hears(), question, SECRET).code == ACCOUNTING_RESPONSE
    assert port.stored() == []
    assert port.client.counters.drops == {"bad-authenticator": 1, "wrong-code": 1}


@pytest.mark.parametrize(
    "port", [SpoolLimits(records_max=10, segment_records_max=5)], indirect=True
)
async def test_a_full_spool_is_silence_and_the_same_packet_is_taken_when_there_is_room(
    port: AccountingPort,
) -> None:
    requests = [accounting_request(tlv(40, 3), secret=SECRET, identifier=n) for n in range(11)]
    for request in requests[:10]:
        await port.asks(request)
    port.nas.send(requests[10])
    await until(lambda: port.client.counters.drops == {"spool-full": 1})
    segments(port.root)[0].remove()
    await until(lambda: not port.spool.status.refusing)
    assert (await port.asks(requests[10])).code == ACCOUNTING_RESPONSE
    assert len(port.stored()) == 6


async def test_stopping_answers_whoever_was_heard(port: AccountingPort) -> None:
    requests = [accounting_request(tlv(40, 3), secret=SECRET, identifier=n) for n in range(200)]
    for request in requests:
        port.nas.send(request)
    await until(lambda: port.client.counters.requests)
    port.server.stop_receiving()
    await port.server.drained()
    heard = port.client.counters.requests
    assert port.client.counters.accounting_responses == heard
    assert len(port.stored()) == heard
    for _ in range(heard):
        await port.hears()
