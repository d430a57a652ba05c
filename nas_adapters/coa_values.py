"""What goes into the CoA client and what comes out of it: targets, results, counts.

Values only.  Nothing here shows a secret.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, TypeAlias

from core.radius.codec import Item
from core.secret import Secret

# Slower than boxes can be: each session that is ended dials in again (a storm, if all do at once).
PER_S: Final = 150.0
IN_FLIGHT: Final = 8


@dataclass(frozen=True, slots=True)
class CoaTarget:
    """A NAS as it is told: where it listens, and how much it bears.

    May differ from one request to the next; what is on its way keeps the secret it was sent with.
    """

    address: str
    port: int
    secret: Secret
    source_address: str | None = None  # where the NAS wants to hear us from; None: routing decides
    per_s: float = PER_S  # new requests; copies of unanswered ones do not count
    in_flight: int = IN_FLIGHT
    sends_event_timestamp: bool = True
    sends_message_authenticator: bool = True
    tenant_id: int = 0  # for the counts, as is its name
    nas: str = ""


class Ignored(StrEnum):
    """Why a datagram that came back is no answer."""

    MALFORMED = "malformed"
    PORT = "port"  # from the NAS, but not from where it was asked
    IDENTIFIER = "identifier"  # of no request that it could answer
    CODE = "code"  # e.g. a CoA-ACK to a Disconnect-Request
    AUTHENTICATOR = "authenticator"  # forged, or another secret
    SIGNATURE = "signature"  # the same, of its Message-Authenticator alone
    LATE = "late"  # authentic, after we gave up or were told to
    DUPLICATE = "duplicate"  # authentic, answered already


@dataclass(frozen=True, slots=True)
class Acked:
    """It agreed; whether it did it is another question (`Abilities.ack_is_proof`)."""

    attributes: tuple[Item, ...]
    rtt_s: float  # since the first send


@dataclass(frozen=True, slots=True)
class Naked:
    """It refused; `nas_adapters.error_cause` tells what that means."""

    error_cause: int | None
    rtt_s: float
    message: str = ""  # Reply-Message, escaped (`core.octets`)


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer that could be believed; `ignored` is what came last in its place."""

    sends: int
    ignored: Ignored | None = None


@dataclass(frozen=True, slots=True)
class Unsendable:
    """It never left, and why; asking again changes nothing."""

    reason: str


CoaResult: TypeAlias = Acked | Naked | Silent | Unsendable


@dataclass(slots=True)
class CoaCounters:
    """Of one NAS, since the process began."""

    requests: int = 0  # begun, whatever became of them
    sends: int = 0
    resends: int = 0  # of these, copies
    acks: int = 0
    naks: dict[int, int] = field(default_factory=dict)  # by Error-Cause; 0: without one
    silent: int = 0
    unsendable: int = 0
    cancelled: int = 0
    rtt_sum_s: float = 0.0  # of acks and naks
    ignored: dict[str, int] = field(default_factory=dict)  # by `Ignored`
    waiting: int = 0  # now, for their turn
    in_flight: int = 0  # now

    def ignore(self, kind: Ignored) -> None:
        self.ignored[kind.value] = self.ignored.get(kind.value, 0) + 1

    def nak(self, error_cause: int | None) -> None:
        self.naks[error_cause or 0] = self.naks.get(error_cause or 0, 0) + 1
