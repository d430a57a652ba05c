"""What a vendor's dialect must be able to say.  One small pure file each; `vendors` lists them.

A dialect knows no database, no socket and no clock, and takes no decision: what a session is
to get, and whether to try a change or a disconnect first, is decided above it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from nas_adapters.identity import NO_PATTERNS, Identity, Patterns
from nas_adapters.profile import ServiceProfile

__all__ = [
    "COA_PORT",
    "NO_PATTERNS",
    "UINT32_MAX",
    "UINT64_MAX",
    "Abilities",
    "Attr",
    "Counting",
    "Identity",
    "Patterns",
    "Request",
    "SessionRef",
    "Step",
    "Unchangeable",
    "Vendor",
    "Verb",
    "clamped",
    "words",
]

UINT32_MAX: Final = 2**32 - 1
UINT64_MAX: Final = 2**64 - 1
COA_PORT: Final = 3799  # RFC 5176 §2.1


@dataclass(frozen=True, slots=True)
class Attr:
    """One attribute by its dictionary name; `core.radius.codec` turns it into octets."""

    name: str
    value: str | int | bytes
    tag: int | None = None


class Verb(StrEnum):
    """The two requests of RFC 5176."""

    COA = "coa"
    DISCONNECT = "disconnect"


@dataclass(frozen=True, slots=True)
class Step:
    """One request, but for Event-Timestamp and Message-Authenticator: the client adds them."""

    verb: Verb
    attributes: tuple[Attr, ...]


@dataclass(frozen=True, slots=True)
class Unchangeable:
    """This box cannot be told so in mid-session, and why; only a new login gets it there."""

    reason: str


@dataclass(frozen=True, slots=True)
class SessionRef:
    """A session as its NAS last reported it in accounting; empty where it told nothing.

    Texts are escaped (`core.octets`), as sessions are stored: what is sent back are the very
    octets that came.  `nas_identifier` and `nas_address` are what the NAS calls itself.
    """

    acct_session_id: str = ""
    user_name: str = ""
    framed_ip: str = ""
    framed_ipv6: str = ""  # a prefix, or one address of RFC 6911
    delegated_ipv6: str = ""
    calling_station: str = ""
    called_station: str = ""
    nas_port: int | None = None
    nas_port_id: str = ""
    multi_session_id: str = ""
    nas_identifier: str = ""
    nas_address: str = ""
    class_: tuple[bytes, ...] = ()
    kind: str = ""  # of `identity.Kind`, where it was kept


@dataclass(frozen=True, slots=True)
class Abilities:
    """What can be asked of a box in mid-session, and what its word is worth."""

    can_coa: bool = True
    can_disconnect: bool = True
    ack_is_proof: bool = False  # False: it acknowledges what it ignores; look at what follows
    # Whether a request carries them (RFC 5176 §3, replay protection and integrity).
    sends_event_timestamp: bool = True
    sends_message_authenticator: bool = True
    max_rate_bps: int | None = None  # the highest rate that its attributes can say
    api: str = ""  # another way in: "routeros", "unifi"


@dataclass(frozen=True, slots=True)
class Counting:
    """How its counters are to be read unless the NAS's settings say otherwise.

    Whether it sends Gigawords is learned from what it sends.
    """

    octet_unit: int = 1  # one count is so many octets
    swapped: bool = False  # Input is what the subscriber *received*


class Request(Protocol):
    """An Access-Request as dialects read it: `core.radius.packet.Packet`, raw."""

    @property
    def first(self) -> Mapping[int, bytes]: ...

    def all(self, number: int) -> list[bytes]: ...


class Vendor(Protocol):
    """How one family of boxes is spoken to.  A module of this folder is one."""

    @property
    def name(self) -> str:
        """As a NAS's `vendor` names it."""
        ...

    @property
    def coa_port(self) -> int:
        """Where it listens for Change-of-Authorization unless told otherwise."""
        ...

    @property
    def abilities(self) -> Abilities: ...

    @property
    def counting(self) -> Counting: ...

    def identify(self, request: Request, patterns: Patterns) -> Identity:
        """Who is asking and by what kind of access.  Nothing that arrives makes it raise."""
        ...

    def render(self, profile: ServiceProfile) -> tuple[Attr, ...]:
        """The Access-Accept attributes that give this profile, in this vendor's units."""
        ...

    def limits(self, profile: ServiceProfile) -> tuple[Attr, ...]:
        """Those of `render` that say the limits in octets, alone; none where it has no words.

        Apart, because they change with each login and the rest of a plan does not.
        """
        ...

    def change(
        self, wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
    ) -> tuple[Step, ...] | Unchangeable:
        """The requests that turn `applied` into `wanted`, in the order to be sent.

        None at all if there is nothing to say.  `applied` is None where nobody knows what
        the session has: then everything is said that this box can be told.
        """
        ...

    def disconnect(self, session: SessionRef) -> Step | Unchangeable:
        """The request that ends the session, with identification alone (RFC 5176 §3)."""
        ...


def clamped(value: int, *, least: int = 1, most: int = UINT32_MAX) -> int:
    """`value`, or the nearest that the attribute can say.

    More than 32 bits must not wrap (10 Gbit/s would become 1.4), and what rounds to zero
    must not be sent, because to most boxes a rate or a time of zero means "no limit".
    """
    return max(least, min(value, most))


def words(octets: int) -> tuple[int, int]:
    """An amount as the low 32 bits and the number of 2^32 above them ("Gigawords").

    Both are always said: of 4 GiB the low word alone is zero, which means "no limit".
    """
    octets = clamped(octets, most=UINT64_MAX)
    return octets & UINT32_MAX, octets >> 32
