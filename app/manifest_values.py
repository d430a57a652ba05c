"""The values that a manifest may hold: from what TOML or JSON gave to the types of the domain.

Each function takes one value and returns it converted, or raises Invalid with what is
wrong and what to write instead.  Knows no key and no file.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network
from typing import Final, TypeVar
from zoneinfo import available_timezones

from core.config_sources import did_you_mean
from core.errors import Invalid
from core.octets import from_text, to_text
from core.secret import Secret
from core.units import parse_rate_bps
from nas_adapters.profile import NAME_OCTETS_MAX

T = TypeVar("T")

ATTRIBUTE_OCTETS_MAX: Final = 253  # RFC 2865 §5: 255 with type and length
NAME_MAX: Final = 100
PASSWORD_OCTETS_MAX: Final = 128  # RFC 2865 §5.2
INTERIM_S_MIN: Final = 60  # RFC 2869 §2.1
UINT32_MAX: Final = 2**32 - 1


def string(value: object) -> str:
    if not isinstance(value, str):
        raise Invalid("not a text: put it in quotes")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise Invalid("holds half a character (a lone surrogate): write it whole") from None
    return value


def flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Invalid("write true or false, without quotes")
    return value


def whole(minimum: int, maximum: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Invalid(f"write a whole number from {minimum} to {maximum}, without quotes")
        if not minimum <= value <= maximum:
            raise Invalid(f"write a number from {minimum} to {maximum}")
        return value

    return parse


def one_of(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Invalid(f"write one of: {', '.join(choices)}")
        return value

    return parse


def list_of(parse: Callable[[object], T]) -> Callable[[object], tuple[T, ...]]:
    """Each value once, in the order of the file."""

    def parse_list(value: object) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise Invalid('write a list: ["...", "..."]')
        return tuple(dict.fromkeys(parse(item) for item in value))

    return parse_list


def name(value: object) -> str:
    """What people call a NAS, a plan or a tenant: it stands in logs, tables and addresses."""
    text = string(value)
    if not 1 <= len(text) <= NAME_MAX:
        raise Invalid(f"write 1 to {NAME_MAX} characters")
    if not text.isprintable() or text != text.strip():
        raise Invalid("no control characters, and no space at either end")
    return text


def attribute_text(value: object) -> str:
    """A name that every dialect can put into an attribute, such as a pool's."""
    text = string(value)
    if not 1 <= len(text.encode()) <= NAME_OCTETS_MAX or not text.isprintable():
        raise Invalid(f"write 1 to {NAME_OCTETS_MAX} octets without control characters")
    return text


def exact(value: object) -> str:
    r"""A User-Name or NAS-Identifier: any octets but NUL, in the escaped form of `core.octets`.

    ``\xNN`` stands for one octet and ``\\`` for a backslash, as every listing shows them; a
    backslash before anything else stands for itself.
    """
    octets = from_text(string(value))
    if b"\0" in octets:
        raise Invalid("holds a NUL: a name ends before it on some boxes, so leave it out")
    if not 1 <= len(octets) <= ATTRIBUTE_OCTETS_MAX:
        raise Invalid(f"write 1 to {ATTRIBUTE_OCTETS_MAX} octets")
    return to_text(octets)


def password(value: object) -> Secret:
    octets = string(value).encode()
    if b"\0" in octets:
        raise Invalid("holds a NUL: PAP pads with them, so it could never be proven")
    if not 1 <= len(octets) <= PASSWORD_OCTETS_MAX:
        raise Invalid(f"write 1 to {PASSWORD_OCTETS_MAX} octets (of UTF-8)")
    return Secret(octets)


def shared_secret(value: object) -> Secret:
    text = string(value)
    if not 1 <= len(text.encode()) <= ATTRIBUTE_OCTETS_MAX or not text.isprintable():
        raise Invalid(
            f"write 1 to {ATTRIBUTE_OCTETS_MAX} octets without control characters, as on the NAS"
        )
    return Secret(text.encode())


def rate(value: object) -> int:
    try:
        return parse_rate_bps(value)
    except ValueError as wrong:
        raise Invalid(str(wrong)) from None


def network(value: object) -> IPv4Network | IPv6Network:
    """Where a NAS sends from: an address, or a network of them."""
    text = string(value)
    try:
        found = ip_network(text, strict=False)
    except ValueError:
        raise Invalid("write an address or a network: 192.0.2.1 or 2001:db8::/64") from None
    address = text.partition("/")[0]
    if "%" in text:
        raise Invalid("leave the zone out (the part from % on)")
    if (
        "/" in text
        and found.prefixlen < found.max_prefixlen
        and str(found.network_address) != (str(ip_network(address).network_address))
    ):
        raise Invalid(
            f"an address with a network's length: write {found}, or {address}/{found.max_prefixlen}"
        )
    if isinstance(found, IPv6Network) and found.network_address.ipv4_mapped:
        raise Invalid(f"write {found.network_address.ipv4_mapped}, the IPv4 address in it")
    return found


def host_ipv4(value: object) -> IPv4Address:
    """The address that one subscriber gets."""
    try:
        address = IPv4Address(string(value))
    except ValueError:
        raise Invalid("write one IPv4 address: 203.0.113.9") from None
    if (
        address.is_multicast
        or address.is_unspecified
        or address.is_loopback
        or address >= IPv4Address("240.0.0.0")  # two of them mean "choose" (RFC 2865 §5.8)
    ):
        raise Invalid("no subscriber can have this address: write a unicast one")
    return address


def prefix_ipv6(value: object) -> IPv6Network:
    """The prefix that one subscriber gets."""
    text = string(value)
    if "/" not in text:
        raise Invalid("write the prefix with its length: 2001:db8:1:42::/64")
    try:
        found = IPv6Network(text, strict=False)
    except ValueError:
        raise Invalid("write an IPv6 prefix: 2001:db8:1:42::/64") from None
    if IPv6Address(text.partition("/")[0]) != found.network_address:
        raise Invalid(f"has bits beyond its length: write {found}")
    if found.prefixlen == 0 or found.is_multicast or found.is_loopback:
        raise Invalid("no subscriber can have this prefix: write a unicast one")
    return found


def moment(value: object) -> datetime:
    """A point in time with its zone, as UTC."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise Invalid("write a time such as 2027-01-01T00:00:00Z") from None
    if not isinstance(value, datetime):
        raise Invalid("write a date with a time: 2027-01-01T00:00:00Z")
    if value.tzinfo is None:
        raise Invalid("the zone is missing: add Z for UTC, or +02:00")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise Invalid("beyond the calendar: leave it out for no end") from None


def day(value: object) -> date:
    """A date of the calendar, without a time."""
    if isinstance(value, str):
        try:
            value = date.fromisoformat(value)
        except ValueError:
            raise Invalid("write a date such as 2027-01-31") from None
    if not isinstance(value, date) or isinstance(value, datetime):
        raise Invalid("write a date without a time: 2027-01-31")
    if not 1970 <= value.year < 2200:
        raise Invalid("write a date from 1970 to 2199")
    return value


def time_zone(value: object) -> str:
    """A name of the IANA database, as operating systems spell it."""
    text = string(value)
    known = available_timezones()
    if text not in known:
        hint = did_you_mean(text, sorted(known))
        raise Invalid(f"no time zone{hint}; write one such as Europe/Berlin, or UTC")
    return text
