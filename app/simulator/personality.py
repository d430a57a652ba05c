"""What makes a simulated NAS one of its make: a table of habits and three functions.

`describe` writes who and where in that make's words, `read` understands its Accept, and
`change` its CoA.  Everything that all makes share is in `nas`.  A habit that no document
of the vendor tells is a choice, and marked so in the file of the make.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

from app.simulator.login import Method
from app.simulator.service import Rates, Service
from app.simulator.session import Subscriber
from app.simulator.wire import Fields
from core.radius.types import (
    ACCT_SESSION_ID,
    CALLING_STATION_ID,
    FRAMED_IP_ADDRESS,
    NAS_PORT,
    NAS_PORT_ID,
    USER_NAME,
)

# Error-Cause (RFC 5176 §3.5).
UNSUPPORTED_ATTRIBUTE: Final = 401
MISSING_ATTRIBUTE: Final = 402
NAS_MISMATCH: Final = 403
INVALID_REQUEST: Final = 404
INVALID_VALUE: Final = 407
SESSION_NOT_FOUND: Final = 503

# NAS-Port-Type (RFC 2865 §5.41 and its registry).
VIRTUAL: Final = 5
ETHERNET: Final = 15
WIRELESS: Final = 19
PPPOE_OVER_ETHERNET: Final = 32

COA_PORT: Final = 3799  # RFC 5176 §2.1
EVERY_IDENTITY: Final = frozenset(
    (ACCT_SESSION_ID, USER_NAME, FRAMED_IP_ADDRESS, CALLING_STATION_ID, NAS_PORT, NAS_PORT_ID)
)
# All that names a session, whether a make looks at it or not (RFC 5176 §3): beside the above,
# Called-Station-Id, Acct-Multi-Session-Id, NAS-Port-Type, CUI, Framed-Interface-Id, and the
# IPv6 prefixes and address.
IDENTIFICATION: Final = EVERY_IDENTITY | frozenset((30, 50, 61, 89, 96, 97, 123, 168))


@dataclass(frozen=True, slots=True)
class Box:
    """How one NAS is configured."""

    name: str  # NAS-Identifier
    address: str = "127.0.0.1"  # where its packets come from, and NAS-IP-Address
    walls: frozenset[str] = frozenset(("walled-garden",))  # names whose firewall confines
    known: frozenset[str] | None = None  # filters, pools, services that exist; None: all do
    services: Mapping[str, Rates] = field(default_factory=dict)  # of an ISG
    octet_unit: int = 1  # counters are told in units of so many octets (Huawei)
    interim_s: int = 300  # where the Accept tells none; 0: none
    own_interim: bool = False  # keeps its own whatever the Accept tells, as a hotspot may

    def knows(self, name: str) -> bool:
        return self.known is None or name in self.known or name in self.walls


class Line(NamedTuple):
    """What is known of a session while it is described; `framed_ip` is empty before it has one."""

    box: Box
    subscriber: Subscriber
    acct_session_id: str
    port: int
    framed_ip: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A NAK.  Some makes give no Error-Cause."""

    error_cause: int | None
    message: str = ""


Change: TypeAlias = Callable[[Fields, Service, Box], Service | Refusal]


@dataclass(frozen=True, slots=True)
class Personality:
    """One make in one role."""

    name: str
    describe: Callable[[Line], bytes]
    read: Callable[[Fields, Box], Service]  # raises Unusable
    change: Change
    session_id: Callable[[str, int, int], str]  # NAS name, boots, sessions since
    methods: tuple[Method, ...] = (Method.PAP, Method.CHAP, Method.MSCHAPV2)
    coa_port: int = COA_PORT
    resend_after_s: float = 3.0
    login_sends: int = 3
    record_sends: int = 10
    signs_requests: bool = False  # Message-Authenticator in every Access-Request
    demands_signature: bool = False  # and none of its replies is believed without one
    session_id_at_login: bool = True
    address_at_login: bool = False  # IPoE and hotspot have an address before they have a session
    event_timestamps: bool = False
    delay_times: bool = False  # Acct-Delay-Time, with a new packet for every repetition
    counters_in_start: bool = False
    accounting_on: bool = True
    accounting_on_session_id: str = ""  # what Accounting-On has in place of one; empty: nothing
    drops_unaccounted: bool = False  # ends a session whose records nobody acknowledges
    # How CoA and Disconnect find the session: what of these is given must match, and at least
    # one must be; `needs` must all be given.
    identified_by: frozenset[int] = EVERY_IDENTITY
    needs: frozenset[int] = frozenset()
    without_identity: int = MISSING_ATTRIBUTE
    selects: Callable[[Fields], dict[int, bytes]] | None = None  # in words of its own, in addition
    checks_nas: bool = False  # NAK 403 when NAS-IP-Address or NAS-Identifier is another's
    strict_disconnect: bool = True  # NAK 401 for what is no identification (RFC 5176 §3)


def mac(station: str, separator: str, group: int = 2, *, upper: bool = False) -> str:
    """`02:00:5E:00:00:01` as this make writes it."""
    digits = "".join(char for char in station.lower() if char in "0123456789abcdef")
    parts = [digits[at : at + group] for at in range(0, len(digits), group)]
    written = separator.join(parts)
    return written.upper() if upper else written
