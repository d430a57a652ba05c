"""A responder with three clients and a handler that does as it is told."""

from ipaddress import ip_network

from core.radius.authenticity import SharedSecret
from core.radius.clients import Client, Clients
from core.radius.counters import Counters
from core.radius.dedup import DuplicateCache
from core.radius.packet import Packet
from core.radius.responder import Port, Reply, Responder, Source
from core.radius.types import ACCESS_ACCEPT, ACCOUNTING_RESPONSE

SECRET = b"xyzzy5461"
STRICT: Source = ("192.0.2.1", 40_000, b"")  # Message-Authenticator required, as is the default
LENIENT: Source = ("192.0.2.2", 40_000, b"")  # an old box
STRANGER: Source = ("203.0.113.99", 40_000, b"")


class Handler:
    """Answers all alike and remembers whom."""

    def __init__(self, reply: Reply | None) -> None:
        self.reply = reply
        self.fails = False
        self.asked: list[Packet] = []

    def handle(self, packet: Packet, client: Client, source: Source, now: float) -> Reply | None:
        self.asked.append(packet)
        if self.fails:
            raise RuntimeError("a bug")
        return self.reply


class Bench:
    """One port under test; `clients` by source."""

    def __init__(
        self, port: Port = Port.AUTH, reply: Reply | None = None, *, delayed_max: int = 65_536
    ) -> None:
        usual = ACCESS_ACCEPT if port is Port.AUTH else ACCOUNTING_RESPONSE
        self.handler = Handler(reply or Reply(usual))
        self.cache = DuplicateCache()
        self.clients = {
            STRICT: Client(1, "strict", SharedSecret(SECRET), True, Counters()),
            LENIENT: Client(2, "lenient", SharedSecret(SECRET), False, Counters()),
        }
        self.responder = Responder(
            port,
            self.handler,
            self.cache,
            clients=Clients(
                (ip_network(source[0]), b"", client) for source, client in self.clients.items()
            ),
            delayed_max=delayed_max,
        )

    def respond(self, datagram: bytes, source: Source = STRICT, now: float = 0.0) -> bytes | None:
        return self.responder.respond(datagram, source, now)

    def drops(self, source: Source = STRICT) -> dict[str, int]:
        return self.clients[source].counters.drops
