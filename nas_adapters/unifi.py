"""A UniFi controller's hotspot: WISPr's rates in bit/s, a VLAN, and an API of its own.

ISPs' code sends the volume of both directions together as CoovaChilli-Max-Total-Octets
(third-party code only).  Whether Gigawords are read is unknown, so an amount ends at 4 GiB less
one octet: the session ends early, and its next login gets the rest.

Nothing changes in mid-session by RADIUS.  A Disconnect must be switched on in the hotspot's
profile, and knows the guest by station and session (unconfirmed); the controller's API
authorises and unauthorises guests otherwise.
"""

from typing import Final

from nas_adapters import asking, naming
from nas_adapters.base import (
    COA_PORT,
    NO_PATTERNS,
    UINT32_MAX,
    Abilities,
    Attr,
    Counting,
    Identity,
    Patterns,
    Request,
    SessionRef,
    Step,
    Unchangeable,
    clamped,
)
from nas_adapters.generic import standard, tunnel
from nas_adapters.identity import Kind
from nas_adapters.profile import ServiceProfile

name = "unifi"
coa_port = COA_PORT
abilities = Abilities(can_coa=False, max_rate_bps=UINT32_MAX, api="unifi")
counting = Counting()

NAMING: Final = ("Acct-Session-Id", "Calling-Station-Id")
NO_COA: Final = Unchangeable("a UniFi hotspot takes no CoA")


def identify(request: Request, patterns: Patterns = NO_PATTERNS) -> Identity:
    return asking.identify(request, patterns, otherwise=Kind.HOTSPOT)


def render(profile: ServiceProfile) -> tuple[Attr, ...]:
    attributes = standard(profile)
    if profile.upload_bps is not None:
        attributes.append(Attr("WISPr-Bandwidth-Max-Up", clamped(profile.upload_bps)))
    if profile.download_bps is not None:
        attributes.append(Attr("WISPr-Bandwidth-Max-Down", clamped(profile.download_bps)))
    if profile.filter_id:
        attributes.append(Attr("Filter-Id", profile.filter_id))
    return (*attributes, *tunnel(profile.vlan), *limits(profile))


def limits(profile: ServiceProfile) -> tuple[Attr, ...]:
    if profile.limit_octets is None:
        return ()
    return (Attr("CoovaChilli-Max-Total-Octets", clamped(profile.limit_octets)),)


def change(
    wanted: ServiceProfile, applied: ServiceProfile | None, session: SessionRef
) -> tuple[Step, ...] | Unchangeable:
    del session
    return NO_COA if applied is None or render(wanted) != render(applied) else ()


def disconnect(session: SessionRef) -> Step | Unchangeable:
    return naming.disconnect(session, NAMING)
