"""A login worker: the authentication and the accounting port, one process, one loop.

It has its sockets from the supervisor, reads the directory, and knows neither the
database nor its siblings.
"""

import asyncio
import gc
import os
import socket
import struct
from dataclasses import dataclass

import structlog

from aaa.access import Access, AccessSettings
from aaa.decisions import DecisionLog
from aaa.directory import Directory, open_environment
from aaa.live import Live
from aaa.nas_table import Known
from aaa.pools_login import Addresses
from aaa.session_ends import SessionEnds
from aaa.status import AccountingStatus, ClientStatus, WorkerStatus
from aaa.throttle import Throttle
from accounting.handler import AccountingHandler
from accounting.spool_writer import DiskSpool, SpoolLimits
from app.child import Ready, Stop
from app.paths import Paths
from app.wiring import renderer
from core import status
from core.clock import Clock
from core.config import Settings
from core.keys import open_vault
from core.radius import packet
from core.radius.clients import Client
from core.radius.complaints import Complaints
from core.radius.dedup import DuplicateCache
from core.radius.packet import Packet
from core.radius.responder import Later, Port, Responder, Source
from core.radius.server import RadiusServer, tell
from core.udp import Endpoint
from dictionaries import loader

log = structlog.get_logger()

STATUS_EVERY_S = 1.0
TELL_EVERY_S = 60.0
_SO_MEMINFO = 55  # linux/asm-generic/socket.h; its ninth number counts drops


class AccountingPort:
    """Behind the accounting port: the spool, and an eye on who is gone."""

    def __init__(self, handler: AccountingHandler, ends: SessionEnds) -> None:
        self._handler = handler
        self._ends = ends
        self._tell_at = 0.0

    def handle(self, packet: Packet, client: Client, source: Source, now: float) -> Later | None:
        try:
            self._ends.saw(packet)
        except Exception as error:
            # As of a record of the directory that is damaged.  The place is freed later, by the
            # database's word; the packet must be stored and answered all the same.
            if now >= self._tell_at:
                self._tell_at = now + TELL_EVERY_S
                log.exception("session_end_not_seen", error=type(error).__name__)
        return self._handler.handle(packet, client, source, now)


class _Turn:
    """Begins and ends a turn of either socket: one snapshot, one flush."""

    def __init__(self, access: Access, auth: Responder, acct: Responder) -> None:
        self._access = access
        self._auth = auth
        self._acct = acct

    def begin(self) -> None:
        if self._access.refresh():
            self._auth.clients = self._access.nases.clients
            self._acct.clients = self._access.nases.accounting_clients

    def end(self) -> None:
        self._access.end_turn()


@dataclass(slots=True)
class _Parts:
    access: Access
    live: Live
    decisions: DecisionLog
    spool: DiskSpool[Later]
    accounting: AccountingHandler
    auth: Responder
    acct: Responder
    turn: _Turn


async def run(
    settings: Settings, number: int, descriptors: list[int], ready: Ready, stop: Stop
) -> None:
    """Serve until `stop`; `descriptors` are the authentication and the accounting socket."""
    clock = Clock()
    paths = Paths(settings.data_dir)
    parts = _assemble(settings, paths, number, clock)
    auth_socket, acct_socket = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    servers = [
        RadiusServer(Endpoint(auth_socket), parts.auth, clock, turn=parts.turn),
        RadiusServer(Endpoint(acct_socket), parts.acct, clock, turn=parts.turn),
    ]
    parts.accounting.start(servers[1])
    parts.turn.begin()
    parts.turn.end()
    # What exists now stays: collecting it again and again would only cost latency.
    gc.collect()
    gc.freeze()
    started_at = clock.unix_s()
    reporter = status.Reporter(paths.status, f"worker-{number}")
    ready()
    while not stop.is_set():
        tell(parts.auth.complaints, clock.monotonic())
        reporter.tell(_status(parts, (auth_socket, acct_socket), started_at))
        try:
            async with asyncio.timeout(STATUS_EVERY_S):
                await stop.wait()
        except TimeoutError:
            continue
    # Draining: no new requests, but whoever was promised a late reject gets it, and whoever
    # handed us a record its receipt.
    for server in servers:
        server.stop_receiving()
    for server in servers:
        await server.drained()
    await parts.spool.stop()
    for server in servers:
        server.close()
    parts.decisions.flush()
    parts.decisions.close()
    for each in (auth_socket, acct_socket):
        each.close()  # ours alone: the supervisor keeps it open for a successor
    # No last report: the successor may have begun to tell its own.


def _assemble(settings: Settings, paths: Paths, number: int, clock: Clock) -> _Parts:
    policy, radius = settings.policy, settings.radius
    decisions = DecisionLog(
        paths.decisions / str(number),
        rate_max=settings.decisions.rate_max,
        file_octets_max=settings.decisions.file_bytes_max,
    )
    live = Live(paths.live)
    addresses = Addresses(paths.addresses)
    directory = Directory(
        open_environment(
            paths.directory, map_size_octets=settings.directory.map_size_bytes, readonly=True
        )
    )
    access = Access(
        directory,
        live,
        renderer(settings, loader.load()),
        Throttle(
            guesses_max=policy.guesses_max,
            window_s=policy.guess_window_s,
            lock_s=policy.guess_lock_s,
        ),
        decisions,
        open_vault(settings.key_path, make=False),
        open_vault(settings.key_path, b"eap-state", make=False),
        clock,
        os.urandom,
        AccessSettings(
            radius.reject_delay_s, policy.reservation_s, policy.walled_garden.session_timeout_s
        ),
        addresses,
    )
    keeping = settings.accounting
    spool: DiskSpool[Later] = DiskSpool(
        paths.spool,
        str(number),
        clock,
        SpoolLimits(
            octets_max=keeping.spool_bytes_max,
            records_max=keeping.spool_records_max,
            alarm_at=keeping.spool_alarm_at,
        ),
    )
    accounting = AccountingHandler(spool, access.nases.tenant_of, clock)
    # One for both sockets: it is the node's log that must not fill up.
    complaints = Complaints(number, radius.worker_count)
    auth, acct = (
        Responder(
            port,
            handler,
            DuplicateCache(
                lifetime_s=radius.duplicate_lifetime_s, entries_max=radius.duplicate_entries_max
            ),
            complaints=complaints,
        )
        for port, handler in (
            (Port.AUTH, access),
            (Port.ACCT, AccountingPort(accounting, SessionEnds(directory, live, clock, addresses))),
        )
    )
    turn = _Turn(access, auth, acct)
    return _Parts(access, live, decisions, spool, accounting, auth, acct, turn)


def _status(parts: _Parts, sockets: tuple[socket.socket, ...], started_at: float) -> WorkerStatus:
    """What happened so far."""
    return WorkerStatus(
        pid=os.getpid(),
        started_at=started_at,
        clients=[_client(known) for known in parts.access.nases.entries()],
        unknown_drops={
            reason: parts.auth.unknown.drops.get(reason, 0)
            + parts.acct.unknown.drops.get(reason, 0)
            for reason in {*parts.auth.unknown.drops, *parts.acct.unknown.drops}
        },
        socket_drops=sum(_drops(sock) for sock in sockets),
        decisions_dropped=parts.decisions.dropped,
        slots_failed=parts.live.failures,
        spool=parts.spool.status,
        compiled=(packet.__file__ or "").endswith(".so"),
    )


def _client(known: Known) -> ClientStatus:
    auth, accounting = known.auth.counters, known.accounting.counters
    return ClientStatus(
        tenant_id=known.record.tenant_id,
        nas=known.record.name,
        requests=auth.requests,
        duplicates=auth.duplicates,
        status_servers=auth.status_servers,
        accepts=auth.accepts,
        challenges=auth.challenges,
        unsigned_requests=auth.unsigned_requests,
        rejects=auth.rejects,
        drops=auth.drops,
        latency_buckets=auth.latency_buckets,
        latency_sum_s=auth.latency_sum_s,
        accounting=AccountingStatus(
            requests=accounting.requests,
            duplicates=accounting.duplicates,
            status_servers=accounting.status_servers,
            responses=accounting.accounting_responses,
            drops=accounting.drops,
            latency_buckets=accounting.latency_buckets,
            latency_sum_s=accounting.latency_sum_s,
        ),
    )


def _drops(sock: socket.socket) -> int:
    numbers = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
    return int(struct.unpack("=9I", numbers)[8]) if len(numbers) == 36 else 0
