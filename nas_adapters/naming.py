"""Which session is meant, in the attributes that a box accepts for it (RFC 5176 §3).

Each dialect has its list, because boxes answer an attribute too many with a refusal.  What is
said is what the NAS itself sent, octet for octet; what it never told is left out.
"""

from collections.abc import Callable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Final

from core.octets import from_text
from nas_adapters.base import Attr, SessionRef, Step, Unchangeable, Verb

# Domain, CoA and Disconnect: the session, its subscriber, its address, its station, its NAS.
COMMON: Final = (
    "User-Name",
    "Acct-Session-Id",
    "Framed-IP-Address",
    "Calling-Station-Id",
    "NAS-IP-Address",
    "NAS-Identifier",
)

# Any of them belongs to one session, or to one device; User-Name alone would hit every
# session of the name.
NARROW: Final = frozenset(
    {"Acct-Session-Id", "Framed-IP-Address", "Framed-IPv6-Prefix", "Delegated-IPv6-Prefix"}
    | {"Framed-IPv6-Address", "Acct-Multi-Session-Id", "Calling-Station-Id"}
)
NOTHING_NAMES_IT: Final = Unchangeable("its NAS told nothing that names this session alone")


def named(session: SessionRef, names: tuple[str, ...] = COMMON) -> tuple[Attr, ...]:
    """Those of these attributes that the NAS has told, in this order."""
    return tuple(
        Attr(name, value)
        for name in names
        if (value := _TOLD[name](session)) not in ("", b"", None)
    )


def is_narrow(attributes: tuple[Attr, ...]) -> bool:
    """Whether they mean one session and not all of a subscriber."""
    return any(attr.name in NARROW for attr in attributes)


def disconnect(session: SessionRef, names: tuple[str, ...] = COMMON) -> Step | Unchangeable:
    """A Disconnect-Request with identification alone."""
    identification = named(session, names)
    if not is_narrow(identification):
        return NOTHING_NAMES_IT
    return Step(Verb.DISCONNECT, identification)


def _address(session: SessionRef, version: int) -> str:
    """The NAS's own address if it is of this family.  A box may have written anything there."""
    try:
        address = ip_address(session.nas_address)
    except ValueError:
        return ""
    return str(address) if address.version == version else ""


def _ipv6_prefix(session: SessionRef) -> str:
    """Framed-IPv6-Prefix; a single address without a length was Framed-IPv6-Address."""
    return session.framed_ipv6 if "/" in session.framed_ipv6 else ""


def _ipv6_address(session: SessionRef) -> str:
    return session.framed_ipv6 if "/" not in session.framed_ipv6 else ""


_TOLD: Final[Mapping[str, Callable[[SessionRef], str | bytes | int | None]]] = MappingProxyType(
    {
        "User-Name": lambda session: from_text(session.user_name),
        "Acct-Session-Id": lambda session: from_text(session.acct_session_id),
        "Acct-Multi-Session-Id": lambda session: from_text(session.multi_session_id),
        "Framed-IP-Address": lambda session: session.framed_ip,
        "Framed-IPv6-Prefix": _ipv6_prefix,
        "Framed-IPv6-Address": _ipv6_address,
        "Delegated-IPv6-Prefix": lambda session: session.delegated_ipv6,
        "Calling-Station-Id": lambda session: from_text(session.calling_station),
        "Called-Station-Id": lambda session: from_text(session.called_station),
        "NAS-Port": lambda session: session.nas_port,
        "NAS-Port-Id": lambda session: from_text(session.nas_port_id),
        "NAS-IP-Address": lambda session: _address(session, 4),
        "NAS-IPv6-Address": lambda session: _address(session, 6),
        "NAS-Identifier": lambda session: from_text(session.nas_identifier),
    }
)
