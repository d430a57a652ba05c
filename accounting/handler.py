"""Behind the accounting port: a packet becomes a record, and a durable record an answer.

Nothing of the packet is looked at.  What it means is found out later, by ingest: one that
nobody understands is stored and acknowledged like any other, or its NAS would send it
for ever (RFC 2866 §4.1).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from accounting.spool import Record, Spool
from core.clock import Clock
from core.radius.clients import Client
from core.radius.packet import Packet
from core.radius.responder import Later, Reply, Source
from core.radius.types import ACCOUNTING_RESPONSE


class Answering(Protocol):
    """The part of `core.radius.server.RadiusServer` that sends what was put off."""

    def complete(self, laters: Iterable[Later], reply: Reply) -> None: ...

    def abandon(self, laters: Iterable[Later]) -> None: ...


class AccountingHandler:
    """Feeds one spool.  `tenant_of` knows whose NAS a client is."""

    def __init__(
        self, spool: Spool[Later], tenant_of: Callable[[Client], int], clock: Clock
    ) -> None:
        self._spool = spool
        self._tenant_of = tenant_of
        self._unix_s = clock.unix_s
        self._reply = Reply(ACCOUNTING_RESPONSE)

    def start(self, answering: Answering) -> None:
        """Begin to take records; `answering` sends the receipts."""
        self._answering = answering
        self._spool.start(self._settled)

    def handle(self, packet: Packet, client: Client, source: Source, now: float) -> Later | None:
        """Hand the packet to the spool.  Silence if it takes none: the NAS keeps it."""
        later = Later(packet, client, source, now)
        host, port, _ = source
        record = Record(
            self._unix_s(), self._tenant_of(client), client.id, host, port, packet.octets
        )
        refused = self._spool.append(record, later)
        if refused:
            client.counters.drop(refused)
            return None
        return later

    def _settled(self, laters: Sequence[Later], is_durable: bool) -> None:
        if is_durable:
            self._answering.complete(laters, self._reply)
            return
        for later in laters:
            later.client.counters.drop("spool-failing")
        self._answering.abandon(laters)
