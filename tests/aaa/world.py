"""A login worker without its process: a real directory, real rules, a clock turned by hand."""

from datetime import UTC, datetime
from functools import cache
from hashlib import shake_128
from pathlib import Path

from msgspec.structs import replace

from aaa.access import Access, AccessSettings
from aaa.credentials import seal_credential
from aaa.decisions import DecisionLog, DecisionRecord, decode
from aaa.directory import Directory, DirectoryWriter, open_environment
from aaa.live import Live
from aaa.records import NasRecord, ProfileRecord, SubscriberRecord
from aaa.rendering import Renderer
from aaa.throttle import Throttle
from core.clock import Clock
from core.radius.dedup import DuplicateCache
from core.radius.responder import Port, Responder, Source
from core.secret import Secret, Vault
from dictionaries.definitions import Dictionary
from dictionaries.loader import load
from nas_adapters.profile import ServiceProfile
from nas_adapters.secrets import seal_secret
from tests.asking import Answer, pap_request, read

TENANT = 1
SECRET = b"nas-s3cret"
PASSWORD = "arctangent"
STARTED_AT = 1_800_000_000.0  # the wall clock; the monotonic one begins at 0
DELAY_S = 1.0
BRAS: Source = ("192.0.2.1", 40_000, b"")
OTHER_BRAS: Source = ("192.0.2.2", 40_000, b"")

HOME = ProfileRecord(
    id=1,
    tenant_id=TENANT,
    code="home",
    download_bps=50_000_000,
    upload_bps=20_000_000,
    burst_download_bps=None,
    burst_upload_bps=None,
    burst_threshold_bps=None,
    burst_time_s=None,
    session_limit=0,
    at_limit="reject",
    session_timeout_s=86_400,
    interim_s=300,
    address_pool=None,
)
SINGLE = replace(HOME, id=2, code="single", session_limit=1)
NEWEST = replace(SINGLE, id=3, code="newest", at_limit="kick_oldest")


@cache
def dictionary() -> Dictionary:
    return load()


class ManualClock(Clock):
    """Both clocks run alike, when they are told to; the wall's can be set."""

    def __init__(self) -> None:
        self.at = 0.0
        self.wall_ahead_s = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.unix_s(), UTC)

    def unix_s(self) -> float:
        return STARTED_AT + self.at + self.wall_ahead_s

    def monotonic(self) -> float:
        return self.at


class World:
    """Two NASes, three plans, and whom a test adds."""

    def __init__(self, directory: Path, *, vendor: str = "generic") -> None:
        self.clock = ManualClock()
        self._drawn = 0
        self.vault = Vault(bytes(32), self.random)
        # One environment for both halves: LMDB forbids a process to open it twice.
        environment = self.environment = open_environment(
            directory / "directory", map_size_octets=1 << 24, readonly=False
        )
        self.writer = DirectoryWriter(environment)
        self.nases = {
            number: NasRecord(
                number,
                TENANT,
                f"bras-{number}",
                f"{source[0]}/32",
                "",
                seal_secret(self.vault, TENANT, number, Secret(SECRET)),
                vendor,
                True,
            )
            for number, source in ((1, BRAS), (2, OTHER_BRAS))
        }
        self.writer.put_tables(
            dict(self.nases), {profile.id: profile for profile in (HOME, SINGLE, NEWEST)}
        )
        self.heard_of_database()
        self.decisions_directory = directory / "decisions"
        self.decision_log = DecisionLog(
            self.decisions_directory, rate_max=10_000, file_octets_max=1 << 20
        )
        garden = ServiceProfile(download_bps=1_000_000, upload_bps=1_000_000, filter_id="garden")
        self.directory = Directory(environment)
        self.live = Live(directory / "live")
        self.access = Access(
            self.directory,
            self.live,
            Renderer(dictionary(), garden),
            Throttle(guesses_max=10, window_s=60, lock_s=30),
            self.decision_log,
            self.vault,
            Vault(bytes(range(32)), self.random),
            self.clock,
            self.random,
            AccessSettings(DELAY_S, 60.0, 600),
        )
        self.duplicates = DuplicateCache()
        self.responder = Responder(Port.AUTH, self.access, self.duplicates)
        self.add("nemo")

    def heard_of_database(self) -> None:
        """As the replicator writes it down."""
        self.writer.set_position(b"cluster", 1, self.clock.unix_s())

    def random(self, size: int) -> bytes:
        """Chance that is the same in every run."""
        self._drawn += 1
        return shake_128(b"%d" % self._drawn).digest(size)

    def add(
        self,
        username: str | bytes,
        record: SubscriberRecord | None = None,
        *,
        number: int = 1,
        password: str = PASSWORD,
    ) -> None:
        """Store a subscriber; of `record` all but id and credential."""
        name = username.encode() if isinstance(username, str) else username
        record = replace(
            record or SubscriberRecord(0, HOME.id, b"", 0),
            id=number,
            credential_sealed=seal_credential(self.vault, TENANT, number, password),
        )
        self.writer.put_subscribers({number: (TENANT, name, record)})

    def respond(self, octets: bytes, source: Source = BRAS) -> bytes | None:
        """One turn of a worker with one datagram in it; what leaves at once."""
        if self.access.refresh():
            self.responder.clients = self.access.nases.clients
        try:
            return self.responder.respond(octets, source, self.clock.monotonic())
        finally:
            self.access.end_turn()

    def answer(self, octets: bytes, source: Source = BRAS) -> Answer:
        """What the NAS gets in the end: a reject after its delay, which must be that of all."""
        reply = self.respond(octets, source)
        if reply is None:
            due = self.responder.next_due
            assert due == self.clock.monotonic() + DELAY_S, "every reject is delayed alike"
            self.clock.at = due
            [(reply, receiver)] = self.responder.due(due)
            assert receiver == source
        return read(reply, octets, SECRET)

    def login(
        self,
        username: str | bytes = "nemo",
        password: str | bytes = PASSWORD,
        *more: bytes,
        source: Source = BRAS,
    ) -> Answer:
        """A login by PAP, with a new Identifier and authenticator."""
        self._drawn += 1
        return self.answer(
            pap_request(username, password, *more, secret=SECRET, identifier=self._drawn % 256),
            source,
        )

    def decisions(self) -> list[DecisionRecord]:
        """What was written down, oldest first."""
        return [
            decode(line)
            for path in self.decisions_directory.glob("*.decisions")
            for line in path.read_bytes().splitlines()
        ]
