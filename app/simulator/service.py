"""What a session is given, as the NAS understood it, in nobody's dialect.

Made from an Access-Accept, changed by a CoA.  Download and upload are the subscriber's
view; None is no limit.
"""

from dataclasses import dataclass

from app.simulator import wire
from app.simulator.wire import Fields
from core.radius.types import (
    ACCT_INTERIM_INTERVAL,
    CLASS,
    FRAMED_IP_ADDRESS,
    SESSION_TIMEOUT,
)

# "The NAS chooses" (RFC 2865 §5.8); the other one lets the subscriber choose.
_NO_ADDRESSES = ("255.255.255.254", "255.255.255.255")


@dataclass(frozen=True, slots=True)
class Rates:
    """Bits a second."""

    download_bps: int | None = None
    upload_bps: int | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Octets that this session may carry, at which the NAS ends it by itself."""

    download_octets: int | None = None
    upload_octets: int | None = None
    total_octets: int | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """Everything that a NAS remembers of an Accept."""

    rates: Rates = Rates()
    base: Rates = Rates()  # those that hold while no named service says otherwise
    limits: Limits = Limits()
    filters: tuple[str, ...] = ()  # address lists, access lists, user groups
    services: tuple[str, ...] = ()  # named ones that stand on the box (Cisco ISG)
    pool: str = ""
    redirect: str = ""
    framed_ip: str = ""
    framed_ipv6: str = ""
    delegated_ipv6: str = ""
    session_timeout_s: int | None = None
    interim_s: int | None = None
    classes: tuple[bytes, ...] = ()
    user_name: str = ""  # what the Accept calls him; empty: as he called himself

    def confined_by(self, walls: frozenset[str]) -> bool:
        """Whether one of the names that confine on this box is in force, or a redirect."""
        return bool(self.redirect) or not walls.isdisjoint(
            (*self.filters, *self.services, self.pool)
        )


class Unusable(Exception):
    """An Accept that this box cannot put into practice; the login fails.  `str()` says why."""


def standard(accept: Fields) -> Service:
    """What every box reads alike (RFC 2865, 2869, 3162, 4818)."""
    framed_ip = accept.address(FRAMED_IP_ADDRESS) or ""
    return Service(
        pool=accept.text(wire.FRAMED_POOL) or "",
        framed_ip="" if framed_ip in _NO_ADDRESSES else framed_ip,
        framed_ipv6=accept.prefix(wire.FRAMED_IPV6_PREFIX) or "",
        delegated_ipv6=accept.prefix(wire.DELEGATED_IPV6_PREFIX) or "",
        session_timeout_s=accept.number(SESSION_TIMEOUT) or None,
        interim_s=accept.number(ACCT_INTERIM_INTERVAL) or None,
        classes=tuple(accept.all(CLASS)),
    )
